"""Everybody is asked for once, in the engine's limits, and what an earlier run asked for is looked up before more is asked."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth_hash.auto import keccak

from cicscenario.backends.cic_eth import CicEthBackend
from cicscenario.capabilities.context import RunContext
from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed, Lost, Trace
from cicscenario.state.rows import RequestRow
from cicscenario.state.store import STATE, Store
from tests.support.batches import batch

NOWHERE = Lost(Trace.UNKNOWN, "the custodial engine has no result of it")
QUEUED = Lost(Trace.QUEUED, "no worker has taken its task from the queue")
LOCKED = Failed(
    "cic_eth.admin.ctrl.check_lock", "LockedError", "4", "in the custodial engine account creation is locked"
)
UNREGISTERED = Failed("cic_eth.eth.account.register", "KeyError", "x", "the custodial engine failed")


def address(root: str) -> bytes:
    return keccak(root.encode())[12:]


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0


class Engine:
    """Stands for the client of the engine. ``end`` says what became of a root id; by default it has an account at once."""

    def __init__(self, clock: Clock, store: Store) -> None:
        self._clock = clock
        self._store = store
        self.end: Callable[[str], AccountOutcome] = lambda root: Created(address(root))
        self.submitted: list[str] = []
        self.waits = 0
        self.closed = False
        self.registered: dict[str, bytes] = {}
        self.refuses = True
        self.once_more: list[tuple[str, list[bytes]]] = []

    def ask_once_more(self, what: str, accounts: Sequence[bytes]) -> None:
        self.once_more.append((what, list(accounts)))

    def register(self, accounts: Mapping[str, bytes]) -> None:
        self.registered |= accounts

    def unregistered(self, roots: Sequence[str]) -> dict[str, Failed]:
        return dict.fromkeys(roots, UNREGISTERED) if self.refuses else {}

    def submit(self, roots: Sequence[str]) -> None:
        known = {row.id for rows in self._store.requests(range(100)).values() for row in rows}
        assert known.issuperset(roots), "sent before it was written down"
        self.submitted += roots

    def recover(self, roots: Sequence[str]) -> dict[str, AccountOutcome]:
        return {root: self.end(root) for root in roots}

    def wait(self, roots: Collection[str], deadline: float) -> dict[str, AccountOutcome]:
        self.waits += 1
        assert self.waits < 1000, "it waits for ever"
        ends = self.recover(list(roots))
        if all(isinstance(end, Lost) for end in ends.values()):
            self._clock.now = deadline
            ends = self.recover(list(roots))
        return ends

    def close(self) -> None:
        self.closed = True


class World:
    """A state with people in it, and a backend that speaks to a stand-in for the engine."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.store = Store(folder / STATE)
        self.store.set_meta({"lineage": "lineage"})
        self.clock = clock
        self.engine = Engine(clock, self.store)
        self.stopping = threading.Event()

    def people(self, number: int) -> list[Person]:
        made = [Person(i, "{}", f"+2547{i:08}", "en", (), bytes([i]) * 20, 1, None) for i in range(number)]
        self.store.commit("population", [], made)
        return self.store.people(0, number)

    def backend(self, in_flight: int = 200, patience: float = 60.0) -> CicEthBackend:
        services = SimpleNamespace(
            custodial=SimpleNamespace(
                accounts=lambda channel: self.engine,
                register=lambda accounts: self.engine.ask_once_more("register", accounts),
                gift=lambda accounts: self.engine.ask_once_more("gift", accounts),
            ),
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


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, Clock())
    yield world
    world.store.close()


def test_each_person_gets_an_account_of_an_id_that_was_written_down_before_it_was_sent(world: World) -> None:
    made = world.backend().accounts(batch(world.people(12)))
    assert [(o.person, o.ok) for o in made.outcomes] == [(person, True) for person in range(12)]
    assert made.addresses == [(person, address(root)) for person, root in enumerate(world.engine.submitted)]
    assert world.status() == dict.fromkeys(world.engine.submitted, "created")


def test_an_account_that_came_while_no_run_was_there_is_taken_and_no_other_asked_for(world: World) -> None:
    people = world.people(2)
    world.asked_before(0, "earlier")
    made = world.backend().accounts(batch(people))
    assert dict(made.addresses)[0] == address("earlier")
    assert len(world.engine.submitted) == 1


def test_an_account_that_is_in_the_state_already_is_not_asked_for(world: World) -> None:
    people = world.people(1)
    world.asked_before(0, "earlier", "created", b"\x01" * 20)
    assert world.backend().accounts(batch(people)).addresses == [(0, b"\x01" * 20)]
    assert world.engine.submitted == []


def test_what_an_earlier_run_asked_for_and_is_under_way_is_waited_for(world: World) -> None:
    people = world.people(1)
    world.asked_before(0, "earlier")
    world.engine.end = lambda root: QUEUED if world.clock.now < 1020 else Created(address(root))
    assert world.backend().accounts(batch(people)).addresses == [(0, address("earlier"))]
    assert world.engine.submitted == []


def test_what_a_worker_has_only_just_taken_gets_a_moment_to_show_up(world: World) -> None:
    people = world.people(1)
    world.asked_before(0, "earlier")
    world.engine.end = lambda root: NOWHERE if world.clock.now < 1001 else Created(address(root))
    assert world.backend().accounts(batch(people)).addresses == [(0, address("earlier"))]
    assert world.engine.submitted == []


def test_what_an_earlier_run_wrote_down_and_never_sent_is_asked_for_and_counted_as_a_possible_orphan(
    world: World,
) -> None:
    people = world.people(1)
    world.asked_before(0, "earlier")
    world.engine.end = lambda root: NOWHERE if root == "earlier" else Created(address(root))
    made = world.backend().accounts(batch(people))
    (root,) = world.engine.submitted
    assert made.addresses == [(0, address(root))]
    world.store.commit("accounts", made.outcomes, addresses=made.addresses)
    assert world.store.orphans() == 1


def test_what_failed_in_an_earlier_run_is_asked_for_anew(world: World) -> None:
    people = world.people(1)
    world.asked_before(0, "earlier", "failed")
    assert len(world.backend().accounts(batch(people)).addresses) == len(world.engine.submitted) == 1


def test_a_failure_is_told_with_its_task_and_exception_and_not_waited_for(world: World) -> None:
    world.engine.end = lambda root: LOCKED
    made = world.backend().accounts(batch(world.people(3)))
    assert {outcome.detail for outcome in made.outcomes} == {
        "in the custodial engine account creation is locked (cic_eth.admin.ctrl.check_lock: LockedError: 4)"
    }
    assert world.clock.now == 1000.0
    assert set(world.status().values()) == {"failed"}


def test_when_nobody_moves_for_the_patience_each_is_told_what_was_seen_last(world: World) -> None:
    people = world.people(3)

    def end(root: str) -> AccountOutcome:
        """One comes late, and keeps the others' hope up."""
        late = root == world.engine.submitted[0] and world.clock.now >= 1010
        return Created(address(root)) if late else QUEUED

    world.engine.end = end
    made = world.backend(patience=60).accounts(batch(people))
    assert [(o.person, o.ok, o.detail) for o in made.outcomes] == [
        (0, True, None),
        (1, False, QUEUED.why),
        (2, False, QUEUED.why),
    ]
    assert 1070 <= world.clock.now <= 1075
    assert list(world.status().values()).count("asked") == 2  # the next run looks them up


def test_a_task_that_vanished_with_a_killed_worker_is_asked_for_once_more_and_no_more(world: World) -> None:
    people = world.people(2)
    world.engine.end = lambda root: NOWHERE if root in world.engine.submitted[:2] else Created(address(root))
    made = world.backend().accounts(batch(people))
    assert 1010 <= world.clock.now <= 1015
    assert dict(made.addresses) == {p: address(root) for p, root in enumerate(world.engine.submitted[2:])}
    world.engine.end = lambda root: NOWHERE
    world.store.commit("accounts", made.outcomes, addresses=made.addresses)
    assert world.store.orphans() == 2


def test_an_engine_that_leaves_no_trace_of_anything_is_not_asked_for_ever(world: World) -> None:
    world.engine.end = lambda root: NOWHERE
    made = world.backend(patience=60).accounts(batch(world.people(2)))
    assert [(o.ok, o.detail) for o in made.outcomes] == [(False, NOWHERE.why)] * 2
    assert len(world.engine.submitted) == 4


def test_a_run_that_is_to_end_leaves_people_without_outcome(world: World) -> None:
    def end(root: str) -> AccountOutcome:
        world.stopping.set()
        return QUEUED

    world.engine.end = end
    assert world.backend().accounts(batch(world.people(2))).outcomes == []
    assert world.backend().accounts(batch(world.people(2))).outcomes == []
    assert len(world.engine.submitted) == 2


def test_an_engine_that_stood_still_for_all_who_were_asked_for_is_asked_for_nobody_else(world: World) -> None:
    """Killed in the middle: it costs the patience once, and not once for every few people."""
    people = world.people(50)
    world.engine.end = lambda root: QUEUED if world.engine.submitted.index(root) >= 10 else Created(address(root))
    backend = world.backend(in_flight=5, patience=60)
    made = backend.accounts(batch(people))
    assert [person for person, _ in made.addresses] == list(range(10))
    assert len(world.engine.submitted) == 15
    assert world.clock.now < 1000 + 60 + 5
    details = {outcome.person: outcome.detail for outcome in made.outcomes if not outcome.ok}
    assert set(details) == set(range(10, 50)), "everybody is told"
    assert {details[person] for person in range(10, 15)} == {QUEUED.why}
    assert {details[person] for person in range(15, 50)} == {f"no account was requested: {QUEUED.why}"}
    assert len(backend.accounts(batch(people[20:])).outcomes) == 30, "nor is it for another batch"
    assert len(world.engine.submitted) == 15


@pytest.mark.parametrize("in_flight", [1, 5])
def test_somebody_who_is_lost_alone_is_alone(world: World, in_flight: int) -> None:
    people = world.people(20)
    world.engine.end = lambda root: QUEUED if root in world.engine.submitted[5:6] else Created(address(root))
    made = world.backend(in_flight=in_flight).accounts(batch(people))
    assert [outcome.person for outcome in made.outcomes if not outcome.ok] == [5]
    assert len(made.addresses) == 19


@pytest.mark.parametrize("in_flight", [7, 60, 200])
def test_no_more_are_in_flight_than_the_environment_says_and_never_needlessly_few(world: World, in_flight: int) -> None:
    people, mutex, under_way, greatest = world.people(100), threading.Lock(), set[str](), [0]
    submit, wait = world.engine.submit, world.engine.wait

    def submitted(roots: Sequence[str]) -> None:
        submit(roots)
        with mutex:
            under_way.update(roots)
            greatest[0] = max(greatest[0], len(under_way))

    def waited(roots: Collection[str], deadline: float) -> dict[str, AccountOutcome]:
        time.sleep(0.005)
        with mutex:
            under_way.difference_update(roots)
        return wait(roots, deadline)

    world.engine.submit, world.engine.wait = submitted, waited  # type: ignore[method-assign]
    backend = world.backend(in_flight)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda start: backend.accounts(batch(people[start : start + 25])), range(0, 100, 25)))
    assert sorted(person for part in made for person, _ in part.addresses) == list(range(100))
    assert greatest[0] <= in_flight
    assert greatest[0] >= min(in_flight, 25)


@pytest.mark.parametrize("refuses", [True, False])
def test_a_registration_that_failed_is_asked_for_once_more_before_it_counts(world: World, refuses: bool) -> None:
    backend = world.backend()
    made = backend.accounts(batch(world.people(3)))
    world.store.commit("accounts", made.outcomes, addresses=made.addresses)
    failing = world.engine.submitted[1]
    world.engine.refuses = refuses
    world.engine.end = lambda root: Created(address(root), UNREGISTERED if root == failing else None)
    people = world.store.people(0, 3)
    assert backend.registration_failed(people) == {}
    assert list(world.engine.registered.values()) == [address(failing)]
    why = "the custodial engine failed (cic_eth.eth.account.register: KeyError: x)"
    assert backend.registration_failed(people) == ({1: why} if refuses else {})
    assert len(world.engine.registered) == 1


def test_registration_and_gift_are_asked_for_again_once_a_person(world: World) -> None:
    backend = world.backend()
    made = backend.accounts(batch(world.people(3)))
    world.store.commit("accounts", made.outcomes, addresses=made.addresses)
    people = world.store.people(0, 3)
    assert backend.register_again(people[:2])
    assert backend.register_again(people)
    assert not backend.register_again(people)
    assert backend.gift_again(people[1:])
    accounts = [person.address for person in people]
    assert world.engine.once_more == [("register", accounts[:2]), ("register", accounts[2:]), ("gift", accounts[1:])]


def test_closing_it_ends_the_subscription(world: World) -> None:
    world.backend().close()
    assert world.engine.closed
