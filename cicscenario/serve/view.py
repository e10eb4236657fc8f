"""What the page of a run shows now, from its directory: while it is under way, when it has ended, and after it was killed."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cicscenario.engine.conclude import RunEnd
from cicscenario.engine.identity import recall_named
from cicscenario.engine.records import read_progress
from cicscenario.engine.stopwatch import now
from cicscenario.errors import CicScenarioError, ExitCode, InvalidError, as_told
from cicscenario.language import Scenario
from cicscenario.plan.compile import compile_plan
from cicscenario.report.flows import FlowsNow, hubs_in
from cicscenario.report.html import as_html, message_page
from cicscenario.report.now import Now, read_now, unended
from cicscenario.report.recorded import Phase, Recorded
from cicscenario.report.rendered import read_report, recorded
from cicscenario.report.roster import roster
from cicscenario.report.summary import summary
from cicscenario.state.directory import LOCK, existing_store
from cicscenario.state.lock import is_held, owner_of
from cicscenario.state.store import STATE, Store

EVERY = 2.0  #: seconds between two questions of a page
_SHARE = 10  # reading the state takes at most one in so many seconds


def phase_of(directory: Path) -> Phase:
    """Where the run in a directory is. It was killed when its last process is gone and wrote no report at its end."""
    if is_held(directory / LOCK):
        return Phase.UNDER_WAY
    began = _began(directory)
    try:
        written = str(read_report(directory).get("written", ""))
    except FileNotFoundError:
        return Phase.KILLED
    except InvalidError:
        return Phase.ENDED  # what is wrong with it is told by whoever reads it
    return Phase.ENDED if began is None or written >= began else Phase.KILLED


def _began(directory: Path) -> str | None:
    """When a run began that may not have ended; None when it is known to have ended.

    Where the run says nothing itself, as those of earlier versions, it is when the lock was taken last: it may have been by a
    command that reads the state, or sets the directory aside.
    """
    with suppress(InvalidError):
        told, began = unended(directory)
        if told:
            return began[0].isoformat(timespec="seconds") if began else None
    return str(owner_of(directory / LOCK).get("since", ""))


@dataclass
class RunView:
    """The page of one run. Safe for use by many threads; the state is read by one at a time, and not too often."""

    scenario: Scenario
    directory: Path
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._mutex = threading.Lock()
        self._flows = FlowsNow(self.clock)
        self._page = ""
        self._due = 0.0
        self._store: Store | None = None
        self._file: tuple[int, int] | None = None  # the state that is open: device and inode

    def page(self) -> str:
        """The page as HTML; at most as old as it takes to read the state ten times, or two seconds."""
        with self._mutex:
            if not self._page or self.clock() >= self._due:
                began = self.clock()
                self._page = self._rendered()
                self._due = self.clock() + max(EVERY / 2, _SHARE * (self.clock() - began))
            return self._page

    def renew(self) -> None:
        """What is asked for next is read again."""
        with self._mutex:
            self._due = 0.0

    def close(self) -> None:
        """Closes the state."""
        with self._mutex:
            self._close()

    def _rendered(self) -> str:
        try:
            found = self.recorded()
        except (CicScenarioError, OSError) as error:
            self._close()
            told = as_told(error)
            return message_page(self.scenario.title, told.message if told else str(error), live=EVERY)
        if found is None:
            return message_page(self.scenario.title, self._before(), live=EVERY)
        return as_html(found, live=EVERY)

    def _before(self) -> str:
        """What is said while there is no state yet."""
        if not is_held(self.directory / LOCK):
            return f"Nothing has been run in {self.directory} yet."
        doing = self._now(Phase.UNDER_WAY).activity
        return f"The run is starting{f': {doing}' if doing else ''}."

    def _now(self, phase: Phase) -> Now:
        """What the run does; of one that was killed, only where its services were, and what they were asked."""
        held = read_now(self.directory, now()) or Now()
        return held if phase is Phase.UNDER_WAY else Now(settings=held.settings, traffic=held.traffic)

    def recorded(self) -> Recorded | None:
        """The run as it is now; None when nothing has been run."""
        phase = phase_of(self.directory)
        if phase is Phase.ENDED:
            self._close()
            return recorded(self.directory)
        store = self._open()
        if store is None or not store.meta():
            return None
        recall_named(store.meta())
        plan = compile_plan(self.scenario, store)
        held = store.checks()
        rows = [held[check.name] for check in plan.checks if check.name in held]
        end = RunEnd(plan, store, self.directory, ExitCode.OK, checks=rows)
        doing = self._now(phase)
        payments = self._flows(end)
        report = summary(end, payments)
        if doing.settings:
            report["environment"] = doing.settings
        if doing.traffic:
            report["traffic"] = doing.traffic
        return Recorded(report, read_progress(self.directory), roster(end, hubs_in(payments)), phase, doing)

    def _open(self) -> Store | None:
        """The state: another one when the run was begun anew."""
        with suppress(FileNotFoundError):
            found = (self.directory / STATE).stat()
            if self._file != (found.st_dev, found.st_ino):
                self._close()
                self._store, self._file = existing_store(self.directory, rows=False), (found.st_dev, found.st_ino)
            return self._store
        self._close()
        return None

    def _close(self) -> None:
        if self._store:
            self._store.close()
        self._store = self._file = None
