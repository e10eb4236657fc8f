"""Preflight: tests that every service answers and that the signer can pay, before a run changes anything."""

from collections.abc import Collection, Sequence

from cicscenario.capabilities.cost import Need
from cicscenario.connections import Connections, Service
from cicscenario.errors import UnavailableError
from cicscenario.plan.cleartext import in_clear_text
from cicscenario.plan.compile import Plan
from cicscenario.plan.estimate import answers, needs, survey, work
from cicscenario.state.store import Store


def preflight(plan: Plan, services: Connections, store: Store | None) -> list[str]:
    """Asks every service of the plan, and compares the signer's funds and roles with the work that is left.

    Returns warnings, each a line: of the backend, and of passwords that go over the network in clear text. Raises
    UnavailableError with everything that is missing.
    """
    ask_services(services, plan.services)
    found = survey(plan, services)
    _require([need for need in found if not need.ok], "nothing was changed, because this would go wrong")
    if plan.sends:
        _can_pay(plan, services, store)
    return [f"warning: {line}" for line in in_clear_text(services.environment, plan.services)] + [
        f"warning: {need.what}: {need.has}" + (f" ({need.hint})" if need.hint else "") for need in found if need.warns
    ]


def ask_services(services: Connections, needed: Collection[Service]) -> None:
    """Asks each service. Raises UnavailableError with all that do not answer."""
    silent = [need for need in answers(services, needed) if not need.ok]
    if silent:
        raise UnavailableError(
            "nothing was changed, because these services cannot be used:\n"
            + "\n".join(f"  {need.what}: {need.has}" for need in silent),
            hint="; ".join(need.hint for need in silent if need.hint),
        )


def _can_pay(plan: Plan, services: Connections, store: Store | None) -> None:
    for at_most in (True, False):  # all gifts are only drawn where the greatest ones could not be paid
        unmet = [need for need in needs(work(plan, store, at_most=at_most), services.chain) if not need.ok]
        if not unmet:
            return
    _require(unmet, "nothing was sent, because the signer lacks funds or roles for all transactions")


def _require(unmet: Sequence[Need], because: str) -> None:
    if unmet:
        raise UnavailableError(
            f"{because}:\n" + "\n".join(f"  {need.what}: needs {need.needs}, has {need.has}" for need in unmet),
            hint="; ".join(need.hint for need in unmet if need.hint),
        )
