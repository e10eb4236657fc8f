"""The events of a run. Listeners (console, JSON lines, reports) show them; the engine itself prints nothing."""

from collections.abc import Callable
from dataclasses import dataclass

from cicscenario.engine.problems import Problem


@dataclass(frozen=True)
class RunStarted:
    """A run starts or resumes. ``steps`` maps each step, in order, to the number of people who are done already."""

    scenario: str
    directory: str
    population: int
    steps: dict[str, int]


@dataclass(frozen=True)
class StepProgressed:
    """A step has saved a batch, or a part of one. The counts are of the whole step.

    ``seconds`` is the time since its first batch began. ``batch`` is the number of people whose outcomes were saved, and
    ``batch_seconds`` the time since their batch began, saving included.
    """

    step: str
    ok: int
    failed: int
    total: int
    seconds: float
    batch: int = 0
    batch_seconds: float = 0.0


@dataclass(frozen=True)
class CheckFinished:
    """A check has verified all people."""

    name: str
    errors: int
    total: int
    allowed: str | None
    first: str | None  #: the problem of the first failing person
    read_back: int = (
        0  #: people whose result the run had read back after writing it, and who were not asked about again
    )


@dataclass(frozen=True)
class Noted:
    """A message for the user."""

    text: str


@dataclass(frozen=True)
class ProblemsFound:
    """What went wrong, root causes first, for so many people; ``file`` has all of them. Not sent when nobody failed."""

    people: int
    problems: tuple[Problem, ...]
    file: str


@dataclass(frozen=True)
class ReportWritten:
    """A run or verification has ended, and its result is in ``report.json`` in ``directory``."""

    directory: str


Event = RunStarted | StepProgressed | CheckFinished | Noted | ProblemsFound | ReportWritten
Listener = Callable[[Event], None]
