"""Compares two runs: what is slower in the second, and what fails there and did not fail in the first."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from cicscenario.report.axis import Axis
from cicscenario.report.recorded import Recorded
from cicscenario.wording import counted

SLOWER = 25.0  #: percent more time for a person; smaller differences are those of the machine
_LEAST = 1.0  # seconds that a step has to take longer


@dataclass(frozen=True)
class Speed:
    """A step in both runs: people per second, None where it had nothing to do. ``slower`` is beyond what is allowed."""

    step: str
    before: float | None
    now: float | None
    slower: bool

    @property
    def change(self) -> float | None:
        """By how many percent more people get through in a second; below 0 if fewer do."""
        return (self.now / self.before - 1) * 100 if self.before and self.now else None

    @property
    def more_time(self) -> float | None:
        """By how many percent the time has grown that a person takes: twice the time is 100; below 0 if it has shrunk."""
        return (self.before / self.now - 1) * 100 if self.before and self.now else None


@dataclass(frozen=True)
class Comparison:
    """Two runs. ``fails`` is what fails now, and ``mended`` what no longer does, each in one line."""

    speeds: list[Speed]
    fails: list[str]
    mended: list[str]

    @property
    def worse(self) -> bool:
        """Whether anything is slower or fails now."""
        return bool(self.fails) or any(speed.slower for speed in self.speeds)

    def document(self) -> dict[str, Any]:
        """The comparison as data."""
        return {
            "worse": self.worse,
            "steps": [
                {
                    "step": s.step,
                    "before": s.before,
                    "now": s.now,
                    "change_percent": s.change,
                    "time_percent": s.more_time,
                    "slower": s.slower,
                }
                for s in self.speeds
            ],
            "fails_now": self.fails,
            "no_longer_fails": self.mended,
        }


def compare_runs(before: Recorded, now: Recorded, *, percent: float = SLOWER) -> Comparison:
    """Compares two runs. A step is slower when the time that a person takes has grown by more than ``percent``.

    It must also take at least a second longer by it: shorter differences say nothing.
    """
    return Comparison(list(_speeds(before, now, percent)), list(_worse(before, now)), list(_worse(now, before)))


def _speeds(before: Recorded, now: Recorded, percent: float) -> Iterator[Speed]:
    first, second = _paces(before), _paces(now)
    for step in dict.fromkeys([*first, *second]):
        rate_before, _ = first.get(step, (None, 0.0))
        rate_now, took = second.get(step, (None, 0.0))
        speed = Speed(step, rate_before, rate_now, slower=False)
        if rate_before and rate_now and speed.more_time is not None:
            expected = took * rate_now / rate_before  # seconds for these people at the first run's speed
            speed = replace(speed, slower=speed.more_time > percent and took - expected >= _LEAST)
        yield speed


def _paces(recorded: Recorded) -> dict[str, tuple[float | None, float]]:
    """People per second and seconds of each step: on the timeline, or for a run of an earlier version, in its last session."""
    timeline = (recorded.progress or {}).get("timeline")
    axis = Axis(timeline) if timeline else None
    paces: dict[str, tuple[float | None, float]] = {}
    for step in recorded.report["steps"]:
        name = step["name"]
        if track := axis.track(name) if axis else None:
            paces[name] = (track.rate, track.took)
        elif pace := recorded.pace(name):
            paces[name] = (pace.per_second, pace.seconds)
        else:
            paces[name] = (None, 0.0)
    return paces


def _worse(before: Recorded, now: Recorded) -> Iterator[str]:
    """What fails in the second of two runs, and not, or for fewer people, in the first."""
    for kind, number in (("step", "failed"), ("check", "errors")):
        held = {entry["name"]: entry for entry in before.report[f"{kind}s"]}
        for entry in now.report[f"{kind}s"]:
            earlier = held.get(entry["name"], {}).get(number, 0)
            if entry[number] / entry["total"] > (earlier / held[entry["name"]]["total"] if earlier else 0):
                was = f"; {earlier:,} before" if earlier else ""
                yield f"{kind} {entry['name']}: {entry[number]:,} of {counted(entry['total'], 'person')}{was}"
    undone = {step["name"] for step in before.report["steps"] if step["ok"] < step["total"]}
    for step in now.report["steps"]:
        left = step["total"] - step["ok"] - step["failed"]
        if left > 0 and step["name"] not in undone:
            yield f"step {step['name']}: {left:,} of {counted(step['total'], 'person')} pending"
    made = {check["name"] for check in before.report["checks"]}
    for check in now.unmade:
        if check["name"] in made:
            yield f"check {check['name']}: not made"
