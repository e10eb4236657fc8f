"""The recorded result of a run, read from its directory, with the verdict in words."""

from dataclasses import dataclass
from typing import Any

from cicscenario.engine.progress import BUCKETS
from cicscenario.errors import ExitCode

_STOPPED = {
    ExitCode.INVALID: "Stopped: the scenario or the command line is invalid",
    ExitCode.UNAVAILABLE: "Stopped: a service does not answer, or a step failed",
    ExitCode.STATE_REFUSED: "Stopped: the state is locked, or belongs to another scenario",
    ExitCode.RECONCILE: "Stopped: a person must reconcile the chain first",
    ExitCode.INTERNAL: "Stopped: internal error",
    ExitCode.INTERRUPTED: "Interrupted",
}


@dataclass(frozen=True)
class Pace:
    """The speed of a step in the last run."""

    seconds: float
    per_second: float | None  #: people
    half: str | None  #: the median duration of batches
    most: str | None  #: the 95th percentile
    slowest: float


@dataclass(frozen=True)
class Recorded:
    """The content of ``report.json``, and of ``progress.json`` if any steps were executed."""

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
    def orphans(self) -> str | None:
        """The number of accounts that belong to no person, in words; None when there are none."""
        most: int = self.report.get("orphans", 0)
        certain = self.report.get("orphans_certain", most)
        return (f"{most:,}" if certain == most else f"up to {most:,}") if most else None

    @property
    def pending(self) -> list[dict[str, Any]]:
        """The steps that are not done for all people."""
        return [step for step in self.report["steps"] if step["ok"] < step["total"]]

    @property
    def unmade(self) -> list[dict[str, str]]:
        """The checks of the plan that have no result."""
        made = {check["name"] for check in self.report["checks"]}
        return [check for check in self.report.get("plan", {}).get("checks", []) if check["name"] not in made]

    @property
    def rejected(self) -> str | None:
        """The people of the source who were left out, in a sentence; None when nobody was."""
        left_out = self.report.get("rejected")
        if not left_out:
            return None
        return (
            f"Left out: {left_out['people']:,} people, for {left_out['records']:,} bad records in the source"
            f" (all of them are in rejected.csv); first, {left_out['first'][0]}."
        )

    @property
    def good(self) -> bool:
        """Whether all steps of the plan are done and all its checks have passed, not only the selected ones."""
        return self.code == ExitCode.OK and not self.pending and not self.unmade and not self.errors

    @property
    def next(self) -> str | None:
        """The whole command that goes on: one that resumes, or one that repairs; None when there is none."""
        command: str | None = self.report.get("next")
        return command

    @property
    def verdict(self) -> str:
        """The result in a few words."""
        if self.code in _STOPPED:
            return _STOPPED[self.code]
        if self.errors:
            return "Not everybody arrived"
        return "Everybody arrived" if self.good else "Not finished"

    @property
    def detail(self) -> str:
        """The numbers for the verdict."""
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
            return f"{people} are done in every step; not checked: {', '.join(c['name'] for c in self.unmade) or 'all'}"
        return f"{people}; {len(made)} checks passed for all of them"

    def summary_of(self, kind: str, name: str) -> str:
        """The summary of a step or check, or an empty text; ``kind`` is ``steps`` or ``checks``."""
        listed = self.report.get("plan", {}).get(kind, [])
        return next((str(entry["summary"]) for entry in listed if entry["name"] == name), "")

    def gas(self, step: str) -> int | None:
        """The typical gas use of one transaction of a step; None if it is unknown."""
        listed = self.report.get("plan", {}).get("steps", [])
        return next((entry.get("gas") for entry in listed if entry["name"] == step), None)

    def points(self, step: str) -> list[list[float]]:
        """The points (seconds, people ok, people failed); empty when the step had nothing to do in the last run."""
        held = self._step(step)
        points: list[list[float]] = held["points"] if held and held["batches"] else []
        return points

    def pace(self, step: str) -> Pace | None:
        """The speed of a step; None when it had nothing to do in the last run."""
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
    """The duration within which ``share`` of the batches ended, as an upper bound in words; None without batches."""
    wanted, counted = share * sum(buckets.values()), 0
    for top, number in buckets.items():
        counted += number
        if number and counted >= wanted:
            return f"over {BUCKETS[-1]:g} s" if top == "+Inf" else f"≤ {float(top):g} s"
    return None


def check_notes(check: dict[str, Any]) -> str:
    """What to know about the result of a check beside its numbers; empty when there is nothing."""
    notes = [f"allowed: {check['allowed']}"] if "allowed" in check else []
    if "read_back" in check:
        notes.append(f"{check['read_back']:,} read back after writing")
    return "; ".join(notes)
