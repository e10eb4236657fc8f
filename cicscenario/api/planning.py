"""What a run would do, what is done already, and what it needs of people and services. Changes nothing."""

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cicscenario.api import workspace
from cicscenario.api.home import home
from cicscenario.api.runplace import RunPlace
from cicscenario.capabilities.cost import Need, not_asked
from cicscenario.connections import Service
from cicscenario.engine.events import Listener, StageStarted
from cicscenario.engine.identity import compare
from cicscenario.engine.run import ASKING, Stoppable
from cicscenario.engine.services import open_services
from cicscenario.invocation import going_on
from cicscenario.language import Scenario, load_environment
from cicscenario.plan.compile import Plan, compile_plan
from cicscenario.plan.estimate import StepWork, WorkLeft, answers, needs, offline_needs, survey, work
from cicscenario.plan.makeup import profile_document
from cicscenario.plan.origin import origin_document
from cicscenario.sandbox.stack import running_environment
from cicscenario.state.directory import existing_store
from cicscenario.state.store import Store


@dataclass(frozen=True)
class RunPlan:
    """The plan of one run: its work by step, and what it needs."""

    compiled: Plan
    directory: Path  #: the run directory
    steps: tuple[StepWork, ...]  #: in order
    needs: tuple[Need, ...]  #: of the signer: funds and roles
    services: tuple[Need, ...]  #: of each service: an answer

    @property
    def population(self) -> int:
        """The number of people."""
        return self.compiled.size

    @property
    def checks(self) -> tuple[str, ...]:
        """The names of the checks that are made at the end, in order."""
        return tuple(check.name for check in self.compiled.checks)

    @property
    def met(self) -> bool:
        """Whether nothing is known to be missing."""
        return all(need.ok for need in self.needs + self.services)

    def document(self) -> dict[str, Any]:
        """The plan as ``cicscenario plan --format json`` prints it."""
        compiled = self.compiled
        return {
            "scenario": compiled.scenario.title,
            "directory": str(self.directory),
            "population": compiled.size,
            "source": origin_document(compiled.scenario, compiled.population),
            "profile": profile_document(compiled.scenario),
            "rejected": compiled.rejected.document() if compiled.rejected else None,
            "steps": [asdict(line) for line in self.steps],
            "totals": totals(self.steps),
            "needs": [_need(need) for need in self.needs],
            "services": [_need(need) for need in self.services],
            "checks": list(self.checks),
        }


def plan_of(scenario: Scenario, place: RunPlace, listener: Listener, stoppable: Stoppable) -> RunPlan:
    """The plan of one run, compared with its state. Asks services that are there, and starts none.

    Raises StateRefusedError when the state belongs to another scenario or chain, as a run would.
    """
    compiled = compile_plan(scenario)
    directory = workspace.run_directory(scenario, place.directory, place.home)
    store = existing_store(directory)
    try:
        listener(StageStarted("reading the people"))
        left = work(compiled, store)
        services, found = _services(compiled, place, left, store, listener, stoppable)
    finally:
        if store:
            store.close()
    return RunPlan(compiled, directory, tuple(left.lines), tuple(found), tuple(services))


def _services(
    compiled: Plan,
    place: RunPlace,
    left: WorkLeft,
    store: Store | None,
    listener: Listener,
    stoppable: Stoppable,
) -> tuple[list[Need], list[Need]]:
    """The needs for each service of the plan, after asking it, and the needs for the signer's funds and roles."""
    where = _environment(compiled, place)
    if isinstance(where, Need):
        if store:
            compare(store, compiled, None)
        return [where, *map(not_asked, compiled.services)], offline_needs(compiled, left)
    stopping = threading.Event()
    listener(StageStarted(ASKING))
    with (
        stoppable(stopping.set),
        open_services(compiled, lambda plan: nullcontext(load_environment(where)), stopping) as connections,
    ):
        asked = answers(connections, compiled.services)
        if store:
            compare(store, compiled, connections if all(need.ok for need in asked) else None)
        if all(need.ok for need in asked):
            asked += survey(compiled, connections)
        if compiled.sends and all(need.ok for need in asked if need.what == Service.CHAIN):
            return asked, needs(left, connections.chain)
        return asked, offline_needs(compiled, left)


def _environment(compiled: Plan, place: RunPlace) -> Path | Need:
    """The environment file, or a Need that says why no service can be asked."""
    named = workspace.named_environment(compiled.scenario, place.env)
    if named is None:
        return Need("an environment", "a name", "none", ok=False, hint="add `environment: sandbox`, or give --env")
    if named != "sandbox":
        return Path(named)
    running = running_environment(place.home or home(), workspace.sandbox_services(compiled))
    return running or Need("sandbox", "an answer", f"it is down; {going_on('run')} starts it", ok=True)


def totals(lines: Sequence[StepWork]) -> dict[str, int]:
    """The sums of all steps."""
    return {
        "to_do": sum(line.to_do for line in lines),
        "done": sum(line.done for line in lines),
        "transactions": sum(line.transactions for line in lines),
        "gas": sum(line.gas for line in lines),
    }


def _need(need: Need) -> dict[str, Any]:
    """A need for the JSON output. Amounts are decimal strings, because wei exceed the precision of JSON numbers."""
    amounts = {"needed": need.needed, "held": need.held}
    return asdict(need) | {name: None if amount is None else str(amount) for name, amount in amounts.items()}
