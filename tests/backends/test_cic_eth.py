"""Everybody is asked for once, in the engine's limits, and what an earlier run asked for is looked up before more is asked."""

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cicscenario.errors import UnavailableError
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed
from cicscenario.state.rows import Orphans
from tests.support.batches import batch
from tests.support.custodial_world import (
    LOCKED,
    CustodialWorld,
    address,
    stored_world,
)
from tests.support.joining_world import NOWHERE, QUEUED


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CustodialWorld]:
    with stored_world(tmp_path) as world:
        yield world


def test_each_person_gets_an_account_of_an_id_that_was_written_down_before_it_was_sent(world: CustodialWorld) -> None:
    made = world.backend().accounts(batch(world.people(12)))
    assert [(o.person, o.ok) for o in made.outcomes] == [(person, True) for person in range(12)]
    assert made.addresses == [(person, address(root)) for person, root in enumerate(world.engine.submitted)]
    assert world.status() == dict.fromkeys(world.engine.submitted, "created")


def test_an_account_that_came_while_no_run_was_there_is_taken_and_no_other_asked_for(world: CustodialWorld) -> None:
    people = world.people(2)
    world.asked_before(0, "earlier")
    made = world.backend().accounts(batch(people))
    assert dict(made.addresses)[0] == address("earlier")
    assert len(world.engine.submitted) == 1


def test_an_account_that_is_in_the_state_already_is_not_asked_for(world: CustodialWorld) -> None:
    people = world.people(1)
    world.asked_before(0, "earlier", "created", b"\x01" * 20)
    assert world.backend().accounts(batch(people)).addresses == [(0, b"\x01" * 20)]
    assert world.engine.submitted == []


def test_what_an_earlier_run_asked_for_and_is_under_way_is_waited_for(world: CustodialWorld) -> None:
    people = world.people(1)
    world.asked_before(0, "earlier")
    world.engine.end = lambda root: QUEUED if world.clock.now < 1020 else Created(address(root))
    assert world.backend().accounts(batch(people)).addresses == [(0, address("earlier"))]
    assert world.engine.submitted == []


def test_what_a_worker_has_only_just_taken_gets_a_moment_to_show_up(world: CustodialWorld) -> None:
    people = world.people(1)
    world.asked_before(0, "earlier")
    world.engine.end = lambda root: NOWHERE if world.clock.now < 1001 else Created(address(root))
    assert world.backend().accounts(batch(people)).addresses == [(0, address("earlier"))]
    assert world.engine.submitted == []


def test_what_an_earlier_run_wrote_down_and_never_sent_is_asked_for_and_counted_as_a_possible_orphan(
    world: CustodialWorld,
) -> None:
    people = world.people(1)
    world.asked_before(0, "earlier")
    world.engine.end = lambda root: NOWHERE if root == "earlier" else Created(address(root))
    made = world.backend().accounts(batch(people))
    (root,) = world.engine.submitted
    assert made.addresses == [(0, address(root))]
    world.store.commit("accounts", made.outcomes, addresses=made.addresses)
    assert world.store.orphans() == Orphans(certain=0, possible=1)


def test_what_failed_in_an_earlier_run_is_asked_for_anew(world: CustodialWorld) -> None:
    people = world.people(1)
    world.asked_before(0, "earlier", "failed")
    assert len(world.backend().accounts(batch(people)).addresses) == len(world.engine.submitted) == 1


def test_a_failure_is_told_with_its_task_and_exception_and_not_waited_for(world: CustodialWorld) -> None:
    world.engine.end = lambda root: LOCKED
    made = world.backend().accounts(batch(world.people(3)))
    assert {outcome.detail for outcome in made.outcomes} == {
        "in the custodial engine account creation is locked (cic_eth.admin.ctrl.check_lock: LockedError: 4)"
    }
    assert world.clock.now == 1000.0
    assert set(world.status().values()) == {"failed"}


def test_when_nobody_moves_for_the_patience_each_is_told_what_was_seen_last(world: CustodialWorld) -> None:
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


def test_a_task_that_vanished_with_a_killed_worker_is_asked_for_once_more_and_no_more(world: CustodialWorld) -> None:
    people = world.people(2)
    world.engine.end = lambda root: NOWHERE if root in world.engine.submitted[:2] else Created(address(root))
    made = world.backend().accounts(batch(people))
    assert 1010 <= world.clock.now <= 1015
    assert dict(made.addresses) == {p: address(root) for p, root in enumerate(world.engine.submitted[2:])}
    world.engine.end = lambda root: NOWHERE
    world.store.commit("accounts", made.outcomes, addresses=made.addresses)
    assert world.store.orphans() == Orphans(certain=0, possible=2)


def test_an_engine_that_leaves_no_trace_of_anything_is_not_asked_for_ever(world: CustodialWorld) -> None:
    world.engine.end = lambda root: NOWHERE
    made = world.backend(patience=60).accounts(batch(world.people(2)))
    assert [(o.ok, o.detail) for o in made.outcomes] == [(False, NOWHERE.why)] * 2
    assert len(world.engine.submitted) == 4


def test_a_run_that_is_to_end_leaves_people_without_outcome(world: CustodialWorld) -> None:
    def end(root: str) -> AccountOutcome:
        world.stopping.set()
        return QUEUED

    world.engine.end = end
    assert world.backend().accounts(batch(world.people(2))).outcomes == []
    assert world.backend().accounts(batch(world.people(2))).outcomes == []
    assert len(world.engine.submitted) == 2


def test_an_engine_that_stood_still_for_all_who_were_asked_for_is_asked_for_nobody_else(world: CustodialWorld) -> None:
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
def test_somebody_who_is_lost_alone_is_alone(world: CustodialWorld, in_flight: int) -> None:
    people = world.people(20)
    world.engine.end = lambda root: QUEUED if root in world.engine.submitted[5:6] else Created(address(root))
    made = world.backend(in_flight=in_flight).accounts(batch(people))
    assert [outcome.person for outcome in made.outcomes if not outcome.ok] == [5]
    assert len(made.addresses) == 19


@pytest.mark.parametrize("in_flight", [7, 60, 200])
def test_no_more_are_in_flight_than_the_environment_says_and_never_needlessly_few(
    world: CustodialWorld, in_flight: int
) -> None:
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
    world: CustodialWorld, failed: Failed, may_exist: bool
) -> None:
    people = world.people(1)
    world.engine.end = lambda root: failed
    assert [outcome.ok for outcome in world.backend().accounts(batch(people)).outcomes] == [False]
    world.engine.end = lambda root: failed if root == world.engine.submitted[0] else Created(address(root))
    made = world.backend().accounts(batch(people))
    world.store.commit("accounts", made.outcomes, addresses=made.addresses)
    assert len(made.addresses) == 1
    assert world.store.orphans() == Orphans(certain=0, possible=int(may_exist))


def test_what_surely_was_never_sent_is_no_request(world: CustodialWorld) -> None:
    """Redis went away before the callbacks were subscribed to."""

    def away() -> None:
        raise UnavailableError("Redis does not answer")

    world.engine.ready = away  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        world.backend().accounts(batch(world.people(2)))
    assert world.status() == {}


def test_closing_it_ends_the_subscription(world: CustodialWorld) -> None:
    world.backend().close()
    assert world.engine.closed
