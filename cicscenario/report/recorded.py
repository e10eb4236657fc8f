"""What a run directory knows about its run, and what it comes to in a sentence."""

from dataclasses import dataclass
from typing import Any

from cicscenario.engine.progress import BUCKETS
from cicscenario.errors import ExitCode

_STOPPED = {
    ExitCode.INVALID: "Stopped: the scenario or the command line is invalid",
    ExitCode.UNAVAILABLE: "Stopped: a service is missing, or a step failed",
    ExitCode.STATE_REFUSED: "Stopped: the state is locked, or not of this scenario",
    ExitCode.RECONCILE: "Stopped: a person has to look at the chain first",
    ExitCode.INTERNAL: "Stopped: internal error",
    ExitCode.INTERRUPTED: "Interrupted",
}


@dataclass(frozen=True)
class Pace:
    """How a step went in the last run."""

    seconds: float
    per_second: float | None  #: people
    half: str | None  #: in what time half of the batches were through
    most: str | None  #: 95 of 100
    slowest: float


@dataclass(frozen=True)
class Recorded:
    """``report.json`` and, if there was a run and not only a verification, ``progress.json``."""

    report: dict[str, Any]
    progress: dict[str, Any] | None

    @property
    def code(self) -> ExitCode:
        return ExitCode(self.report["exit_code"])

    @property
    def errors(self) -> int:
        errors: int = sum(check["errors"] for check in self.report["checks"])
        return errors

    @property
    def pending(self) -> list[dict[str, Any]]:
        """Steps that somebody still has before them."""
        return [step for step in self.report["steps"] if step["ok"] < step["total"]]

    @property
    def unmade(self) -> list[dict[str, str]]:
        """Checks of the plan that have no result."""
        made = {check["name"] for check in self.report["checks"]}
        return [check for check in self.report.get("plan", {}).get("checks", []) if check["name"] not in made]

    @property
    def good(self) -> bool:
        """Whether everything is done and proved, and not only what was asked for."""
        return self.code == ExitCode.OK and not self.pending and not self.unmade and not self.errors

    @property
    def verdict(self) -> str:
        """The first thing to read."""
        if self.code in _STOPPED:
            return _STOPPED[self.code]
        if self.errors:
            return "Not everybody arrived"
        return "Everybody arrived" if self.good else "Not finished"

    @property
    def detail(self) -> str:
        """The numbers behind the verdict."""
        people = f"{self.report['population']:,} people"
        made = self.report["checks"]
        wrong = [check["name"] for check in made if check["errors"]]
        if wrong:
            return f"{people}; {self.errors:,} errors in {', '.join(wrong)}"
        if self.pending:
            step = self.pending[0]
            return (
                f"{people}; {step['name']}: {step['ok']:,} ok, {step['failed']:,} failed, {step['pending']:,} pending"
                f" of {step['total']:,}"
            )
        if self.unmade or not made:
            return f"{people} are through every step; not checked: {', '.join(c['name'] for c in self.unmade) or 'all'}"
        return f"{people}; {len(made)} checks found all of them"

    def summary_of(self, kind: str, name: str) -> str:
        """What a step or check does, when the plan says so; ``kind`` is ``steps`` or ``checks``."""
        listed = self.report.get("plan", {}).get(kind, [])
        return next((str(entry["summary"]) for entry in listed if entry["name"] == name), "")

    def gas(self, step: str) -> int | None:
        """Gas that one transaction of a step typically uses; None when the report does not say."""
        listed = self.report.get("plan", {}).get("steps", [])
        return next((entry.get("gas") for entry in listed if entry["name"] == step), None)

    def points(self, step: str) -> list[list[float]]:
        """Seconds, people ok and people failed; empty when the step had nothing to do in the last run."""
        held = self._step(step)
        points: list[list[float]] = held["points"] if held and held["batches"] else []
        return points

    def pace(self, step: str) -> Pace | None:
        """None when the step had nothing to do in the last run."""
        held = self._step(step)
        if not held or not held["batches"]:
            return None
        seconds, batch = float(held["seconds"]), held["batch_seconds"]
        rate = held["people"] / seconds if seconds else None
        buckets = batch["buckets"]
        return Pace(seconds, rate, quantile(buckets, 0.5), quantile(buckets, 0.95), batch["max"])

    def _step(self, name: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = (self.progress or {}).get("steps", {}).get(name)
        return found


def quantile(buckets: dict[str, int], share: float) -> str | None:
    """In how many seconds that ``share`` of the batches were through, as an upper bound in words; None for no batch."""
    wanted, counted = share * sum(buckets.values()), 0
    for top, number in buckets.items():
        counted += number
        if number and counted >= wanted:
            return f"over {BUCKETS[-1]:g} s" if top == "+Inf" else f"≤ {float(top):g} s"
    return None
