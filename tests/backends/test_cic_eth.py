"""Everybody is asked for once, in the engine's limits, and what an earlier run asked for is looked up before more is asked."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth_hash.auto import keccak

from cicscenario.backends.cic_eth import CicEthBackend
from cicscenario.capabilities.context import RunContext
from cicscenario.errors import UnavailableError
from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed, Lost, Signing, Trace
from cicscenario.state.rows import Orphans, RequestRow
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


class World:
    """A state with people in it, and a backend that speaks to a stand-in for the engine."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.store = Store(folder / STATE)
        self.store.set_meta({"lineage": "lineage"})
        self.clock = clock
        self.engine = Engine(clock, self.store)
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
    assert world.store.orphans() == Orphans(certain=0, possible=1)


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
    assert world.store.orphans() == Orphans(certain=0, possible=2)


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


# --- a killed worker, and an engine that is paused ------------------------------------------------------------------

BEGUN = Lost(Trace.RUNNING, "the custodial engine has begun it", "its next task")
FETCHED = Lost(Trace.FETCHED, "a worker has fetched its task; Redis gives it back at 08:22", until=1.0)


@pytest.mark.parametrize("lost", [NOWHERE, BEGUN])
def test_whatever_task_of_it_was_lost_it_is_asked_for_again(world: World, lost: Lost) -> None:
    world.engine.end = lambda root: lost if root in world.engine.submitted[:1] else Created(address(root))
    made = world.backend().accounts(batch(world.people(3)))
    assert [o.ok for o in made.outcomes] == [True] * 3
    assert len(world.engine.submitted) == 4


@pytest.mark.parametrize("lost", [NOWHERE, BEGUN])
def test_nothing_is_asked_for_again_while_the_engine_is_paused(world: World, lost: Lost) -> None:
    """It may have begun the task before: 70 seconds later it finishes it."""
    world.engine.trouble = "no worker takes tasks from the queue"

    def end(root: str) -> AccountOutcome:
        if world.clock.now < 1070:
            return lost
        world.engine.trouble = None
        return Created(address(root))

    world.engine.end = end
    made = world.backend(patience=120).accounts(batch(world.people(6)))
    assert [o.ok for o in made.outcomes] == [True] * 6
    assert len(world.engine.submitted) == 6


def test_a_task_that_comes_to_its_end_soon_after_a_pause_is_not_asked_for_again(world: World) -> None:
    """What the engine answered before the pause proves nothing of the time after it."""
    pause = range(1004, 1064)

    def unwell(timeout: float = 5) -> str | None:
        return "a worker took a task, but gave no result" if int(world.clock.now) in pause else None

    world.engine.unwell = unwell  # type: ignore[method-assign]
    world.engine.end = lambda root: BEGUN if world.clock.now < 1071 else Created(address(root))
    made = world.backend(patience=120).accounts(batch(world.people(2)))
    assert [o.ok for o in made.outcomes] == [True] * 2
    assert len(world.engine.submitted) == 2


def test_what_a_paused_engine_of_the_run_before_may_have_begun_is_not_asked_for_again_at_once(world: World) -> None:
    people = world.people(1)
    world.asked_before(0, "earlier")
    world.engine.end = lambda root: BEGUN if world.clock.now < 1008 else Created(address(root))
    assert world.backend().accounts(batch(people)).addresses == [(0, address("earlier"))]
    assert world.engine.submitted == []


def test_what_a_worker_has_fetched_is_said_to_be_there_and_never_asked_for_again(world: World) -> None:
    world.engine.end = lambda root: FETCHED
    backend = world.backend(patience=60)
    for _ in range(2):
        made = backend.accounts(batch(world.people(1)))
        assert [(o.ok, o.detail) for o in made.outcomes] == [(False, FETCHED.why)]
    assert len(world.engine.submitted) == 1
    assert set(world.status().values()) == {"asked"}


def test_of_two_requests_the_account_that_is_made_first_is_taken(world: World) -> None:
    """The one that counted as lost was not."""
    (person,) = world.people(1)

    def end(root: str) -> AccountOutcome:
        first = root == world.engine.submitted[0]
        return Created(address(root)) if first and world.clock.now > 1020 else NOWHERE

    world.engine.end = end
    made = world.backend().accounts(batch([person]))
    assert made.addresses == [(0, address(world.engine.submitted[0]))]
    assert len(made.outcomes) == 1
    assert len(world.engine.submitted) == 2


# --- waits go on while services move --------------------------------------------------------------------------------


def test_an_engine_that_is_busy_with_others_is_waited_for_as_long_as_it_moves(world: World) -> None:
    world.activity = lambda: min(int(world.clock.now), 1300)
    world.engine.end = lambda root: QUEUED if world.clock.now < 1310 else Created(address(root))
    assert len(world.backend(patience=20).accounts(batch(world.people(3))).addresses) == 3


def test_an_engine_that_moves_for_others_alone_is_not_waited_for_without_an_end(world: World) -> None:
    world.activity = lambda: int(world.clock.now)
    world.engine.end = lambda root: QUEUED
    world.backend(patience=60).accounts(batch(world.people(1)))
    assert 1000 + 3600 <= world.clock.now <= 1000 + 3600 + 70


# --- signer, nonces and registrations -------------------------------------------------------------------------------

SIGNER = Failed(
    "cic_eth.eth.account.register",
    "RPCException",
    "URLError",
    "cannot reach its signer",
    "is it running?",
    unsigned=True,
)


def joined(world: World, number: int, patience: float = 60.0) -> tuple[CicEthBackend, list[Person]]:
    """A backend that has just made accounts for these people."""
    backend = world.backend(patience=patience)
    made = backend.accounts(batch(world.people(number)))
    world.store.commit("accounts", made.outcomes, addresses=made.addresses)
    return backend, world.store.people(0, number)


@pytest.mark.parametrize("refuses", [True, False])
def test_a_registration_that_failed_is_asked_for_once_more_before_it_counts(world: World, refuses: bool) -> None:
    backend, people = joined(world, 3)
    failing = world.engine.submitted[1]
    failed = {failing} | ({f"register {address(failing).hex()}"} if refuses else set())
    world.engine.signing = lambda root: Signing(failed=UNREGISTERED) if root in failed else Signing(signed=True)
    world.engine.mends = not refuses
    assert backend.registration_failed(people) == {}
    assert world.engine.repeated == [("register", address(failing))]
    why = "the custodial engine failed (cic_eth.eth.account.register: KeyError: x)"
    assert backend.registration_failed(people) == ({1: why} if refuses else {})
    assert len(world.engine.repeated) == 1


def test_failed_registrations_are_asked_for_one_after_the_other(world: World) -> None:
    """The chain shows each of them when it was asked for."""
    backend, people = joined(world, 4)
    world.engine.signing = lambda root: Signing(failed=None if root.startswith("register") else UNREGISTERED)
    for number in range(1, 5):
        backend.registration_failed(people)
        assert len(world.engine.repeated) == number


def test_while_the_transaction_of_one_is_not_mined_nobody_else_is_asked_for(world: World) -> None:
    """It waits for a nonce that nobody uses, and so would the others."""
    backend, people = joined(world, 4)
    world.engine.signing = lambda root: Signing(failed=None if root.startswith("register") else UNREGISTERED)
    world.engine.mends = False
    for _ in range(5):
        assert backend.registration_failed(people) == {}
    assert not backend.register_again(people)
    assert len(world.engine.repeated) == 1


def test_when_one_fails_again_the_others_are_told_of_their_failure_and_not_asked_for(world: World) -> None:
    backend, people = joined(world, 4)
    world.engine.signing = lambda root: Signing(failed=UNREGISTERED)
    world.engine.mends = False
    assert backend.registration_failed(people) == {}
    assert set(backend.registration_failed(people)) == {0, 1, 2, 3}
    assert len(world.engine.repeated) == 1


def test_what_the_signer_failed_to_sign_in_this_run_is_not_asked_for_in_it_again(world: World) -> None:
    backend, people = joined(world, 3)
    world.engine.signing = lambda root: Signing(failed=SIGNER)
    ends = backend.registration_failed(people)
    assert set(ends) == {0, 1, 2}
    assert ends[0] == (
        "cannot reach its signer (cic_eth.eth.account.register: RPCException: URLError); is it running?; it is not"
        " requested again in this run: see docs/engine-standstill.md"
    )
    assert not backend.register_again(people)
    assert world.engine.repeated == []


def test_what_it_failed_to_sign_in_an_earlier_run_is_asked_for_when_it_can_sign_and_one_at_a_time(world: World) -> None:
    _, people = joined(world, 3)
    world.engine.signing = lambda root: Signing(failed=None if root.startswith("register") else SIGNER)
    world.engine.mends = False
    backend, world.engine.trouble = world.backend(), "the custodial engine cannot reach its signer"
    assert backend.registration_failed(people) == {}
    assert world.engine.repeated == []
    world.engine.trouble = None
    for _ in range(3):
        assert backend.registration_failed(people) == {}
    assert len(world.engine.repeated) == 1


def test_after_a_failure_of_the_signer_nobody_else_is_asked_for_until_it_is_well(world: World) -> None:
    create = Failed("cic_eth.eth.account.create", "RPCException", "Connection refused", "cannot sign", unsigned=True)
    world.engine.end, world.engine.trouble = lambda root: create, "the custodial engine cannot reach its signer"
    backend = world.backend(in_flight=5)
    made = backend.accounts(batch(world.people(50)))
    assert len(world.engine.submitted) == 5
    assert len(made.outcomes) == 50
    assert made.outcomes[-1].detail == "no account was requested: the custodial engine cannot reach its signer"
    world.engine.end, world.engine.trouble = lambda root: Created(address(root)), None
    assert len(backend.accounts(batch(world.people(50))).addresses) == 50


def test_a_registration_whose_task_waits_somewhere_is_not_asked_for_again(world: World) -> None:
    backend, people = joined(world, 2)
    world.engine.signing = lambda root: Signing("its task", alive=root == world.engine.submitted[0])
    assert backend.register_again(people)
    assert world.engine.repeated == [("register", address(world.engine.submitted[1]))]


def test_registration_and_gift_are_asked_for_again_once_a_person(world: World) -> None:
    backend, people = joined(world, 2)
    accounts = [person.account for person in people]
    assert [backend.register_again(people) for _ in range(3)] == [True, True, False]
    assert [backend.gift_again(people) for _ in range(3)] == [True, True, False]
    assert world.engine.repeated == [("register", a) for a in accounts] + [("gift", a) for a in accounts]


# --- what may have made an account ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failed", "may_exist"),
    [
        (LOCKED, False),
        (Failed("cic_eth.eth.account.create", "KeyError", "evm:a:1:b", "another chain"), False),
        (Failed("cic_eth.eth.account.create", "RPCException", "[Errno 111] Connection refused", "no signer"), False),
        (Failed("cic_eth.eth.account.create", "OperationalError", "server closed the connection", "it failed"), True),
        (Failed("cic_eth.eth.account.create", "RPCException", "timed out", "no signer"), True),
    ],
)
def test_a_failure_after_which_the_key_may_exist_is_counted_among_possible_orphans(
    world: World, failed: Failed, may_exist: bool
) -> None:
    people = world.people(1)
    world.engine.end = lambda root: failed
    assert [outcome.ok for outcome in world.backend().accounts(batch(people)).outcomes] == [False]
    world.engine.end = lambda root: failed if root == world.engine.submitted[0] else Created(address(root))
    made = world.backend().accounts(batch(people))
    world.store.commit("accounts", made.outcomes, addresses=made.addresses)
    assert len(made.addresses) == 1
    assert world.store.orphans() == Orphans(certain=0, possible=int(may_exist))


def test_what_surely_was_never_sent_is_no_request(world: World) -> None:
    """Redis went away before the callbacks were subscribed to."""

    def away() -> None:
        raise UnavailableError("Redis does not answer")

    world.engine.ready = away  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        world.backend().accounts(batch(world.people(2)))
    assert world.status() == {}


def test_closing_it_ends_the_subscription(world: World) -> None:
    world.backend().close()
    assert world.engine.closed
