"""What is left to do, what that costs, and whether the signer can pay for it and may do it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cicscenario.capabilities.cost import Cost, Need, Pending, amount, not_asked
from cicscenario.capabilities.step import PlannedStep
from cicscenario.chain.abi import to_hex
from cicscenario.chain.session import ChainSession
from cicscenario.connections import Connections, Service
from cicscenario.errors import CicScenarioError
from cicscenario.plan.compile import Plan
from cicscenario.state.store import Store


@dataclass(frozen=True)
class StepWork:
    """One line of a plan. ``gas`` is in gas, ``native`` in wei, ``tokens`` in whole tokens, each for what is still to send."""

    name: str
    summary: str
    to_do: int
    done: int
    failed: int
    transactions: int
    gas: int
    native: int
    tokens: int


def work(plan: Plan, store: Store | None) -> list[StepWork]:
    """What each step has to do. Without a state, everything."""
    counts = store.counts() if store else {}
    lines = []
    for step, pending in _pending(plan, store):
        done, failed = counts.get(step.name, (0, 0))
        cost = step.cost or Cost(gas=0)
        sends = cost.transactions(pending) if step.cost else 0
        native, tokens = sends * cost.native(plan.scenario), cost.tokens(pending)
        lines.append(
            StepWork(step.name, step.summary, plan.size - done, done, failed, sends, sends * cost.gas, native, tokens)
        )
    return lines


def _pending(plan: Plan, store: Store | None) -> list[tuple[PlannedStep, Pending]]:
    """Each step with whom it has yet to send a transaction for."""
    counts = store.counts() if store else {}
    sent = store.transaction_counts() if store else {}
    found = []
    for step in plan.steps:
        done = counts.get(step.name, (0, 0))[0]
        # Some may be mined whose outcome a killed run had no time to write down.
        left = min(plan.size - done, plan.size - sent.get(step.name, {}).get("mined", 0))
        found.append((step, Pending(step.name, plan.scenario, plan.population, plan.size, left, store)))
    return found


def _sending(plan: Plan, store: Store | None) -> list[tuple[Cost, Pending]]:
    """Costs of the steps that still send something."""
    return [
        (step.cost, pending) for step, pending in _pending(plan, store) if step.cost and step.cost.transactions(pending)
    ]


def answers(services: Connections, needed: Collection[Service]) -> list[Need]:
    """Asks services, in a fixed order; what is missing says so, before anything is changed."""
    found = []
    for service in (service for service in Service if service in needed):
        try:
            found.append(Need(service, "an answer", services.ask(service), ok=True))
        except CicScenarioError as error:
            found.append(Need(service, "an answer", error.message, ok=False, hint=error.hint or ""))
    return found


def needs(plan: Plan, lines: Sequence[StepWork], session: ChainSession, store: Store | None) -> list[Need]:
    """What the signer must have and may do for the work in ``lines``."""
    native = sum(line.gas * session.gas_price + line.native for line in lines)
    hint = f"send native currency to {to_hex(session.signer.address)}"
    found = [amount("native currency", native, session.balance(), "wei", hint)]
    for cost, pending in _sending(plan, store):
        found += cost.needs(pending, session)
    return found


def foreseen(plan: Plan, lines: Sequence[StepWork], store: Store | None) -> list[Need]:
    """What of ``needs`` can be told without the chain: the gas price and what the signer has and may do cannot.

    Nothing, when the plan sends nothing.
    """
    if not plan.sends:
        return []
    found = [not_asked("native currency for fees", needed=sum(line.gas for line in lines), unit="gas")]
    for cost, pending in _sending(plan, store):
        found += cost.foreseen(pending)
    return found
