"""What steps, backends and checks are given of a run."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cicscenario.chain.ledger import Ledger
from cicscenario.connections import Connections
from cicscenario.language import Scenario
from cicscenario.people.person import Person
from cicscenario.people.population import Population
from cicscenario.state.store import Store

if TYPE_CHECKING:
    from cicscenario.capabilities.backend import Backend

#: Looks at people who have an account: what is wrong, by person. Nobody is named with whom nothing is wrong.
Verifier = Callable[[Sequence[Person]], dict[int, str]]


@dataclass(frozen=True)
class RunContext:
    """One run. Executors and verifiers return what they found; they write no outcomes, print nothing and do not just sleep.

    ``stopping`` is set when the run is to end: every wait ends with it. Of ``state``, only requests are written by others
    than the engine, because they have to be on the disk before they are sent. ``written_to_accounts`` are the names of the
    plan's steps that write into the phone interface's account table.
    """

    scenario: Scenario
    directory: Path
    population: Population
    services: Connections
    state: Store
    stopping: threading.Event
    ledger: Ledger | None = None  #: None for a plan that sends nothing
    opened: "Backend | None" = None  #: None for what only looks back at a run
    written_to_accounts: tuple[str, ...] = ()
    clock: Callable[[], float] = time.monotonic  #: in seconds

    @property
    def backend(self) -> "Backend":
        """The scenario's backend, opened. Only steps have it."""
        if self.opened is None:
            raise AssertionError("no backend was opened: this run has no steps to carry out")
        return self.opened

    @cached_property
    def lineage(self) -> str:
        """The id of the state; the same in every run of it, and no other state has it."""
        return self.state.meta()["lineage"]

    @cached_property
    def since(self) -> int:
        """The chain's own time when the state was begun, in Unix seconds; 0 where the chain has no part in it."""
        return int(self.state.meta()["since"])

    def keyfile(self, address: bytes) -> Path:
        """Where the run directory keeps the keystore file of an address."""
        return keyfile_path(self.directory, address)

    def accounts_written(self, first: int, stop: int) -> set[int]:
        """Who of people ``first <= id < stop`` is through every step that writes into the account table."""
        people = set(range(first, stop))
        for step in self.written_to_accounts:
            people &= self.state.done(step, first, stop)
        return people


def keyfile_path(directory: Path, address: bytes) -> Path:
    """Where a run directory keeps the keystore file of an address."""
    return directory / "keystore" / f"{address.hex()}.json"
