"""What happens in a run, for whoever listens: the console, JSON lines, reports. The engine itself prints nothing."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class RunStarted:
    """A run begins or resumes; ``steps`` in order, with how many people each has behind it."""

    scenario: str
    directory: str
    population: int
    steps: dict[str, int]


@dataclass(frozen=True)
class StepProgressed:
    """A batch went through a step; the numbers are of the whole step, ``seconds`` since its first batch in this run.

    ``batch`` is the number of people in the batch, which took ``batch_seconds`` from its beginning until it was saved.
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
    """A check is through with everybody."""

    name: str
    errors: int
    total: int
    allowed: str | None
    first: str | None  #: what is wrong with the first failing person


@dataclass(frozen=True)
class Noted:
    """Something a person should read."""

    text: str


@dataclass(frozen=True)
class ReportWritten:
    """A command that asked the services has ended, and ``report.json`` in ``directory`` says how."""

    directory: str


Event = RunStarted | StepProgressed | CheckFinished | Noted | ReportWritten
Listener = Callable[[Event], None]
