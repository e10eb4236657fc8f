"""The context of a run, which is passed to steps, backends and checks."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cicscenario.capabilities.readback import ReadBack
from cicscenario.capabilities.redo import Redo
from cicscenario.language import Scenario

if TYPE_CHECKING:  # every declaration names the context, and a run alone makes one
    from cicscenario.capabilities.backend import Backend
    from cicscenario.chain.ledger import Ledger
    from cicscenario.chain.session import ChainSession
    from cicscenario.connections import Connections
    from cicscenario.legacy.hashtable import HashTable
    from cicscenario.people.person import Person
    from cicscenario.people.population import Population
    from cicscenario.state.store import Store
    from cicscenario.workers.pool import WorkerPool

KEYSTORE = "keystore"  #: folder of a run directory
#: Verifies people who have an account. Returns the problem of each failing person by id; a person who passes is left out.
#: A person who could not be asked about has a problem that is a ``check.NotKnown``.
Verifier = Callable[[Sequence["Person"]], dict[int, str]]


@dataclass(frozen=True)
class RunContext:
    """One run. Executors and verifiers return outcomes; they do not write them, print or sleep.

    ``stopping`` is set when the run must stop: every wait ends then. Only the engine writes ``state``, with one exception:
    backends write requests, which must be on disk before they are sent. ``written_to_accounts`` are the names of the plan's
    steps that write to the phone interface's account table. ``read_back`` is what this process has read back after writing.
    ``tell`` shows the user a line at once. ``redo`` is what a repair makes again: empty in any other run. ``size`` is the
    number of people in the plan, and ``hashes`` has those of their PINs, if the scenario brings them.
    """

    scenario: Scenario
    directory: Path
    population: "Population"
    services: "Connections"
    state: "Store"
    stopping: threading.Event
    ledger: "Ledger | None" = None  #: None when the plan sends no transactions
    opened: "Backend | None" = None  #: None when no steps are executed, as in a verification
    written_to_accounts: tuple[str, ...] = ()
    clock: Callable[[], float] = time.monotonic  #: in seconds
    read_back: ReadBack = field(default_factory=ReadBack)
    tell: Callable[[str], None] = lambda text: None
    redo: Redo = field(default_factory=Redo)
    size: int = 0
    hashes: "HashTable | None" = None
    workers: "WorkerPool | None" = None  #: None when this process does all work

    @property
    def backend(self) -> "Backend":
        """The scenario's backend, opened. Available in steps only."""
        if self.opened is None:
            raise AssertionError("no backend is open: this run executes no steps")
        return self.opened

    @cached_property
    def lineage(self) -> str:
        """The unique id of the state. It stays the same when the run is resumed."""
        return self.state.meta()["lineage"]

    @cached_property
    def since(self) -> int:
        """The time of the chain's latest block when the state was created, in Unix seconds; 0 if the chain is not used."""
        return int(self.state.meta()["since"])

    def keyfile(self, address: bytes) -> Path:
        """The path of the keystore file of an address in this run's directory."""
        return keyfile_path(self.directory, address)

    def accounts_written(self, first: int, stop: int) -> set[int]:
        """The ids ``first <= id < stop`` that are done in every step that writes to the account table."""
        people = set(range(first, stop))
        for step in self.written_to_accounts:
            people &= self.state.done(step, first, stop)
        return people


def seen_height(chain: "ChainSession", state: "Store") -> int:
    """The number of the newest block that a run has seen: when the chain was opened, or when a transaction ended."""
    return max(chain.height, state.height())


def keyfile_path(directory: Path, address: bytes) -> Path:
    """The path of the keystore file of an address in a run directory."""
    return directory / KEYSTORE / f"{address.hex()}.json"
