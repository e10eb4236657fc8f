"""The events of a run. Listeners (console, JSON lines, log, reports) show them; the engine itself prints nothing.

``schemas/events-v1.json`` defines the form that ``--json`` gives them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cicscenario.engine.problems import Problem


@dataclass(frozen=True)
class RunStarted:
    """A run starts or resumes. ``steps`` maps each step, in order, to the number of people who are done already."""

    scenario: str
    directory: str
    population: int
    steps: dict[str, int]


@dataclass(frozen=True)
class DirectoryTaken:
    """From now on this command may write into the run directory."""

    directory: str


@dataclass(frozen=True)
class StageStarted:
    """Another part of the command's work begins: ``stage`` says what, such as ``asking the services``."""

    stage: str


@dataclass(frozen=True)
class ServiceStarting:
    """A service of the sandbox starts: the ``number``-th of ``total``. ``seconds`` is None until it is ready.

    Several start at the same time. The last that was told of is the one that is waited for, so it is told of again then.
    """

    service: str
    number: int
    total: int
    seconds: float | None = None


@dataclass(frozen=True)
class ServicesOpened:
    """Where the services of the command are: the environment by dotted key, as in ``report.json``, without secrets."""

    settings: dict[str, str]


@dataclass(frozen=True)
class RequestsCounted:
    """The requests of the command so far, by service, as ``traffic`` in ``report.json``. Sent every two seconds if changed."""

    services: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class StepProgressed:
    """A step has saved a batch, or a part of one. The counts are of the whole step.

    ``seconds`` is the time since its first batch began. ``batch`` is the number of people whose outcomes were saved, and
    ``batch_seconds`` the time since their batch began, saving included. ``people`` is the number of people of this run, without
    those who were done before.
    """

    step: str
    ok: int
    failed: int
    total: int
    seconds: float
    batch: int = 0
    batch_seconds: float = 0.0
    people: int = 0


@dataclass(frozen=True)
class Waiting:
    """A step, check or stage goes on, and has no news since ``seconds``.

    ``what`` is waited for; ``people`` wait for it. After ``patience`` seconds in all it is given up; None when that is not
    known. ``seen`` is what was seen last.
    """

    activity: str
    what: str
    people: int
    seconds: float
    patience: float | None = None
    seen: str = ""


@dataclass(frozen=True)
class CheckProgressed:
    """A check has asked about ``done`` of ``total`` people, and found so many errors, in ``seconds`` since it began."""

    name: str
    done: int
    total: int
    errors: int
    seconds: float


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
class RepairLooked:
    """A repair has asked a check about ``people``, and found so many problems.

    ``closely``: at everybody, where a verification looks closely at some people only.
    """

    check: str
    problems: int
    people: int
    closely: bool = False


@dataclass(frozen=True)
class RepairItem:
    """People of one check about whom a repair decided the same. ``named`` are the ids of the first of them.

    ``problem`` is what is wrong with the first; empty when a step is executed again because the user asked for it. ``step`` is
    the one that is executed again; None when nothing is done for them, or when it is right again with something else.
    """

    check: str
    problem: str
    people: int
    named: tuple[int, ...]
    step: str | None
    what: str  #: what is done, or why nothing is


@dataclass(frozen=True)
class RepairPlanned:
    """What a repair will do when the user agrees, and what it leaves alone. Nothing was changed so far."""

    again: tuple[RepairItem, ...]
    left: tuple[RepairItem, ...]


@dataclass(frozen=True)
class RequestRepeated:
    """A request to a service is sent again; ``why`` is what became of it before."""

    service: str
    why: str


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


@dataclass(frozen=True)
class CommandFailed:
    """An error ends the command. ``hint`` says what to do next; None when nothing is known."""

    message: str
    hint: str | None
    exit_code: int


@dataclass(frozen=True)
class CommandEnded:
    """The last event: the verdict in one line, and its parts. ``report`` is the path of the report, None without one.

    When a command runs several combinations of a matrix, it is the last event of each.
    """

    verdict: str
    good: bool
    exit_code: int
    population: int | None
    astray: int | None  #: people who do not pass some check; None when no check was made
    checks: int
    seconds: float
    report: str | None


@dataclass(frozen=True)
class CombinationStarted:
    """The ``number``-th of ``total`` combinations of a matrix begins."""

    scenario: str
    combination: str
    number: int
    total: int
    directory: str


@dataclass(frozen=True)
class MatrixEnded:
    """All combinations have ended, or will not be run any more. ``summary`` is the path of the summary, None without one."""

    verdict: str
    good: bool
    exit_code: int
    runs: int
    good_runs: int
    seconds: float
    summary: str | None


Event = (
    RunStarted
    | DirectoryTaken
    | StageStarted
    | ServiceStarting
    | ServicesOpened
    | RequestsCounted
    | StepProgressed
    | Waiting
    | CheckProgressed
    | CheckFinished
    | RepairLooked
    | RepairPlanned
    | RequestRepeated
    | Noted
    | ProblemsFound
    | ReportWritten
    | CommandFailed
    | CommandEnded
    | CombinationStarted
    | MatrixEnded
)
Listener = Callable[[Event], None]
