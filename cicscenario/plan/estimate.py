"""Estimates the work that is left and its cost, and looks up whether the signer has the funds and roles for it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from cicscenario.capabilities.cost import Cost, Need, Pending, Sender, amount, not_asked
from cicscenario.capabilities.descriptor import Survey, descriptor
from cicscenario.capabilities.step import PlannedStep
from cicscenario.chain.abi import to_hex
from cicscenario.chain.session import ChainSession
from cicscenario.connections import Connections, Service
from cicscenario.errors import CicScenarioError, InterruptedRunError
from cicscenario.plan.compile import Plan
from cicscenario.state.store import Store


@dataclass(frozen=True)
class StepWork:
    """The work of one step. ``gas`` is in gas, ``native`` in wei, ``tokens`` in whole tokens, for transactions to be sent."""

    name: str
    summary: str
    to_do: int
    done: int
    failed: int
    transactions: int
    gas: int
    native: int
    tokens: int
    deadline: float | None = None  #: seconds, from when the step begins to work
    sender: Sender = Sender.SIGNER  #: who sends these transactions and pays the gas


@dataclass(frozen=True)
class WorkLeft:
    """The work that is left: a line for each step, and the costs of those that have transactions to send."""

    lines: list[StepWork]
    sending: list[tuple[Cost, Pending]]


def work(plan: Plan, store: Store | None, *, at_most: bool = False) -> WorkLeft:
    """The work that is left in each step; without a state, all of it. ``at_most``: see ``Pending``."""
    counts = store.counts() if store else {}
    found = WorkLeft([], [])
    for step, pending in _pending(plan, store, counts, at_most=at_most):
        done, failed = counts.get(step.name, (0, 0))
        cost = step.cost or Cost(gas=0)
        sends = cost.transactions(pending) if step.cost else 0
        native, tokens = sends * cost.native(plan.scenario), cost.tokens(pending)
        gas, within = sends * cost.gas, plan.scenario.deadlines.get(step.name)
        to_do = plan.size - done
        found.lines.append(
            StepWork(step.name, step.summary, to_do, done, failed, sends, gas, native, tokens, within, cost.sender)
        )
        if sends:
            found.sending.append((cost, pending))
    return found


def _pending(
    plan: Plan, store: Store | None, counts: Mapping[str, tuple[int, int]], *, at_most: bool
) -> Iterator[tuple[PlannedStep, Pending]]:
    """Each step with the number of people whose transaction is still to be sent."""
    mined = store.mined_counts() if store else {}
    for step in plan.steps:
        done = counts.get(step.name, (0, 0))[0]
        # A killed run may have mined transactions whose outcomes it did not save.
        left = min(plan.size - done, plan.size - mined.get(step.name, 0))
        yield step, Pending(step.name, plan.scenario, plan.population, plan.size, left, store, at_most)


def answers(services: Connections, needed: Collection[Service]) -> list[Need]:
    """Asks each service whether it answers, in a fixed order. An error becomes a need that is not met."""
    found = []
    for service in (service for service in Service if service in needed):
        try:
            found.append(Need(service, "an answer", services.ask(service), ok=True))
        except InterruptedRunError:
            raise
        except CicScenarioError as error:
            found.append(Need(service, "an answer", error.message, ok=False, hint=error.hint or ""))
    return found


def survey(plan: Plan, services: Connections) -> list[Need]:
    """What the scenario's backend finds in the services. An error becomes a need that is not met."""
    traits = descriptor(plan.scenario)
    try:
        return list(traits.needs(Survey(plan.scenario, services, plan.population, plan.size)))
    except InterruptedRunError:
        raise
    except CicScenarioError as error:
        what = f"the backend {traits.kind}"
        return [Need(what, "a look at its services", error.message, ok=False, hint=error.hint or "")]


def needs(left: WorkLeft, session: ChainSession) -> list[Need]:
    """The funds and roles that the signer needs for the work that is left, looked up on the chain."""
    native = sum(line.gas * session.gas_price + line.native for line in left.lines if line.sender is Sender.SIGNER)
    hint = f"send native currency to {to_hex(session.signer.address)}"
    found = [amount("native currency", native, session.balance(), "wei", hint)]
    for cost, pending in left.sending:
        found += cost.needs(pending, session)
    return found


def offline_needs(plan: Plan, left: WorkLeft) -> list[Need]:
    """The needs that are known without the chain, which has the gas price and the signer's funds and roles.

    Empty when the plan sends no transactions.
    """
    if not plan.sends:
        return []
    gas = sum(line.gas for line in left.lines if line.sender is Sender.SIGNER)
    found = [not_asked("native currency for fees", needed=gas, unit="gas")]
    for cost, pending in left.sending:
        found += cost.offline_needs(pending)
    return found
