"""The work of a run over time, in all its sessions: buckets of one width on one axis, of bounded number.

A session is one command that executed steps. The axis counts the seconds in which a session was under way, so that a run which
is resumed the next day has no gap of a night. What a killed session did after its last record is lost; its work is not.
"""

from dataclasses import dataclass, field
from typing import Any, Self

MOST = 240  #: buckets; when there would be more, each two become one of twice the width
FINEST = 0.25  #: seconds; the width of a bucket at first
SESSIONS = 100  #: sessions that are kept: the first, and the last ones

_OK, _FAILED, _BUSY = 0, 1, 2  # places in a bucket: people, people, and seconds with a batch under way


@dataclass(frozen=True)
class RunSession:
    """One command that executed steps. ``at`` is the second of the axis at which it began."""

    at: float
    began: str  #: in UTC (ISO 8601)
    by: str = ""  #: user@host
    revision: str = ""  #: of the scenario's file in git

    def document(self) -> dict[str, Any]:
        return {"at": round(self.at, 3), "began": self.began, "by": self.by, "revision": self.revision}


@dataclass
class Track:
    """One step, or the checks: when it was begun first and touched last, and its buckets by number."""

    first: float | None = None
    last: float = 0.0
    buckets: dict[int, list[float]] = field(default_factory=dict)
    open: int = 0  #: batches that are under way
    since: float = 0.0  #: to which second the time with open batches is counted


class Timeline:
    """Adds up what happens. Not thread-safe. All seconds are those of the axis."""

    def __init__(self) -> None:
        self.width = FINEST
        self.seconds = 0.0  #: of all sessions so far
        self.sessions: list[RunSession] = []
        self._tracks: dict[str, Track] = {}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """What ``document`` gave; ``schemas/progress-v1.json`` defines its shape."""
        made = cls()
        made.width, made.seconds = document["width"], document["seconds"]
        made.sessions = [RunSession(**held) for held in document["sessions"]]
        for name, held in document["tracks"].items():
            buckets = {int(number): list(values) for number, *values in held["buckets"]}
            made._tracks[name] = Track(held["first"], held["last"], buckets)
        return made

    def begin_session(self, began: str, by: str, revision: str) -> None:
        """Another session begins where the axis has ended so far."""
        self.sessions.append(RunSession(self.seconds, began, by, revision))
        if len(self.sessions) > SESSIONS:
            del self.sessions[1]

    def begin(self, name: str, now: float) -> None:
        """A batch is under way from now on."""
        track = self._track(name, now)
        self._count_open(track, now)
        track.open += 1

    def end(self, name: str, now: float) -> None:
        """A batch has ended."""
        track = self._track(name, now)
        self._count_open(track, now)
        track.open = max(0, track.open - 1)

    def count(self, name: str, ok: int, failed: int, now: float) -> None:
        """People came through, or failed."""
        bucket = self._bucket(self._track(name, now), now)
        bucket[_OK] += ok
        bucket[_FAILED] += failed

    def document(self, now: float) -> dict[str, Any]:
        """All of it at this second; ``schemas/progress-v1.json`` defines its shape."""
        self._reach(now)
        for track in self._tracks.values():
            if track.open:
                self._count_open(track, now)
                track.last = max(track.last, now)
        return {
            "width": self.width,
            "seconds": round(self.seconds, 3),
            "sessions": [session.document() for session in self.sessions],
            "tracks": {name: _document(track) for name, track in self._tracks.items() if track.first is not None},
        }

    def _track(self, name: str, now: float) -> Track:
        self._reach(now)
        track = self._tracks.setdefault(name, Track())
        track.first = now if track.first is None else track.first
        track.last = max(track.last, now)
        return track

    def _bucket(self, track: Track, now: float) -> list[float]:
        return track.buckets.setdefault(min(int(now / self.width), MOST - 1), [0, 0, 0.0])

    def _count_open(self, track: Track, now: float) -> None:
        """Adds the time since the last call to the buckets in which it was, if batches were under way."""
        at, track.since = track.since, now
        while track.open and at < now:
            until = min(now, (int(at / self.width) + 1) * self.width)  # exact: the width is a power of two
            self._bucket(track, at)[_BUSY] += until - at
            at = until

    def _reach(self, now: float) -> None:
        """Makes the buckets wide enough for this second."""
        self.seconds = max(self.seconds, now)
        while now >= MOST * self.width:
            self.width *= 2
            for track in self._tracks.values():
                merged: dict[int, list[float]] = {}
                for number, values in track.buckets.items():
                    held = merged.setdefault(number // 2, [0, 0, 0.0])
                    held[:] = [one + other for one, other in zip(held, values, strict=True)]
                track.buckets = merged


def _document(track: Track) -> dict[str, Any]:
    assert track.first is not None
    rows = [[number, int(ok), int(bad), round(busy, 3)] for number, (ok, bad, busy) in sorted(track.buckets.items())]
    return {"first": round(track.first, 3), "last": round(track.last, 3), "buckets": rows}
