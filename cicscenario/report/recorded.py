"""The recorded result of a run, read from its directory, with the verdict in words."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from cicscenario.engine.problems import NAMED, Affected, Problem, Problems
from cicscenario.engine.progress import BUCKETS
from cicscenario.errors import ExitCode
from cicscenario.printable import foreign
from cicscenario.report.now import Now
from cicscenario.wording import counted

_STOPPED = {
    ExitCode.INVALID: "Stopped: the scenario or the command line is invalid",
    ExitCode.UNAVAILABLE: "Stopped: a service does not answer, a step failed or a deadline passed",
    ExitCode.STATE_REFUSED: "Stopped: the state is locked, or belongs to another scenario",
    ExitCode.RECONCILE: "Stopped: a person must reconcile the chain first",
    ExitCode.INTERNAL: "Stopped: internal error",
    ExitCode.INTERRUPTED: "Interrupted",
}


class Phase(Enum):
    """Where a run is."""

    ENDED = "ended"
    UNDER_WAY = "under way"
    KILLED = "killed"  #: it is not under way, and it has ended without a report


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
    """The content of ``report.json``, of ``progress.json`` if any steps were executed, and of ``people.json`` if there is one.

    ``phase`` is that of a run which somebody watches, and ``now`` what it does; reports are of runs that have ended.
    """

    report: dict[str, Any]
    progress: dict[str, Any] | None
    people: dict[str, Any] | None = None
    phase: Phase = Phase.ENDED
    now: Now = field(default_factory=Now)

    @property
    def code(self) -> ExitCode:
        return ExitCode(self.report["exit_code"])

    @property
    def errors(self) -> int:
        errors: int = sum(check["errors"] for check in self.report["checks"])
        return errors

    @property
    def problems(self) -> Problems:
        """What went wrong, root causes first. In a report of an earlier version: each step and check that has failures."""
        if "problems" not in self.report:
            return Problems(0, tuple(_earlier(self.report)))
        found = tuple(map(Problem.of, self.report["problems"]))
        return Problems(self.report.get("failing_people", 0), found)

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
            f"Left out: {counted(left_out['people'], 'person')}, for {counted(left_out['records'], 'bad record')} in the source"
            f" (all of them are in rejected.csv); first, {left_out['first'][0]}."
        )

    @property
    def good(self) -> bool:
        """Whether all steps of the plan are done and all its checks have passed, not only the selected ones."""
        return (
            self.phase is Phase.ENDED
            and self.code == ExitCode.OK
            and not self.pending
            and not self.unmade
            and not self.errors
        )

    @property
    def next(self) -> str | None:
        """The whole command that goes on: one that resumes, or one that repairs; None when there is none."""
        command: str | None = self.report.get("next")
        return command

    @property
    def verdict(self) -> str:
        """The result in a few words."""
        if self.phase is Phase.UNDER_WAY:
            return "Under way"
        if self.phase is Phase.KILLED:
            return "Killed: it ended without a report"
        if "deadline" in self.report:
            return "Stopped: a deadline has passed"
        if self.code in _STOPPED:
            return self.stopped
        if self.errors:
            return "Not everybody arrived"
        return "Everybody arrived" if self.good else "Not finished"

    @property
    def stopped(self) -> str:
        """How the command ended, by its exit code only."""
        return _STOPPED.get(self.code, "Done" if self.code is ExitCode.OK else "Not everybody arrived")

    @property
    def detail(self) -> str:
        """The numbers for the verdict."""
        people = counted(self.report["population"], "person")
        made = self.report["checks"]
        wrong = [check["name"] for check in made if check["errors"]]
        if wrong and not (self.pending and self.phase is not Phase.ENDED):  # these may be of an earlier session
            return f"{people}; {counted(self.errors, 'error')} in {', '.join(wrong)}"
        if self.pending:
            step = self.pending[0]
            return (
                f"{people}; {step['name']}: {step['ok']:,} ok, {step['failed']:,} failed, {step['pending']:,} pending"
                f" of {step['total']:,}"
            )
        if self.unmade or not made:
            return f"{people} are done in every step; not checked: {', '.join(c['name'] for c in self.unmade) or 'all'}"
        return f"{people}; {counted(len(made), 'check')} passed for all of them"

    @property
    def so_far(self) -> str:
        """How much of the steps is done, and how many requests are sent now; empty when nobody needs to know."""
        rows = self.report["steps"]
        if self.phase is not Phase.UNDER_WAY or not rows:
            return ""
        share = 100 * sum(step["ok"] for step in rows) // sum(step["total"] for step in rows)
        requests = f", {sum(self.now.pace.values()):,.0f} requests per second" if self.now.pace else ""
        return f"{share} % of all steps{requests}"

    def summary_of(self, kind: str, name: str) -> str:
        """The summary of a step or check, or an empty text; ``kind`` is ``steps`` or ``checks``."""
        listed = self.report.get("plan", {}).get(kind, [])
        return next((str(entry["summary"]) for entry in listed if entry["name"] == name), "")

    def gas(self, step: str) -> int | None:
        """The typical gas use of one transaction of a step; None if it is unknown."""
        listed = self.report.get("plan", {}).get("steps", [])
        return next((entry.get("gas") for entry in listed if entry["name"] == step), None)

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


def _earlier(report: dict[str, Any]) -> Iterator[Problem]:
    for what, number in (("step", "failed"), ("check", "errors")):
        for entry in report[f"{what}s"]:
            if first := entry.get("failing"):
                named = tuple(Affected(one["person"], "", foreign(one["problem"])) for one in first[:NAMED])
                people = max(entry[number], len(named))
                yield Problem(what, entry["name"], named[0].reason, people, first=named)


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


def milliseconds(seconds: float) -> str:
    """How long a request took, in words: ``0.8 ms``, ``12 ms``, ``1,500 ms``."""
    return f"{seconds * 1000:,.1f} ms" if seconds < 0.01 else f"{seconds * 1000:,.0f} ms"
