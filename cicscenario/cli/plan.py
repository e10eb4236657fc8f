"""``cicscenario plan``: shows what a run would do and what it needs; changes nothing."""

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cicscenario.capabilities.cost import Need, not_asked
from cicscenario.cli import workspace
from cicscenario.cli.atwork import at_work
from cicscenario.cli.commandline import choose
from cicscenario.cli.home import home
from cicscenario.cli.interrupts import stopped_by_signals
from cicscenario.connections import Service
from cicscenario.engine.identity import compare
from cicscenario.engine.services import open_services
from cicscenario.errors import ExitCode
from cicscenario.invocation import going_on
from cicscenario.language import Scenario, load_environment
from cicscenario.plan.compile import Plan, compile_plan
from cicscenario.plan.estimate import StepWork, answers, needs, offline_needs, survey, work
from cicscenario.printable import json_text, one_line, say
from cicscenario.sandbox.stack import running_environment
from cicscenario.state.directory import existing_store
from cicscenario.state.store import Store
from cicscenario.vocabulary import load_scenarios
from cicscenario.wording import counted


def plan(path: Path, overrides: Sequence[str], env: str | None, directory: Path | None, fmt: str) -> ExitCode:
    """Prints the plan. Returns UNAVAILABLE when a requirement of the run is not met. Starts no service.

    Raises StateRefusedError when the state belongs to another scenario or chain, as a run would.
    """
    scenarios = load_scenarios(path, overrides)
    found = []
    for scenario in scenarios:
        choose(scenario.combination.sets if scenario.combination else ())
        found.append(_planned(scenario, env, directory))
    if fmt == "json":
        documents = [one.document() for one in found]
        together = {"scenario": scenarios[0].name, "runs": documents, "totals": _totals(_all_lines(found))}
        say(json_text(documents[0] if len(documents) == 1 else together, indent=2))
    else:
        say("\n\n".join(one.text() for one in found))
        if len(found) > 1:
            people = sum(one.compiled.size for one in found)
            say(f"\nAll {counted(len(found), 'run')}: {counted(people, 'person')}; {_sum(_all_lines(found))}.")
    return ExitCode.OK if all(one.met for one in found) else ExitCode.UNAVAILABLE


def _planned(scenario: Scenario, env: str | None, directory: Path | None) -> "_Planned":
    """The plan of one run, compared with its state."""
    compiled = compile_plan(scenario)
    place = workspace.run_directory(scenario, directory)
    store = existing_store(place)
    try:
        with at_work("reading the people"):
            lines = work(compiled, store)
        services, found = _services(compiled, env, lines, store)
    finally:
        if store:
            store.close()
    return _Planned(compiled, place, lines, found, services)


@dataclass(frozen=True)
class _Planned:
    """The plan of one run: its work by step, what it needs of people, and of services."""

    compiled: Plan
    place: Path
    lines: list[StepWork]
    found: list[Need]
    services: list[Need]

    @property
    def met(self) -> bool:
        return all(need.ok for need in self.found + self.services)

    def document(self) -> dict[str, Any]:
        return _document(self.compiled, self.place, self.lines, self.found, self.services)

    def text(self) -> str:
        return _text(self.compiled, self.place, self.lines, self.found, self.services)


def _all_lines(found: Sequence[_Planned]) -> list[StepWork]:
    return [line for one in found for line in one.lines]


def _services(
    compiled: Plan, env: str | None, lines: list[StepWork], store: Store | None
) -> tuple[list[Need], list[Need]]:
    """The needs for each service of the plan, after asking it, and the needs for the signer's funds and roles."""
    where = _environment(compiled, env)
    if isinstance(where, Need):
        if store:
            compare(store, compiled, None)
        return [where, *map(not_asked, compiled.services)], offline_needs(compiled, lines, store)
    stopping = threading.Event()
    with (
        stopped_by_signals(stopping.set),
        at_work("asking the services"),
        open_services(compiled, lambda plan: nullcontext(load_environment(where)), stopping) as connections,
    ):
        asked = answers(connections, compiled.services)
        if store:
            compare(store, compiled, connections if all(need.ok for need in asked) else None)
        if all(need.ok for need in asked):
            asked += survey(compiled, connections)
        if compiled.sends and all(need.ok for need in asked if need.what == Service.CHAIN):
            return asked, needs(compiled, lines, connections.chain, store)
        return asked, offline_needs(compiled, lines, store)


def _environment(compiled: Plan, env: str | None) -> Path | Need:
    """The environment file, or a Need that says why no service can be asked."""
    named = workspace.named_environment(compiled.scenario, env)
    if named is None:
        return Need("an environment", "a name", "none", ok=False, hint="add `environment: sandbox`, or give --env")
    if named != "sandbox":
        return Path(named)
    running = running_environment(home(), workspace.sandbox_services(compiled))
    return running or Need("sandbox", "an answer", f"it is down; {going_on('run')} starts it", ok=True)


def _totals(lines: list[StepWork]) -> dict[str, int]:
    return {
        "to_do": sum(line.to_do for line in lines),
        "done": sum(line.done for line in lines),
        "transactions": sum(line.transactions for line in lines),
        "gas": sum(line.gas for line in lines),
    }


def _sum(lines: list[StepWork]) -> str:
    """The totals in words."""
    totals = _totals(lines)
    return (
        f"{totals['to_do']:,} to do, {totals['done']:,} done;"
        f" {counted(totals['transactions'], 'transaction')}, {totals['gas'] / 1e6:,.1f} M gas"
    )


def _document(
    compiled: Plan, place: Path, lines: list[StepWork], found: list[Need], services: list[Need]
) -> dict[str, Any]:
    return {
        "scenario": compiled.scenario.title,
        "directory": str(place),
        "population": compiled.size,
        "rejected": compiled.rejected.document() if compiled.rejected else None,
        "steps": [asdict(line) for line in lines],
        "totals": _totals(lines),
        "needs": [_need(need) for need in found],
        "services": [_need(need) for need in services],
        "checks": [check.name for check in compiled.checks],
    }


def _need(need: Need) -> dict[str, Any]:
    """A need for the JSON output. Amounts are decimal strings, because wei exceed the precision of JSON numbers."""
    amounts = {"needed": need.needed, "held": need.held}
    return asdict(need) | {name: None if amount is None else str(amount) for name, amount in amounts.items()}


def _asks(need: Need) -> str:
    mark = ("WARNING" if need.warns else "ok" if need.ok else "MISSING") if need.asked else "-"
    has = f"has {need.has}" if need.asked else "not asked"
    hint = f"\n          {need.hint}" if (need.warns or not need.ok) and need.hint else ""
    return f"  {mark:<8}{need.what}: needs {need.needs}; {has}{hint}"


def _text(compiled: Plan, place: Path, lines: list[StepWork], found: list[Need], services: list[Need]) -> str:
    scenario = compiled.scenario
    kind = scenario.backend.traits.kind
    head = f"Plan: {one_line(scenario.title)} ({kind}, {counted(compiled.size, 'person')}, state in {one_line(str(place))})"
    rows = [f"  {'step':<22}{'to do':>9}{'done':>9}{'tx':>9}{'gas':>12}  what"]
    for line in lines:
        failed = f" ({line.failed} failed before)" if line.failed else ""
        gas = f"{line.gas / 1e6:,.1f} M" if line.gas else "-"
        rows.append(
            f"  {line.name:<22}{line.to_do:>9,}{line.done:>9,}{line.transactions or '-':>9}{gas:>12}  {line.summary}{failed}"
        )
    names = ", ".join(check.name for check in compiled.checks) or "none"
    rows.append(f"  {'verify':<22}{compiled.size:>9,}{'':>9}{'-':>9}{'-':>12}  {names}")
    foot = f"Plan: {_sum(lines)}."
    rejected = compiled.rejected
    left_out = [rejected.summary()] if rejected and rejected.count else []
    return "\n".join([head, *left_out, "", *rows, "", "needs", *map(_asks, services + found), "", foot])
