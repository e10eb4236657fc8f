"""The lines that tell people of the events of a run."""

from collections.abc import Callable
from typing import Any

from cicscenario.engine.events import (
    CheckFinished,
    CheckProgressed,
    CommandEnded,
    Event,
    Noted,
    ProblemsFound,
    RepairItem,
    RepairLooked,
    RepairPlanned,
    RequestRepeated,
    RunStarted,
    ServiceStarting,
    StageStarted,
    StepProgressed,
    Waiting,
)
from cicscenario.engine.problems import Problems
from cicscenario.invocation import going_on
from cicscenario.printable import one_line
from cicscenario.report import problems
from cicscenario.wording import counted


def duration(seconds: float) -> str:
    """Such as ``0.4 s``, ``58 s``, ``12 min 5 s`` or ``3 h 4 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def check_line(event: CheckFinished) -> str:
    """The line of a check: its name, the number of errors, the tolerance, what was not asked again, and the first failure."""
    allowed = f" (allowed: {event.allowed})" if event.allowed else ""
    allowed += f" ({event.read_back} read back after writing in this run)" if event.read_back else ""
    first = f"; first: {one_line(event.first)}" if event.first else ""
    return f"{event.name}: {counted(event.errors, 'error')} of {event.total}{allowed}{first}"


def rate_of(event: StepProgressed) -> float | None:
    """People per second in this run; None while that is not known."""
    return event.people / event.seconds if event.people and event.seconds else None


def remaining(event: StepProgressed) -> float | None:
    """Seconds that the step will take at the rate of this run; None while that is not known."""
    rate = rate_of(event)
    return (event.total - event.ok - event.failed) / rate if rate else None


def step_line(event: StepProgressed) -> str:
    """The line of a step: people done and failed, and the rate and the time that is left, both of this run only."""
    failed = f", {event.failed} failed" if event.failed else ""
    rate, left = rate_of(event), remaining(event)
    speed = f", {rate:,.{0 if rate >= 10 else 1}f}/s" if rate else ""
    more = f", about {duration(left)} left" if left else ""
    return f"{one_line(event.step)}: {event.ok} of {event.total}{failed}{speed}{more}"


def waiting_line(event: Waiting) -> str:
    """What is waited for, for how long, until when, and what was seen last."""
    whose = f" for {counted(event.people, 'person')}" if event.people else ""
    until = f", gives up after {duration(event.patience)}" if event.patience is not None else ""
    seen = f"; last seen: {one_line(event.seen)}" if event.seen else ""
    what = f" waits for {event.what}{whose}," if event.what else ""
    return one_line(f"{event.activity}:{what} no news for {duration(event.seconds)}{until}{seen}")


def short_wait(event: Waiting) -> str:
    """The same for the line below a step's bar: for how long of how long, what, and what was seen last."""
    of = f" of {duration(event.patience)}" if event.patience is not None else ""
    seen = f": {one_line(event.seen)}" if event.seen else ""
    return f"waits {duration(event.seconds)}{of} for {event.what}{seen}"


def check_progress_line(event: CheckProgressed) -> str:
    """How far a check is."""
    errors = f", {counted(event.errors, 'error')}" if event.errors else ""
    return f"check {one_line(event.name)}: {event.done:,} of {counted(event.total, 'person')} asked about{errors}"


def service_line(event: ServiceStarting) -> str:
    """A service of the sandbox that starts, or is ready."""
    number = f"sandbox, service {event.number} of {event.total}"
    if event.seconds is None:
        return f"{number}: {one_line(event.service)} starts"
    return f"{number}: {one_line(event.service)} is ready after {duration(event.seconds)}"


def started_line(event: RunStarted) -> str:
    """The line for the start of a run; for a resumed run, with the number of people who are done."""
    behind = min(event.steps.values(), default=0)
    resumes = f", {behind} of {event.population} already done in every step" if any(event.steps.values()) else ""
    return f"{event.scenario}: {counted(event.population, 'person')} in {one_line(event.directory)}{resumes}"


def looked_line(event: RepairLooked) -> str:
    """What a check found when a repair asked it."""
    closely = f", all of them looked at closely (as with {going_on('verify', '--thorough')})" if event.closely else ""
    return f"looked at {one_line(event.check)}: {counted(event.problems, 'problem')} of {event.people:,}{closely}"


def repair_lines(event: RepairPlanned) -> str:
    """The plan of a repair: what is made again, and what is left alone."""
    parts = [("to be made again:", event.again), ("left alone:", event.left)]
    lines = [line for title, items in parts if items for line in (title, *(f"  {item_line(item)}" for item in items))]
    return "\n".join(lines) or "nothing is to be made again"


def item_line(item: RepairItem) -> str:
    """Such as ``metadata: 3 people (4, 7, 9): the entry is written again; first: no entry at ...``."""
    who = counted(item.people, "person")
    more = ", ..." if item.people > len(item.named) else ""
    names = f" ({', '.join(map(str, item.named))}{more})" if item.named else ""
    first = f"; first: {item.problem}" if item.problem else ""
    return one_line(f"{item.check}: {who}{names}: {item.what}{first}")


def repeat_line(event: RequestRepeated) -> str:
    """A request that is sent again, and why."""
    return f"{event.service}: a request is sent again: {one_line(event.why)}"


_LINES: dict[type, Callable[[Any], str]] = {
    RunStarted: started_line,
    StageStarted: lambda event: f"{event.stage} …",
    ServiceStarting: service_line,
    StepProgressed: step_line,
    Waiting: waiting_line,
    CheckProgressed: check_progress_line,
    CheckFinished: check_line,
    RepairLooked: looked_line,
    RepairPlanned: repair_lines,
    RequestRepeated: repeat_line,
    Noted: lambda event: event.text,
    ProblemsFound: lambda event: "\n".join(problems.lines(Problems(event.people, event.problems), event.file)),
    CommandEnded: lambda event: event.verdict,
}


def line_of(event: Event) -> str | None:
    """The line of an event; None for one that is only for programs."""
    line = _LINES.get(type(event))
    return line(event) if line else None
