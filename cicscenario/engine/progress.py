"""The progress of a run: counts and times for each step, and its timeline. Console, JSON lines and reports read from it."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cicscenario.engine.events import StepProgressed
from cicscenario.engine.timeline import Timeline

BUCKETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  #: upper bounds of batch durations, in seconds
CHECKS = "(checks)"  #: the track of the checks in the timeline; no step has such a name


@dataclass
class StepTally:
    """The progress of one step. ``ok`` includes earlier runs, ``failed`` is of this run only.

    ``seconds`` is the time from the beginning of its first batch to the end of its last.
    """

    total: int
    ok: int = 0
    failed: int = 0
    seconds: float = 0.0
    batches: int = 0
    people: int = 0  #: processed in this run, ok or failed
    _began: float | None = None
    _batch_seconds: float = 0.0
    _slowest: float = 0.0
    _buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    last: float = 0.0  #: seconds from the run's beginning to the step's last batch

    def add(self, ok: int, failed: int, began: float, ended: float, start: float, *, whole: bool = True) -> None:
        """Adds a finished batch, or with ``whole=False`` a part of one that goes on.

        ``began`` and ``ended`` are its times, ``start`` that of the run, in seconds of one clock.
        """
        self.ok += ok
        self.failed += failed
        self._began = began if self._began is None else min(self._began, began)
        self.seconds = ended - self._began
        self.people += ok + failed
        self.last = round(ended - start, 3)
        if not whole:
            return
        self._batch_seconds += ended - began
        self._slowest = max(self._slowest, ended - began)
        self._buckets[next((n for n, top in enumerate(BUCKETS) if ended - began <= top), len(BUCKETS))] += 1
        self.batches += 1

    def document(self) -> dict[str, Any]:
        """The step in ``progress.json``; ``schemas/progress-v1.json`` defines its shape."""
        return {
            "total": self.total,
            "ok": self.ok,
            "failed": self.failed,
            "seconds": round(self.seconds, 3),
            "batches": self.batches,
            "people": self.people,
            "batch_seconds": {
                "sum": round(self._batch_seconds, 3),
                "max": round(self._slowest, 3),
                "buckets": dict(zip([*map(str, BUCKETS), "+Inf"], self._buckets, strict=True)),
            },
        }


class Progress:
    """The progress of all steps. Thread-safe. ``counts`` are (ok, failed) of earlier runs; ``clock`` gives seconds.

    ``timeline`` is that of earlier sessions, which this one continues, by ``by`` (user@host) and at the git ``revision``.
    """

    def __init__(
        self,
        steps: Iterable[str],
        size: int,
        counts: Mapping[str, tuple[int, int]],
        clock: Callable[[], float] = time.monotonic,
        *,
        timeline: Timeline | None = None,
        by: str = "",
        revision: str = "",
    ) -> None:
        self.clock = clock
        self.steps = {step: StepTally(size, ok=counts.get(step, (0, 0))[0]) for step in steps}
        self._mutex = threading.Lock()
        self._start = clock()
        self._began = datetime.now(UTC)
        self._timeline = timeline or Timeline()
        self._earlier = self._timeline.seconds
        self._timeline.begin_session(self._began.isoformat(timespec="seconds"), by, revision)

    def begin(self, step: str) -> float:
        """A batch of the step is under way until ``add`` has all of it. Returns the clock's time."""
        now = self.clock()
        with self._mutex:
            self._timeline.begin(step, self._axis(now))
        return now

    def add(self, step: str, ok: int, failed: int, began: float, *, whole: bool = True) -> StepProgressed:
        """Adds what has just been saved: the rest of a batch, or with ``whole=False`` a part of one that goes on.

        ``began`` is the clock's time at the beginning of the batch. Returns the event.
        """
        ended = self.clock()
        with self._mutex:
            tally = self.steps[step]
            tally.add(ok, failed, began, ended, self._start, whole=whole)
            self._timeline.count(step, ok, failed, self._axis(ended))
            if whole:
                self._timeline.end(step, self._axis(ended))
            return StepProgressed(
                step, tally.ok, tally.failed, tally.total, tally.seconds, ok + failed, ended - began, tally.people
            )

    @contextmanager
    def checking(self) -> Iterator[None]:
        """The checks are under way in the block."""
        self.begin(CHECKS)
        try:
            yield
        finally:
            with self._mutex:
                self._timeline.end(CHECKS, self._axis(self.clock()))

    def _axis(self, now: float) -> float:
        """The second of the timeline at a time of the clock."""
        return self._earlier + max(0.0, now - self._start)

    @property
    def any_batches(self) -> bool:
        """Whether any batch, or part of one, was finished in this run."""
        return any(tally.batches or tally.people for tally in self.steps.values())

    def unfinished(self) -> str | None:
        """The counts of the first incomplete step, in words; None when all steps are complete."""
        for step, tally in self.steps.items():
            if tally.ok < tally.total:
                pending = tally.total - tally.ok - tally.failed
                return f"step {step}: {tally.ok} ok, {tally.failed} failed, {pending} pending of {tally.total}"
        return None

    def document(self) -> dict[str, Any]:
        """The content of ``progress.json``; ``schemas/progress-v1.json`` defines its shape."""
        with self._mutex:
            return self._document()

    def _document(self) -> dict[str, Any]:
        return {
            "began": self._began.isoformat(timespec="seconds"),
            "seconds": max((tally.last for tally in self.steps.values()), default=0.0),
            "steps": {name: tally.document() for name, tally in self.steps.items()},
            "timeline": self._timeline.document(self._axis(self.clock())),
        }
