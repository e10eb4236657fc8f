"""The timeline of a run as it is drawn: one axis of seconds, and on it a bar and a curve for each step."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from cicscenario.engine.timeline import MOST

WORKED, WAITED, IDLE = "worked", "waited", "idle"  #: people came through; nobody did; no batch was under way
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
_MOST_TICKS = 6
_SHORTEST = 1.0  # seconds of a wait that is shown
_MOST_COLUMNS = 60  # of a curve
_SHARE = 100.0  # the whole axis, in percent

Row = tuple[int, int, int, float]  #: number of the bucket, people ok, people failed, seconds under way


@dataclass(frozen=True)
class Stretch:
    """A part of a bar: what happened in it, where it begins, and its width, both in percent of the axis."""

    kind: str
    left: float
    width: float


@dataclass(frozen=True)
class Curve:
    """People per second over time: points of an SVG polygon in a box of 100 by 100, and the highest value."""

    points: str
    peak: float


@dataclass(frozen=True)
class DrawnStep:
    """One step, or the checks. ``took`` and ``waited`` are in seconds; ``rate`` is people per second, None if nobody came."""

    spans: tuple[Stretch, ...]
    first: float
    last: float
    waited: float
    people: int
    curve: Curve | None

    @property
    def took(self) -> float:
        return self.last - self.first

    @property
    def rate(self) -> float | None:
        return self.people / self.took if self.people and self.took > 0 else None


class Axis:
    """The drawn form of a timeline, as ``progress.json`` has it."""

    def __init__(self, timeline: Mapping[str, Any]) -> None:
        self._width: float = timeline["width"]
        self.sessions: list[dict[str, Any]] = timeline["sessions"]
        ends = [track["last"] for track in timeline["tracks"].values()]
        self.seconds = max([timeline["seconds"], *ends, 0.001])
        self._tracks: Mapping[str, Any] = timeline["tracks"]

    def track(self, name: str) -> DrawnStep | None:
        """The bar and the curve of a step; None when it had nothing to do."""
        held = self._tracks.get(name)
        if not held:
            return None
        rows = [row for row in held["buckets"] if row[1] or row[2] or row[3]]
        first, last = held["first"], max(held["first"], held["last"])
        spans = self._spans(rows, first, last)
        waited = sum(end - begin for kind, begin, end in spans if kind is WAITED)
        people = sum(ok + failed for _, ok, failed, _ in rows)
        return DrawnStep(tuple(map(self._drawn, spans)), first, last, waited, people, self._curve(rows))

    def ticks(self) -> list[tuple[float, float]]:
        """(seconds, place in percent) for the labels of the axis, without its beginning."""
        step = next((tick for tick in _TICKS if self.seconds / tick <= _MOST_TICKS), None)
        if step is None:
            step = _TICKS[-1] * int(self.seconds / _TICKS[-1] / _MOST_TICKS + 1)
        return [(n * step, self._place(n * step)) for n in range(1, int(self.seconds / step) + 1)]

    def resumed(self) -> list[tuple[float, str]]:
        """(place in percent, time in words) of every session but the first."""
        return [(self._place(session["at"]), session["began"]) for session in self.sessions[1:]]

    def _place(self, seconds: float) -> float:
        share: float = min(max(seconds / self.seconds, 0), 1)
        return round(share * _SHARE, 2)

    def _drawn(self, span: tuple[str, float, float]) -> Stretch:
        kind, begin, end = span
        left = self._place(begin)
        return Stretch(kind, left, round(self._place(end) - left, 2))

    def _spans(self, rows: Sequence[Row], first: float, last: float) -> list[tuple[str, float, float]]:
        """(kind, begin, end) in seconds, each of at least ``_SHORTEST`` unless people came through in it.

        What is saved comes in bursts, so shorter gaps between them are neither waits nor idle.
        """
        kinds = {number: WORKED if ok or failed else WAITED for number, ok, failed, _ in rows}
        spans: list[tuple[str, float, float]] = []
        for kind, numbers in groupby(self._numbers(first, last), key=lambda number: kinds.get(number, IDLE)):
            held = list(numbers)
            begin = max(first, held[0] * self._width)
            end = max(begin, min(last, (held[-1] + 1) * self._width))
            shown = kind if end - begin >= _SHORTEST else WORKED
            if spans and spans[-1][0] == shown:
                spans[-1] = (shown, spans[-1][1], end)
            else:
                spans.append((shown, begin, end))
        return spans

    def _numbers(self, first: float, last: float) -> range:
        """The buckets between two seconds."""
        return range(int(first / self._width), min(int(last / self._width), MOST) + 1)

    def _curve(self, rows: Sequence[Row]) -> Curve | None:
        """Some buckets are taken together: of at least ``_SHORTEST`` seconds, and not too many to be seen."""
        together = max(math.ceil(_SHORTEST / self._width), math.ceil(self.seconds / self._width / _MOST_COLUMNS))
        counted: Counter[int] = Counter()
        for number, ok, failed, _ in rows:
            counted[number // together] += ok + failed
        if not (columns := [number for number, people in counted.items() if people]):
            return None
        width = together * self._width
        peak = max(counted.values())
        points = [(self._place(min(columns) * width), 0.0)]
        for number in range(min(columns), max(columns) + 1):
            high = counted[number] / peak * _SHARE
            points += [(self._place(number * width), high), (self._place((number + 1) * width), high)]
        points.append((points[-1][0], 0.0))
        return Curve(" ".join(f"{left:g},{_SHARE - high:.4g}" for left, high in points), peak / width)
