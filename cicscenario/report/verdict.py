"""The verdict of a command in one line: people, checks, time, report."""

from cicscenario.engine.events import CommandEnded
from cicscenario.errors import ExitCode
from cicscenario.printable import one_line
from cicscenario.report.recorded import Recorded
from cicscenario.report.took import in_words
from cicscenario.wording import counted


def verdict_line(recorded: Recorded) -> str:
    """What came of a run or verification, without time and report: ``Everybody arrived: 1,000 people, 12 checks``."""
    made = recorded.report["checks"]
    population = recorded.report["population"]
    if recorded.good:
        return f"{recorded.verdict}: {counted(population, 'person')}, {counted(len(made), 'check')}"
    wrong = [check for check in made if check["errors"]]
    failed = recorded.code is ExitCode.CHECKS_FAILED
    if wrong and (failed or recorded.report.get("astray")):
        astray = recorded.report.get("astray") or max(check["errors"] for check in wrong)
        found = ", ".join(f"{one_line(check['name'])} {check['errors']:,}" for check in wrong)
        checks = counted(len(made), "check")
        line = f"{astray:,} of {counted(population, 'person')} did not arrive: errors in {len(wrong)} of {checks} ({found})"
        return line if failed else f"{recorded.verdict}: {line}"
    return f"{recorded.verdict}: {one_line(recorded.detail)}"


def ended(recorded: Recorded | None, code: ExitCode, seconds: float, report: str | None) -> CommandEnded:
    """The last event of a command. ``recorded`` is what it has recorded, None if it did not come to that.

    ``seconds`` is the time of a command that has recorded none; else it is that of its report, as everywhere.
    """
    line = verdict_line(recorded) if recorded else Recorded({"exit_code": int(code)}, None).stopped
    where = f". Report: {one_line(report)}" if report else ""
    held = recorded.report if recorded else {}
    seconds = held.get("seconds", seconds)
    return CommandEnded(
        verdict=f"{line}, {in_words(seconds, held.get('services_seconds', 0.0))}{where}",
        good=recorded.good if recorded else False,
        exit_code=int(code),
        population=held.get("population"),
        astray=held.get("astray"),
        checks=len(held.get("checks", ())),
        seconds=round(seconds, 3),
        report=report,
    )
