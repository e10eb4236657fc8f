"""What has to be so before a run may change anything."""

from collections.abc import Collection

from cicscenario.connections import Connections, Service
from cicscenario.errors import UnavailableError
from cicscenario.plan.compile import Plan
from cicscenario.plan.estimate import answers, needs, work
from cicscenario.state.store import Store


def preflight(plan: Plan, services: Connections, store: Store | None) -> None:
    """Nothing is changed anywhere before every service has answered and the signer can pay for all that is left.

    Raises UnavailableError naming what is missing.
    """
    ask_services(services, plan.services)
    if plan.sends:
        _can_pay(plan, services, store)


def ask_services(services: Connections, needed: Collection[Service]) -> None:
    """Asks each service; raises UnavailableError naming all that are missing."""
    silent = [need for need in answers(services, needed) if not need.ok]
    if silent:
        raise UnavailableError(
            "nothing was changed, because a service is missing:\n"
            + "\n".join(f"  {need.what}: {need.has}" for need in silent),
            hint="; ".join(need.hint for need in silent if need.hint),
        )


def _can_pay(plan: Plan, services: Connections, store: Store | None) -> None:
    unmet = [need for need in needs(plan, work(plan, store), services.chain, store) if not need.ok]
    if unmet:
        raise UnavailableError(
            "nothing was sent, because the signer cannot do all of it:\n"
            + "\n".join(f"  {need.what}: needs {need.needs}, has {need.has}" for need in unmet),
            hint="; ".join(need.hint for need in unmet),
        )
