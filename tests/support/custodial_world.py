"""A custodial engine and a node that do what a test says, at the pace of a test's clock."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from eth_hash.auto import keccak

from cicscenario.backends.work.cic_eth import CicEthBackend
from cicscenario.capabilities.context import RunContext
from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed, Lost, Signing
from cicscenario.state.rows import RequestRow
from cicscenario.state.store import STATE, Store

LOCKED = Failed(
    "cic_eth.admin.ctrl.check_lock", "LockedError", "4", "in the custodial engine account creation is locked"
)
UNREGISTERED = Failed("cic_eth.eth.account.register", "KeyError", "x", "the custodial engine failed")


def address(root: str) -> bytes:
    return keccak(root.encode())[12:]


class WaitingClock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0


class StandInEngine:
    """Stands for the client of the engine. ``end`` says what became of a root id; by default it has an account at once."""

    def __init__(self, clock: WaitingClock, store: Store) -> None:
        self._clock = clock
        self._store = store
        self.end: Callable[[str], AccountOutcome] = lambda root: Created(address(root))
        self.submitted: list[str] = []
        self.waits = 0
        self.closed = False
        self.signing: Callable[[str], Signing] = lambda root: Signing(signed=True)
        self.repeated: list[tuple[str, bytes]] = []
        self.mends = True  #: whether the chain shows what was asked for again
        self.trouble: str | None = None  #: why it cannot sign
        self.questions = 0

    def unwell(self, timeout: float = 5) -> str | None:
        self.questions += 1
        return self.trouble

    def ask_again(self, what: str, accounts: Sequence[bytes]) -> list[str]:
        self.repeated += [(what, account) for account in accounts]
        return [f"{what} {account.hex()}" for account in accounts]

    def signings(self, requests: Sequence[str], task: str) -> dict[str, Signing]:
        return {request: self.signing(request) for request in requests}

    def registrations(self, roots: Sequence[str]) -> dict[str, Signing]:
        return {root: self.signing(root) for root in roots}

    def calls(self, calls: Sequence[tuple[str, list[Any]]]) -> list[str]:
        """The node: nobody is in the index, or those who were asked for again."""
        there = {account.hex() for _, account in self.repeated} if self.mends else set()
        return [f"0x{int(any(account in str(call) for account in there)):064x}" for call in calls]

    def ready(self) -> None:
        """The subscription is confirmed."""

    def submit(self, roots: Sequence[str]) -> None:
        known = {row.id for rows in self._store.requests(range(100)).values() for row in rows}
        assert known.issuperset(roots), "sent before it was written down"
        self.submitted += roots

    def recover(self, roots: Sequence[str]) -> dict[str, AccountOutcome]:
        return {root: self.end(root) for root in roots}

    def wait(self, roots: Collection[str], deadline: float) -> dict[str, AccountOutcome]:
        self.waits += 1
        assert self.waits < 3000, "it waits for ever"
        ends = self.recover(list(roots))
        if all(isinstance(end, Lost) for end in ends.values()):
            self._clock.now = deadline
            ends = self.recover(list(roots))
        return ends

    def close(self) -> None:
        self.closed = True


class CustodialWorld:
    """A state with people in it, and a backend that speaks to a stand-in for the engine."""

    def __init__(self, folder: Path, clock: WaitingClock) -> None:
        self.store = Store(folder / STATE)
        self.store.set_meta({"lineage": "lineage"})
        self.clock = clock
        self.engine = StandInEngine(clock, self.store)
        self.stopping = threading.Event()
        self.activity: Callable[[], Any] = lambda: None

    def people(self, number: int) -> list[Person]:
        made = [Person(i, "{}", f"+2547{i:08}", "en", (), bytes([i]) * 20, 1, None) for i in range(number)]
        self.store.commit("population", [], made)
        return self.store.people(0, number)

    def backend(self, in_flight: int = 200, patience: float = 60.0) -> CicEthBackend:
        services = SimpleNamespace(
            custodial=SimpleNamespace(
                accounts=lambda channel: self.engine,
                register=lambda accounts: self.engine.ask_again("register", accounts),
                gift=lambda accounts: self.engine.ask_again("gift", accounts),
                signings=self.engine.signings,
                unwell=self.engine.unwell,
                activity=lambda: self.activity(),
                roles=dict,
                known_roles={},
            ),
            chain=SimpleNamespace(rpc=self.engine, contracts=SimpleNamespace(accounts_index=bytes(20))),
            environment=SimpleNamespace(custodial=SimpleNamespace(in_flight=in_flight)),
        )
        scenario: Any = SimpleNamespace(backend=SimpleNamespace(option={"patience": patience}.get))
        nothing: Any = None
        services_: Any = services
        return CicEthBackend(
            RunContext(scenario, Path(), nothing, services_, self.store, self.stopping, clock=lambda: self.clock.now)
        )

    def asked_before(self, person: int, root: str, status: str = "asked", made: bytes | None = None) -> None:
        self.store.add_requests([RequestRow(root, person, "channel", status, made)])

    def status(self) -> dict[str, str]:
        return {row.id: row.status for rows in self.store.requests(range(100)).values() for row in rows}


@contextmanager
def stored_world(folder: Path) -> Iterator[CustodialWorld]:
    """With a state in this folder, which is closed with the block."""
    world = CustodialWorld(folder, WaitingClock())
    yield world
    world.store.close()
