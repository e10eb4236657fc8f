"""Gives everybody an account, in the way of the scenario's backend."""

from cicscenario.connections import Service
from cicscenario.steps.base import Batch, Context, Executor, Lane, Result, Step


def _executor(context: Context) -> Executor:
    def run(batch: Batch) -> Result:
        made = context.backend.accounts(batch.people)
        return Result(made.outcomes, addresses=made.addresses)

    return run


def _step(kind: str, lane: Lane, summary: str, *services: Service) -> Step:
    return Step(
        name="accounts",
        lane=lane,
        after=("population",),
        applies=lambda scenario: scenario.backend.kind == kind,
        executor=_executor,
        summary=summary,
        services=services,
    )


STEPS = (
    _step("eth", Lane.CPU, "make a key for each person"),
    _step("existing", Lane.CPU, "take the accounts that people have"),
    _step("cic_eth", Lane.SERVICE, "have the custodial engine make accounts", Service.CUSTODIAL),
    _step("cic_ussd", Lane.SERVICE, "join by phone, one dial each", Service.USSD, Service.META),
)
