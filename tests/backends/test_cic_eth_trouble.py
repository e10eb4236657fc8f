"""Killed workers, a paused engine and a signer that fails: nobody gets a second account, and no nonce is wasted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.backends.work.cic_eth import CicEthBackend
from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed, Lost, Signing, Trace
from tests.support.batches import batch
from tests.support.custodial_world import UNREGISTERED, CustodialWorld, address, stored_world
from tests.support.joining_world import NOWHERE, QUEUED


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CustodialWorld]:
    with stored_world(tmp_path) as world:
        yield world


# --- a killed worker, and an engine that is paused ------------------------------------------------------------------

BEGUN = Lost(Trace.RUNNING, "the custodial engine has begun it", "its next task")
FETCHED = Lost(Trace.FETCHED, "a worker has fetched its task; Redis gives it back at 08:22", until=1.0)


@pytest.mark.parametrize("lost", [NOWHERE, BEGUN])
def test_whatever_task_of_it_was_lost_it_is_asked_for_again(world: CustodialWorld, lost: Lost) -> None:
    world.engine.end = lambda root: lost if root in world.engine.submitted[:1] else Created(address(root))
    made = world.backend().accounts(batch(world.people(3)))
    assert [o.ok for o in made.outcomes] == [True] * 3
    assert len(world.engine.submitted) == 4


@pytest.mark.parametrize("lost", [NOWHERE, BEGUN])
def test_nothing_is_asked_for_again_while_the_engine_is_paused(world: CustodialWorld, lost: Lost) -> None:
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


def test_a_task_that_comes_to_its_end_soon_after_a_pause_is_not_asked_for_again(world: CustodialWorld) -> None:
    """What the engine answered before the pause proves nothing of the time after it."""
    pause = range(1004, 1064)

    def unwell(timeout: float = 5) -> str | None:
        return "a worker took a task, but gave no result" if int(world.clock.now) in pause else None

    world.engine.unwell = unwell  # type: ignore[method-assign]
    world.engine.end = lambda root: BEGUN if world.clock.now < 1071 else Created(address(root))
    made = world.backend(patience=120).accounts(batch(world.people(2)))
    assert [o.ok for o in made.outcomes] == [True] * 2
    assert len(world.engine.submitted) == 2


def test_what_a_paused_engine_of_the_run_before_may_have_begun_is_not_asked_for_again_at_once(
    world: CustodialWorld,
) -> None:
    people = world.people(1)
    world.asked_before(0, "earlier")
    world.engine.end = lambda root: BEGUN if world.clock.now < 1008 else Created(address(root))
    assert world.backend().accounts(batch(people)).addresses == [(0, address("earlier"))]
    assert world.engine.submitted == []


def test_what_a_worker_has_fetched_is_said_to_be_there_and_never_asked_for_again(world: CustodialWorld) -> None:
    world.engine.end = lambda root: FETCHED
    backend = world.backend(patience=60)
    for _ in range(2):
        made = backend.accounts(batch(world.people(1)))
        assert [(o.ok, o.detail) for o in made.outcomes] == [(False, FETCHED.why)]
    assert len(world.engine.submitted) == 1
    assert set(world.status().values()) == {"asked"}


def test_of_two_requests_the_account_that_is_made_first_is_taken(world: CustodialWorld) -> None:
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


def test_an_engine_that_is_busy_with_others_is_waited_for_as_long_as_it_moves(world: CustodialWorld) -> None:
    world.activity = lambda: min(int(world.clock.now), 1300)
    world.engine.end = lambda root: QUEUED if world.clock.now < 1310 else Created(address(root))
    assert len(world.backend(patience=20).accounts(batch(world.people(3))).addresses) == 3


def test_an_engine_that_moves_for_others_alone_is_not_waited_for_without_an_end(world: CustodialWorld) -> None:
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


def joined(world: CustodialWorld, number: int, patience: float = 60.0) -> tuple[CicEthBackend, list[Person]]:
    """A backend that has just made accounts for these people."""
    backend = world.backend(patience=patience)
    made = backend.accounts(batch(world.people(number)))
    world.store.commit("accounts", made.outcomes, addresses=made.addresses)
    return backend, world.store.people(0, number)


@pytest.mark.parametrize("refuses", [True, False])
def test_a_registration_that_failed_is_asked_for_once_more_before_it_counts(
    world: CustodialWorld, refuses: bool
) -> None:
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


def test_failed_registrations_are_asked_for_one_after_the_other(world: CustodialWorld) -> None:
    """The chain shows each of them when it was asked for."""
    backend, people = joined(world, 4)
    world.engine.signing = lambda root: Signing(failed=None if root.startswith("register") else UNREGISTERED)
    for number in range(1, 5):
        backend.registration_failed(people)
        assert len(world.engine.repeated) == number


def test_while_the_transaction_of_one_is_not_mined_nobody_else_is_asked_for(world: CustodialWorld) -> None:
    """It waits for a nonce that nobody uses, and so would the others."""
    backend, people = joined(world, 4)
    world.engine.signing = lambda root: Signing(failed=None if root.startswith("register") else UNREGISTERED)
    world.engine.mends = False
    for _ in range(5):
        assert backend.registration_failed(people) == {}
    assert not backend.register_again(people)
    assert len(world.engine.repeated) == 1


def test_when_one_fails_again_the_others_are_told_of_their_failure_and_not_asked_for(world: CustodialWorld) -> None:
    backend, people = joined(world, 4)
    world.engine.signing = lambda root: Signing(failed=UNREGISTERED)
    world.engine.mends = False
    assert backend.registration_failed(people) == {}
    assert set(backend.registration_failed(people)) == {0, 1, 2, 3}
    assert len(world.engine.repeated) == 1


def test_what_the_signer_failed_to_sign_in_this_run_is_not_asked_for_in_it_again(world: CustodialWorld) -> None:
    backend, people = joined(world, 3)
    world.engine.signing = lambda root: Signing(failed=SIGNER)
    ends = backend.registration_failed(people)
    assert set(ends) == {0, 1, 2}
    assert ends[0] == (
        "cannot reach its signer (cic_eth.eth.account.register: RPCException: URLError); is it running?; it is not"
        " requested again in this run: see `cicscenario explain engine-standstill`"
    )
    assert not backend.register_again(people)
    assert world.engine.repeated == []


def test_what_it_failed_to_sign_in_an_earlier_run_is_asked_for_when_it_can_sign_and_one_at_a_time(
    world: CustodialWorld,
) -> None:
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


def test_after_a_failure_of_the_signer_nobody_else_is_asked_for_until_it_is_well(world: CustodialWorld) -> None:
    create = Failed("cic_eth.eth.account.create", "RPCException", "Connection refused", "cannot sign", unsigned=True)
    world.engine.end, world.engine.trouble = lambda root: create, "the custodial engine cannot reach its signer"
    backend = world.backend(in_flight=5)
    made = backend.accounts(batch(world.people(50)))
    assert len(world.engine.submitted) == 5
    assert len(made.outcomes) == 50
    assert made.outcomes[-1].detail == "no account was requested: the custodial engine cannot reach its signer"
    world.engine.end, world.engine.trouble = lambda root: Created(address(root)), None
    assert len(backend.accounts(batch(world.people(50))).addresses) == 50


def test_a_registration_whose_task_waits_somewhere_is_not_asked_for_again(world: CustodialWorld) -> None:
    backend, people = joined(world, 2)
    world.engine.signing = lambda root: Signing("its task", alive=root == world.engine.submitted[0])
    assert backend.register_again(people)
    assert world.engine.repeated == [("register", address(world.engine.submitted[1]))]


def test_registration_and_gift_are_asked_for_again_once_a_person(world: CustodialWorld) -> None:
    backend, people = joined(world, 2)
    accounts = [person.account for person in people]
    assert [backend.register_again(people) for _ in range(3)] == [True, True, False]
    assert [backend.gift_again(people) for _ in range(3)] == [True, True, False]
    assert world.engine.repeated == [("register", a) for a in accounts] + [("gift", a) for a in accounts]
