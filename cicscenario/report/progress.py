"""``progress.json``: how the steps of the last run went over time. Its shape is ``schemas/progress-v1.json``."""

import json
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cicscenario.engine.events import Event, ReportWritten, RunStarted, StepProgressed
from cicscenario.files import write_whole

PROGRESS = "progress.json"
POINTS = 200  #: most that are kept of one step, however many people there are
BUCKETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  #: seconds; a batch took at most so long

Point = tuple[float, int, int]


@dataclass
class _Step:
    total: int
    points: list[Point] = field(default_factory=list)
    last: Point | None = None
    every: int = 1  #: of so many events one is kept
    seen: int = 0
    took: float = 0.0
    batches: int = 0
    people: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    counted: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))

    def add(self, at: float, event: StepProgressed) -> None:
        self.last = (round(at, 3), event.ok, event.failed)
        if self.seen % self.every == 0:
            self.points.append(self.last)
        self.seen += 1
        if len(self.points) >= POINTS:
            del self.points[1::2]  # half as dense: the whole run is always covered, in bounded memory
            self.every *= 2
        self.took = max(self.took, event.seconds)
        self.batches += 1
        self.people += event.batch
        self.seconds += event.batch_seconds
        self.slowest = max(self.slowest, event.batch_seconds)
        self.counted[next((n for n, top in enumerate(BUCKETS) if event.batch_seconds <= top), len(BUCKETS))] += 1

    def document(self) -> dict[str, Any]:
        points = self.points if self.last in (None, self.points[-1]) else [*self.points, self.last]
        return {
            "total": self.total,
            "seconds": round(self.took, 3),
            "points": points,
            "batches": self.batches,
            "people": self.people,
            "batch_seconds": {
                "sum": round(self.seconds, 3),
                "max": round(self.slowest, 3),
                "buckets": dict(zip([*map(str, BUCKETS), "+Inf"], self.counted, strict=True)),
            },
        }


class Recorder:
    """Listens to a run and writes ``progress.json`` at its end, unless nothing was left to do: then the last stays."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._steps: dict[str, _Step] = {}
        self._start = 0.0
        self._began = datetime.now(UTC)

    def __call__(self, event: Event) -> None:
        with self._mutex:
            match event:
                case RunStarted():
                    self._start, self._began = time.monotonic(), datetime.now(UTC)
                    self._steps = {
                        name: _Step(event.population, [(0.0, done, 0)]) for name, done in event.steps.items()
                    }
                case StepProgressed() if event.step in self._steps:
                    self._steps[event.step].add(time.monotonic() - self._start, event)
                case ReportWritten() if any(step.batches for step in self._steps.values()):
                    self._write(Path(event.directory))

    def _write(self, directory: Path) -> None:
        ends = [step.last[0] for step in self._steps.values() if step.last]
        document = {
            "began": self._began.isoformat(timespec="seconds"),
            "seconds": max(ends),
            "steps": {name: step.document() for name, step in self._steps.items()},
        }
        write_whole(directory / PROGRESS, json.dumps(document, indent=None, separators=(",", ":")) + "\n")


def quantile(buckets: dict[str, int], share: float) -> str | None:
    """In how many seconds that ``share`` of the batches were through, as an upper bound in words; None for no batch."""
    wanted, counted = share * sum(buckets.values()), 0
    for top, number in buckets.items():
        counted += number
        if number and counted >= wanted:
            return f"over {BUCKETS[-1]:g} s" if top == "+Inf" else f"≤ {float(top):g} s"
    return None
