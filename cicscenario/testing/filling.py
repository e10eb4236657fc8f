"""Fills one stack: from the snapshot of an earlier run, or by a run of its scenario."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cicscenario.api.scenario import LoadedScenario
from cicscenario.api.snapshots import put_back
from cicscenario.errors import StateRefusedError, UnavailableError
from cicscenario.loading import loaded
from cicscenario.sandbox import stack as sandbox
from cicscenario.sandbox.services import with_needs
from cicscenario.sandbox.snapshot.restore import usable
from cicscenario.state.migrations import SCHEMA_VERSION
from cicscenario.testing.shelf import Shelf
from cicscenario.testing.stack import Stack


@dataclass(frozen=True)
class StackOptions:
    """The sandbox that a stack is to be: the services that it has in any case, and how it is started."""

    services: tuple[str, ...]
    node: str | None
    contracts: str | None
    pace: str | None


@dataclass(frozen=True)
class Filling:
    """What a stack is to be: its scenario, its home folder, and its sandbox."""

    scenario: LoadedScenario
    home: Path
    options: StackOptions
    tell: Callable[[str], None]

    def stack(self, shelf: Shelf | None) -> Stack:
        """The stack, which is up. Raises CicScenarioError, and then it is down."""
        with_needs(self.options.services)  # first: a wrong name is told before a run begins
        try:
            restored = self._fill(shelf)
            if self.options.services:
                sandbox.up(self.home, services=self.options.services, pace=self.options.pace)
        except BaseException:
            sandbox.down(self.home, purge=True)
            raise
        return Stack(self.scenario, self.home, restored=restored)

    def _fill(self, shelf: Shelf | None) -> bool:
        """Says whether it was filled from a snapshot."""
        if shelf is None:
            self._run(None)
            return False
        place = shelf.place(self.scenario.model, self.options.node, self.options.contracts)
        with shelf.alone(place):  # another process that fills the same stack is waited for
            there = place.exists()
            if not there:
                self._run(place)
        if there and (why := self._unrestored(place)):
            self.tell(f"cic_stack: {why}")
            with shelf.alone(place):
                self._run(place)
            there = False
        shelf.used(place)
        return there

    def _run(self, place: Path | None) -> None:
        self.tell(f"cic_stack: the stack of {self.scenario.path} is filled, which later sessions need not do again")
        result = self.scenario.run(save=place)
        result.require()

    def _unrestored(self, place: Path) -> str | None:
        """Restores the snapshot and starts its services. Why that cannot be, when it is of another version or damaged."""
        try:
            with usable(place, SCHEMA_VERSION) as snapshot, _loading_meanwhile("cicscenario.api.people"):
                done = put_back(snapshot, self.home)
        except StateRefusedError as error:
            return error.message
        except FileNotFoundError:
            return f"{place} was deleted just now"
        try:
            sandbox.up(
                self.home, services=done.manifest.services, dialect=done.manifest.dialect, pace=self.options.pace
            )
        except UnavailableError as error:
            error.add_note(f"it was made again from {place}")
            raise
        return None


@contextmanager
def _loading_meanwhile(module: str) -> Iterator[None]:
    """Loads a module that tests will need, in another thread: unpacking waits for the disk most of the time."""
    thread = threading.Thread(target=loaded, args=(module,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()
