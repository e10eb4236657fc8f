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
    """A batch went through a step; the numbers are of the whole step, ``seconds`` since its first batch in this run."""

    step: str
    ok: int
    failed: int
    total: int
    seconds: float


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


Event = RunStarted | StepProgressed | CheckFinished | Noted
Listener = Callable[[Event], None]
