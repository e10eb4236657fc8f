"""Writes ``report.json`` and ``progress.json``: the result of a run as data. All other forms are made from them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cicscenario import __version__
from cicscenario.capabilities.money import Done
from cicscenario.capabilities.step import PlannedStep
from cicscenario.engine.conclude import RunEnd, going_on_with
from cicscenario.engine.environment import shown_environment
from cicscenario.engine.failing import write_failing
from cicscenario.engine.records import write_progress
from cicscenario.errors import CicScenarioError, DeadlineError, ExitCode
from cicscenario.files import FOR_ALL, from_here, write_whole
from cicscenario.invocation import going_on
from cicscenario.language import Scenario
from cicscenario.language.schema import secret_paths
from cicscenario.plan.makeup import profile_document
from cicscenario.printable import json_text
from cicscenario.report.flows import flows, hubs_in
from cicscenario.report.roster import write_roster
from cicscenario.state.rows import CheckRow
from cicscenario.vocabulary import scenario_schema

REPORT = "report.json"
_FAILING = 20  #: failing people shown per step


def summary(end: RunEnd, payments: dict[str, Any] | None = None) -> dict[str, Any]:
    """The content of ``report.json``, without the secrets of the environment and the scenario.

    ``payments`` is what ``flows`` says, which takes longer to find out than everything else.
    """
    plan, store = end.plan, end.store
    counts = store.counts()
    report = {
        "scenario": plan.scenario.title,
        "exit_code": int(end.code),
        "population": plan.size,
        "steps": [_step(step.name, counts.get(step.name, (0, 0)), end) for step in plan.steps],
        "checks": _checks(end),
        "failing_people": end.problems.people,
        "problems": [problem.document() for problem in end.problems.problems],
        "transactions": store.transaction_counts(),
        "file": from_here(plan.scenario.path),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "plan": {
            "steps": [_declared(step) for step in plan.steps],
            "checks": [{"name": check.name, "summary": check.summary} for check in plan.checks],
        },
        "document": _document(plan.scenario),
    }
    if chain := _chain(store.meta()):
        report["chain"] = chain
    if money := [row for step in plan.steps if (row := _money(step, counts.get(step.name, (0, 0))[0], end))]:
        report["money"] = money
    if profile := profile_document(plan.scenario):
        report["profile"] = profile
    if payments:
        report["payments"] = payments
    if plan.rejected and plan.rejected.count:
        report["rejected"] = plan.rejected.document()
    if plan.scenario.backend.traits.custodial:
        orphans = store.orphans()
        report |= {"orphans": orphans.most, "orphans_certain": orphans.certain}
    report |= _services(end)
    if end.stopwatch:
        report["began"] = end.stopwatch.began.isoformat(timespec="seconds")
        report["seconds"] = round(end.stopwatch.seconds, 3)
        report["services_seconds"] = round(end.stopwatch.services, 3)
        report["command"] = end.command
    if end.astray is not None:
        report["astray"] = end.astray
    if command := _next(end, report):
        report["next"] = command
    return report | _error(end.error)


def _error(error: CicScenarioError | None) -> dict[str, Any]:
    """What ended the command early; nothing when nothing did."""
    if error is None:
        return {}
    found: dict[str, Any] = {}
    if isinstance(error, DeadlineError):
        found["deadline"] = {"seconds": error.seconds, **({"step": error.step} if error.step else {})}
    return found | {"error": error.message + (f"\n{error.hint}" if error.hint else "")}


def _services(end: RunEnd) -> dict[str, Any]:
    """Where the services were, their faults and pace, and what they were asked; nothing when none was asked."""
    if end.services is None:
        return {}
    where = end.services.environment
    return {
        "environment": shown_environment(where),
        **({"faults": list(where.faults)} if where.faults else {}),
        **({"pace": where.pace} if where.pace == "real" else {}),
        "requests": end.services.requests(),
        "traffic": end.services.traffic.document(),
    }


def _next(end: RunEnd, report: dict[str, Any]) -> str | None:
    """The whole command that goes on, with no secret in it; None when all is done, or when something else comes first."""
    file = report["file"]
    if end.code in (ExitCode.INVALID, ExitCode.STATE_REFUSED, ExitCode.RECONCILE, ExitCode.INTERNAL):
        return None
    wrong = any(check["errors"] for check in report["checks"])
    if command := going_on_with(end.plan, end.store, wrong=wrong, scenario=file):
        return command
    return going_on("run", scenario=file) if end.code is not ExitCode.OK else None


def _chain(held: Mapping[str, str]) -> dict[str, str]:
    """The chain that the state belongs to: its id, the contracts and the signer."""
    return {key: held[key] for key in ("spec", "chain_id", "registry", "token", "signer") if key in held}


def _money(step: PlannedStep, people: int, end: RunEnd) -> dict[str, Any] | None:
    """What was given in a step, by whom, and to how many people; None when it gives nothing."""
    if step.money is None:
        return None
    scenario = end.plan.scenario
    total = step.money.total(Done(step.name, people, scenario, end.store, end.services))
    row: dict[str, Any] = {"step": step.name, "giver": step.money.giver(scenario), "people": people}
    return row if total is None else row | {"amount": str(total)}


def _declared(step: PlannedStep) -> dict[str, Any]:
    return {"name": step.name, "summary": step.summary} | ({"gas": step.cost.gas} if step.cost else {})


def _step(name: str, counted: tuple[int, int], end: RunEnd) -> dict[str, Any]:
    ok, failed = counted
    found = end.store.failures(name, _FAILING) if failed else []
    failing = [{"person": outcome.person, "problem": outcome.detail or "failed"} for outcome in found]
    return {
        "name": name,
        "ok": ok,
        "failed": failed,
        "pending": end.plan.size - ok - failed,
        "total": end.plan.size,
        "seconds": round(end.progress.steps[name].seconds, 3) if end.progress else 0.0,
    } | ({"failing": failing} if failing else {})


def _checks(end: RunEnd) -> list[dict[str, Any]]:
    """The last result of each check. After a verification of some checks, the others keep their earlier results."""
    held = end.store.checks() | {row.name: row for row in end.checks}
    names = dict.fromkeys([*(check.name for check in end.plan.checks), *(row.name for row in end.checks)])
    return [_check(held[name]) for name in names if name in held]


def _check(row: CheckRow) -> dict[str, Any]:
    said: dict[str, Any] = {"allowed": row.allowed} if row.allowed else {}
    if row.read_back:
        said["read_back"] = row.read_back
    return {"name": row.name, "errors": row.errors, "total": row.total, "failing": row.failing, **said}


def _document(scenario: Scenario) -> dict[str, Any]:
    """The effective scenario, also without the references to its secrets."""
    document = scenario.canonical()
    for path in secret_paths(scenario_schema()):
        holder: Any = document
        for part in path[:-1]:
            holder = holder.get(part, {}) if isinstance(holder, dict) else {}
        if path[-1] in holder:
            holder[path[-1]] = "(a secret)"
    return document


def write_record(end: RunEnd) -> None:
    """Writes ``report.json``, ``people.json`` and ``failing.csv`` to the run directory; ``progress.json`` if there were batches.

    When nothing was left to do, the progress of the last run stays.
    """
    write_failing(end.plan, end.store, end.directory)
    if end.progress:
        write_progress(end.directory, end.progress)
    payments = flows(end)
    write_roster(end, hubs_in(payments))
    write_whole(end.directory / REPORT, json_text(summary(end, payments), indent=2) + "\n", mode=FOR_ALL)
