"""``cicscenario runs`` and ``compare``: the runs in the home folder, and two of them beside each other."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cicscenario.api import workspace
from cicscenario.api.home import home
from cicscenario.engine.records import read_progress
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import Scenario, SeveralRunsError
from cicscenario.printable import json_text, one_line, say
from cicscenario.report.columns import columns
from cicscenario.report.comparison import Comparison, Speed, compare_runs
from cicscenario.report.html import moment, rate
from cicscenario.report.recorded import Phase, Recorded
from cicscenario.report.rendered import recorded
from cicscenario.report.took import in_words, last_command
from cicscenario.report.words import duration
from cicscenario.serve.view import phase_of
from cicscenario.state.directory import run_folders
from cicscenario.state.store import STATE
from cicscenario.vocabulary import load_scenario, load_scenarios
from cicscenario.wording import agreeing, counted

_NOTHING = "\N{EN DASH}"


@dataclass(frozen=True)
class RunLine:
    """One run. What is not known is None: a run that is under way or was killed may have no report yet."""

    name: str
    directory: str
    phase: str
    verdict: str
    good: bool
    people: int | None
    command: str | None  #: the last one about the run, whose beginning and seconds these are
    began: str | None
    seconds: float | None
    services_seconds: float | None  #: the part of them for opening the services
    timeline_seconds: float | None  #: of steps and checks, in all commands that executed steps


def runs(fmt: str) -> ExitCode:
    """Prints the runs in the home folder, the last one first. Reads no state."""
    found = sorted(_lines(home() / "runs"), key=lambda line: line.began or "", reverse=True)
    if fmt == "json":
        say(json_text([asdict(line) for line in found], indent=2))
    elif found:
        _table(
            [("run", "verdict", "people", "last command", "began", "took", "steps"), *map(_cells, found)],
            numbers=(2, 6),
        )
    else:
        say(f"there are no runs in {one_line(str(home() / 'runs'))}")
    return ExitCode.OK


def _lines(folder: Path, name: str | None = None) -> Iterator[RunLine]:
    """A line for each run directory in the folder of all, and for each combination of a matrix, which is one level deeper.

    ``name``: of one scenario only.
    """
    for found, place in run_folders(folder):
        if _is_run(place) and name in (None, found.partition("/")[0]):
            yield _line(place, found)


def _is_run(place: Path) -> bool:
    return (place / "report.json").exists() or (place / STATE).exists()


def _line(place: Path, name: str) -> RunLine:
    phase, known = phase_of(place), None
    progress: dict[str, Any] | None = None
    verdict = "its records are damaged"
    try:
        progress = read_progress(place)
        known = recorded(place)
        verdict = Recorded(known.report, progress, phase=phase).verdict
    except InvalidError:
        if phase is not Phase.ENDED:
            verdict = Recorded({}, None, phase=phase).verdict
    report = known.report if known else {}
    timeline = (progress or {}).get("timeline", {})
    sessions = timeline.get("sessions", [])
    ended = report if phase is Phase.ENDED else {}  # else it is the report of an earlier command
    totals = [step["total"] for step in (progress or {}).get("steps", {}).values()]
    return RunLine(
        name,
        str(place),
        phase.value,
        verdict,
        bool(known and phase is Phase.ENDED and known.good),
        report.get("population", totals[0] if totals else None),
        ended.get("command"),
        ended.get("began", sessions[-1]["began"] if sessions else None),
        ended.get("seconds"),
        ended.get("services_seconds"),
        timeline.get("seconds"),
    )


def _cells(line: RunLine) -> tuple[str, ...]:
    return (
        one_line(line.name),
        line.verdict,
        _NOTHING if line.people is None else f"{line.people:,}",
        line.command or _NOTHING,
        moment(line.began) if line.began else _NOTHING,
        _NOTHING if line.seconds is None else in_words(line.seconds, line.services_seconds or 0.0),
        _NOTHING if line.timeline_seconds is None else duration(line.timeline_seconds),
    )


def _table(rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> None:
    for line in columns(rows, numbers):
        say(line)


def compare(first: str, second: str, percent: float, fmt: str) -> ExitCode:
    """Prints what is slower in the second run, and what fails now. Returns CHECKS_FAILED when there is anything of it."""
    before, now = _run_of(first), _run_of(second)
    found = compare_runs(before, now, percent=percent)
    if fmt == "json":
        say(json_text(found.document(), indent=2))
    else:
        for which, run in (("before", before), ("now", now)):
            say(f"{which}: {last_command(run.report) or 'its time is not recorded'}")
        _say_comparison(found, percent)
    return ExitCode.CHECKS_FAILED if found.worse else ExitCode.OK


def _run_of(named: str) -> Recorded:
    """The run in a directory, of a scenario file, or with a name in the home folder."""
    path, folder = Path(named), home() / "runs"
    if path.is_dir():
        return recorded(path)
    if path.is_file():
        return recorded(workspace.run_directory(_scenario(path), None))
    if not path.is_absolute() and ".." not in path.parts and (folder / named).is_dir():
        if not _is_run(folder / named) and (runs := [line.name for line in _lines(folder, named)]):
            raise InvalidError(
                f"`{named}` has {counted(len(runs), 'run')}, one for each combination", hint=_one_of(runs)
            )
        return recorded(folder / named)
    raise InvalidError(
        f"there is no run, run directory or scenario file `{named}`", hint="`cicscenario runs` lists the runs by name"
    )


def _scenario(path: Path) -> Scenario:
    try:
        return load_scenario(path)
    except SeveralRunsError as error:
        name = load_scenarios(path)[0].name
        runs = [f"{name}/{one.folder}" for one in error.combinations]
        raise InvalidError(error.message, hint=_one_of(runs)) from None


def _one_of(runs: Sequence[str]) -> str:
    return "\n    ".join(["give the name of a run:", *map(shlex.quote, runs)])


def _say_comparison(found: Comparison, percent: float) -> None:
    _table([("people/s", "before", "now", "time per person", ""), *map(_speed_cells, found.speeds)], numbers=(1, 2, 3))
    for title, lines in (("fails now", found.fails), ("no longer fails", found.mended)):
        if lines:
            say(f"{title}:")
            say("\n".join(f"  {one_line(line)}" for line in lines))
    slower = [speed.step for speed in found.speeds if speed.slower]
    reasons = [f"a person takes over {percent:g} % more time in {', '.join(slower)}"] if slower else []
    reasons += [f"{counted(len(found.fails), 'thing')} {agreeing(len(found.fails), 'fail')} now"] if found.fails else []
    say(f"the second run is worse: {'; '.join(reasons)}" if reasons else "the second run is no worse than the first")


def _speed_cells(speed: Speed) -> tuple[str, ...]:
    time = _NOTHING if speed.more_time is None else f"{speed.more_time:+.0f} %"
    return speed.step, rate(speed.before), rate(speed.now), time, "slower" if speed.slower else ""
