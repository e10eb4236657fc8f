"""Deadlines of a command and of its steps: when one passes, the command stops as after ^C, and says what it waited for."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from cicscenario.engine.events import CheckProgressed, Event, Listener, StageStarted, Waiting
from cicscenario.engine.progress import Progress, StepTally
from cicscenario.engine.stopwatch import Stopwatch
from cicscenario.errors import DeadlineError, InterruptedRunError
from cicscenario.wording import agreeing, counted

_NAMED = 3  # steps, and waits, that a message names
_HINT = "everything done so far is saved; the same command goes on with what is left, and has its whole time again"


@dataclass(frozen=True)
class Deadline:
    """The time of a whole command: ``seconds`` since ``stopwatch`` began."""

    seconds: float
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def left(self) -> float:
        """Seconds until it passes; not above 0 when it has."""
        return self.seconds - self.stopwatch.seconds


@dataclass(frozen=True)
class _Passed:
    """The deadline that has passed first. ``step`` is None for that of the command."""

    seconds: float
    step: str | None
    waits: Sequence[Waiting]
    doing: str


class Deadlines:
    """The deadline of a command, and those of ``steps``, in seconds by name, each from when the step begins to work.

    When one passes, ``stopping`` is set, unless it is set already. Thread-safe. ``clock`` gives seconds.
    """

    def __init__(
        self,
        whole: Deadline | None,
        steps: Mapping[str, float],
        stopping: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._whole = whole
        self._steps = steps
        self._stopping = stopping
        self._clock = clock
        self._changed = threading.Condition()
        self._until: dict[str, float] = {}  # by step: the clock's time
        self._passed: _Passed | None = None
        self._doing = ""
        self._waits: Callable[[], Sequence[Waiting]] = tuple
        self._over = False

    def begun(self, step: str) -> None:
        """A step begins to work, or works already."""
        with self._changed:
            if step in self._steps and step not in self._until:
                self._until[step] = self._clock() + self._steps[step]
                self._changed.notify_all()

    def ended(self, step: str) -> None:
        """A step has nothing left to do."""
        with self._changed:
            self._until.pop(step, None)

    def look(self) -> float | None:
        """Stops the command when a deadline has passed. Gives the seconds until the next one passes; None when none can."""
        with self._changed:
            if self._passed or self._stopping.is_set():
                return None
            now = self._clock()
            left: list[tuple[float, float, str | None]] = [
                (until - now, self._steps[step], step) for step, until in self._until.items()
            ]
            if self._whole:
                left.append((self._whole.left, self._whole.seconds, None))
            if not left:
                return None
            first, seconds, step = min(left, key=lambda one: one[0])
            if first > 0:
                return first
            waits = sorted(self._waits(), key=lambda wait: wait.activity != step)
            self._passed = _Passed(seconds, step, tuple(waits), self._doing)
            self._stopping.set()
            return None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """In the block deadlines are kept, by a thread that is only there when there are any."""
        if not (self._whole or self._steps):
            yield
            return
        thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()
            thread.join()

    def _watch(self) -> None:
        with self._changed:
            while not self._over:
                self._changed.wait(self.look())

    # --- what is told -------------------------------------------------------------------------------------------------

    def hearing(self, listener: Listener) -> Listener:
        """The listener, from whose events it is known what the command is doing."""

        def hear(event: Event) -> None:
            if isinstance(event, StageStarted):
                self._doing = f"it was at this: {event.stage}"
            elif isinstance(event, CheckProgressed):
                self._doing = f"the check {event.name} had asked about {event.done} of {counted(event.total, 'person')}"
            listener(event)

        return hear

    @contextmanager
    def seeing(self, waits: Callable[[], Sequence[Waiting]]) -> Iterator[None]:
        """In the block steps are at work; ``waits`` gives what each of them waits for."""
        self._waits = waits
        try:
            yield
        finally:
            self._waits = tuple

    @contextmanager
    def told(self, progress: Callable[[], Progress | None] = lambda: None) -> Iterator[None]:
        """Raises DeadlineError in the place of an InterruptedRunError that a deadline has caused."""
        try:
            yield
        except InterruptedRunError as error:
            if self._passed is None:
                raise
            raise _error(self._passed, progress()) from error


def late_before(deadline: Deadline, what: str) -> DeadlineError:
    """The error for a command whose deadline passed before it began ``what``."""
    message = f"{_passed(deadline.seconds, None)}; {what} was not begun"
    return DeadlineError(message, seconds=deadline.seconds, step=None, hint=_HINT)


def _passed(seconds: float, step: str | None) -> str:
    whose = "this command" if step is None else f"the step {step}"
    where = "--deadline" if step is None else f"`steps.{step}.deadline`"
    return f"the deadline of {whose}, {seconds:g} s ({where}), has passed"


def _error(passed: _Passed, progress: Progress | None) -> DeadlineError:
    said = [_passed(passed.seconds, passed.step), _done(progress.steps if progress else {}, passed.step)]
    said.append(_waited(passed.waits) or passed.doing)
    message = "; ".join(part for part in said if part)
    return DeadlineError(message, seconds=passed.seconds, step=passed.step, hint=_HINT)


def _done(steps: Mapping[str, StepTally], step: str | None) -> str:
    """How many are done of how many, in the step or in those that are not done for everybody."""
    if step is not None and step in steps:
        tally = steps[step]
        return f"{tally.ok} of {counted(tally.total, 'person')} {agreeing(tally.total, 'are')} done in it"
    open_ = [f"{tally.ok} of {tally.total} in {name}" for name, tally in steps.items() if tally.ok < tally.total]
    more = f" and {counted(len(open_) - _NAMED, 'more step')}" if len(open_) > _NAMED else ""
    return f"done are {', '.join(open_[:_NAMED])}{more}" if open_ else ""


def _waited(waits: Sequence[Waiting]) -> str:
    found = []
    for wait in waits[:_NAMED]:
        seen = f", last seen: {wait.seen}" if wait.seen else ""
        found.append(f"{wait.what} ({wait.activity}, {counted(wait.people, 'person')}, {wait.seconds:g} s{seen})")
    return f"waited for {'; for '.join(found)}" if found else ""
