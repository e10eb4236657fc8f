"""``cicscenario plan``: shows what a run would do and what it needs; changes nothing."""

from collections.abc import Sequence
from pathlib import Path

from cicscenario.api.planning import RunPlan, plan_of, totals
from cicscenario.api.runplace import RunPlace
from cicscenario.capabilities.cost import Need
from cicscenario.cli.atwork import at_work
from cicscenario.cli.commandline import choose
from cicscenario.cli.interrupts import stopped_by_signals
from cicscenario.errors import ExitCode
from cicscenario.plan.estimate import StepWork
from cicscenario.plan.makeup import profile_document, profile_words
from cicscenario.plan.origin import origin_document, origin_words
from cicscenario.printable import json_text, one_line, say
from cicscenario.report.words import duration
from cicscenario.vocabulary import load_scenarios
from cicscenario.wording import counted


def plan(path: Path, overrides: Sequence[str], env: str | None, directory: Path | None, fmt: str) -> ExitCode:
    """Prints the plan. Returns UNAVAILABLE when a requirement of the run is not met. Starts no service.

    Raises StateRefusedError when the state belongs to another scenario or chain, as a run would.
    """
    scenarios = load_scenarios(path, overrides)
    place = RunPlace(path, tuple(overrides), directory, env)
    found = []
    for scenario in scenarios:
        choose(scenario.combination.sets if scenario.combination else ())
        with at_work("reading the people") as listener:
            found.append(plan_of(scenario, place, listener, stopped_by_signals))
    if fmt == "json":
        documents = [one.document() for one in found]
        together = {"scenario": scenarios[0].name, "runs": documents, "totals": totals(_all_lines(found))}
        say(json_text(documents[0] if len(documents) == 1 else together, indent=2))
    else:
        say("\n\n".join(map(_text, found)))
        if len(found) > 1:
            people = sum(one.population for one in found)
            say(f"\nAll {counted(len(found), 'run')}: {counted(people, 'person')}; {_sum(_all_lines(found))}.")
    return ExitCode.OK if all(one.met for one in found) else ExitCode.UNAVAILABLE


def _all_lines(found: Sequence[RunPlan]) -> list[StepWork]:
    return [line for one in found for line in one.steps]


def _sum(lines: Sequence[StepWork]) -> str:
    """The totals in words."""
    found = totals(lines)
    return (
        f"{found['to_do']:,} to do, {found['done']:,} done;"
        f" {counted(found['transactions'], 'transaction')}, {found['gas'] / 1e6:,.1f} M gas"
    )


def _asks(need: Need) -> str:
    mark = ("WARNING" if need.warns else "ok" if need.ok else "MISSING") if need.asked else "-"
    has = f"has {need.has}" if need.asked else "not asked"
    hint = f"\n          {need.hint}" if (need.warns or not need.ok) and need.hint else ""
    return f"  {mark:<8}{need.what}: needs {need.needs}; {has}{hint}"


def _text(plan: RunPlan) -> str:
    scenario = plan.compiled.scenario
    kind = scenario.backend.traits.kind
    place = one_line(str(plan.directory))
    head = f"Plan: {one_line(scenario.title)} ({kind}, {counted(plan.population, 'person')}, state in {place})"
    rows = [f"  {'step':<22}{'to do':>9}{'done':>9}{'tx':>9}{'gas':>12}  what"]
    for line in plan.steps:
        failed = f" ({line.failed} failed before)" if line.failed else ""
        what = line.summary + failed + (f"; within {duration(line.deadline)}" if line.deadline else "")
        gas = f"{line.gas / 1e6:,.1f} M" if line.gas else "-"
        rows.append(f"  {line.name:<22}{line.to_do:>9,}{line.done:>9,}{line.transactions or '-':>9}{gas:>12}  {what}")
    names = ", ".join(plan.checks) or "none"
    rows.append(f"  {'verify':<22}{plan.population:>9,}{'':>9}{'-':>9}{'-':>12}  {names}")
    foot = f"Plan: {_sum(plan.steps)}."
    rejected = plan.compiled.rejected
    left_out = [rejected.summary()] if rejected and rejected.count else []
    drawn = profile_document(scenario)
    profile = ["Profile: " + "\n  ".join(profile_words(drawn))] if drawn else []
    source = origin_document(scenario, plan.compiled.population)
    people = ["People from " + "\n  ".join(origin_words(source))] if source else []
    asked = map(_asks, plan.services + plan.needs)
    return "\n".join([head, *people, *left_out, *profile, "", *rows, "", "needs", *asked, "", foot])
