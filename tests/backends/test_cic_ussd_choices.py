"""A choice of a language is made again only when the first is known to be over, and lost entries are written by the run."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cicscenario.people import pointer
from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed, Lost, Trace
from cicscenario.services.ussd import Joined, UssdError
from cicscenario.services.ussd_tasks import WaitingTask
from cicscenario.state.rows import Orphans, RequestRow
from tests.support.batches import batch
from tests.support.joining_world import (
    JOINING_PATIENCE,
    NOWHERE,
    QUEUED,
    JoiningWorld,
    account,
    backend,
    failures,
    joining_world,
    people,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[JoiningWorld]:
    with joining_world(tmp_path) as world:
        yield world


@pytest.mark.parametrize("has_begun", [False, True])
def test_while_the_engine_is_paused_nobody_chooses_again(world: JoiningWorld, tmp_path: Path, has_begun: bool) -> None:
    """Its tasks wait in the queue. One that a worker has begun is nowhere, and the engine does not answer a question."""
    world.delay = 0.9 * JOINING_PATIENCE
    world.engine = lambda root: NOWHERE if has_begun else QUEUED
    world.answers = False
    made = backend(world, tmp_path).accounts(batch(people(6)))
    assert len(made.addresses) == 6
    assert world.choices == [p.phone for p in people(6)]
    assert world.store.orphans() == Orphans(0, 0)


@pytest.mark.parametrize("under_way", [0.5, 4.0, 8.0])
def test_a_task_that_a_worker_is_at_after_a_pause_is_not_lost_when_another_worker_answers(
    world: JoiningWorld, tmp_path: Path, under_way: float
) -> None:
    """The engine's workers wake up together, and a question to another one is answered before this task is done."""
    wakes = 0.5 * JOINING_PATIENCE
    world.delay = wakes + under_way
    world.unwell = lambda: None if world.now >= wakes else "no worker takes tasks"  # type: ignore[method-assign]
    world.engine = lambda root: NOWHERE
    made = backend(world, tmp_path).accounts(batch(people(6)))
    assert len(made.addresses) == 6
    assert world.choices == [p.phone for p in people(6)]


@pytest.mark.parametrize("handled_after", [0.2, 0.9])
def test_a_report_that_the_tasker_is_handling_after_a_pause_is_not_lost_when_it_takes_another_task(
    world: JoiningWorld, tmp_path: Path, handled_after: float
) -> None:
    (person,) = people(1)
    world.delay = 10_000

    def choose_language(*arguments: Any, **options: Any) -> Joined:
        if len(world.dials) == 1:  # the tasker wakes up: the dial gives it a task
            world.report(person.phone, after=handled_after)
        return dial(*arguments, **options)

    dial, world.choose_language = world.choose_language, choose_language  # type: ignore[method-assign]
    made = backend(world, tmp_path).accounts(batch([person]))
    assert len(made.addresses) == 1
    assert len(world.choices) == 1


def test_a_report_that_waits_for_the_tasker_keeps_a_choice_alive(world: JoiningWorld, tmp_path: Path) -> None:
    (person,) = people(1)
    world.delay = 10_000
    root = account(person.phone).hex()
    for fetched, words in ((False, "waits in the queue"), (True, "waits in `unacked`")):
        world.tasks = [
            WaitingTask("a task", "cic_ussd.tasks.callback_handler.account_creation_callback", root, (), fetched)
        ]
        why = failures(backend(world, tmp_path).accounts(batch([person])))[0] or ""
        assert f"account_creation_callback of cic-ussd's tasker {words}" in why
    assert world.choices == [person.phone]


def test_a_tasker_that_takes_no_tasks_may_have_the_report(world: JoiningWorld, tmp_path: Path) -> None:
    """It is paused: what it has begun is nowhere to be seen. The dial before a second choice has given it a task."""
    (person,) = people(1)
    world.delay = 10_000
    world.tasks = [WaitingTask("a task", "cic_ussd.tasks.ussd_session.persist_session_to_db", "another", (), False)]
    why = failures(backend(world, tmp_path).accounts(batch([person])))[0] or ""
    assert "cic-ussd's tasker takes no tasks from the queue 'cic-ussd'" in why
    assert world.choices == [person.phone]


def test_a_tasker_that_takes_no_tasks_may_still_write_the_entries(world: JoiningWorld, tmp_path: Path) -> None:
    world.has_table = True
    (person,) = people(1)
    asked_before(world, person)
    world.lose_pointer(person.phone)
    world.tasks = [WaitingTask("a task", "cic_ussd.tasks.ussd_session.persist_session_to_db", "another", (), False)]
    why = failures(backend(world, tmp_path).accounts(batch([person])))[0] or ""
    assert "cic-ussd's tasker takes no tasks" in why
    assert world.entries == {}


@pytest.mark.parametrize(
    ("end", "orphans"),
    [
        (NOWHERE, Orphans(0, 0)),
        (Lost(Trace.RUNNING, "begun"), Orphans(0, 1)),
        (Failed("cic_eth.admin.ctrl.check_lock", "LockedError", "", "it is locked"), Orphans(0, 0)),
        (Failed("cic_eth.eth.account.create", "SignerError", "timed out", "its signer is slow"), Orphans(0, 1)),
        (None, Orphans(1, 0)),
    ],
)
def test_a_choice_that_is_over_is_made_again_once_and_what_it_made_is_counted_exactly(
    world: JoiningWorld, tmp_path: Path, end: AccountOutcome | None, orphans: Orphans
) -> None:
    """The engine has lost the task, or failed, or made an account of which cic-ussd never heard."""
    (person,) = people(1)
    first = account(person.phone).hex()
    world.lost = {person.phone}
    world.engine = lambda root: end if end and root == first else Created(bytes.fromhex(root))
    ended = backend(world, tmp_path).accounts(batch([person]))
    assert ended.addresses == [(person.id, account(person.phone, 2))]
    assert len(world.choices) == 2
    world.store.commit("accounts", ended.outcomes, addresses=ended.addresses)
    assert world.store.orphans() == orphans


def test_a_choice_that_the_interface_never_took_is_made_again(world: JoiningWorld, tmp_path: Path) -> None:
    """The answer was lost on the way there: others have keys of cic-ussd's, and this person has none."""
    lost, other = people(2)
    world.errors = [UssdError("no answer", taken=None)]
    made = backend(world, tmp_path).accounts(batch([lost, other]))
    assert len(made.addresses) == 2
    assert world.choices == [other.phone, lost.phone]


def test_a_choice_that_comes_to_life_while_the_interface_is_dialled_again_is_not_made_again(
    world: JoiningWorld, tmp_path: Path
) -> None:
    """The interface handles one request at a time: the first choice was still waiting for its turn."""
    (person,) = people(1)
    world.engine = lambda root: NOWHERE if len(world.dials) < 2 else QUEUED
    world.delay = 0.6 * JOINING_PATIENCE
    assert len(backend(world, tmp_path).accounts(batch([person])).addresses) == 1
    assert len(world.dials) == 2
    assert world.choices == [person.phone]


def no_custodial(world: JoiningWorld) -> None:
    world.is_seen = False


def other_database(world: JoiningWorld) -> None:
    world.has_keys = False


def no_redis(world: JoiningWorld) -> None:
    world.redis_fails = True


def other_queue(world: JoiningWorld) -> None:
    world.knows_queue = False


@pytest.mark.parametrize("hide", [no_custodial, other_database, no_redis, other_queue])
def test_what_cannot_be_seen_is_decided_by_a_later_run(
    world: JoiningWorld, tmp_path: Path, hide: Callable[[JoiningWorld], None]
) -> None:
    hide(world)
    (person,) = people(1)
    world.lost = {person.phone}
    why = failures(backend(world, tmp_path).accounts(batch([person])))[0] or ""
    assert "cannot be seen" in why
    assert "the choice is not made again in this run: the next run decides" in why
    assert world.choices == [person.phone]
    before = world.now
    made = backend(world, tmp_path).accounts(batch([person]))
    assert made.addresses == [(person.id, account(person.phone, 2))]
    assert world.now > before + JOINING_PATIENCE, "a slow engine had another patience to make it"
    assert len(world.choices) == 2
    world.store.commit("accounts", made.outcomes, addresses=made.addresses)
    assert world.store.orphans() == Orphans(certain=0, possible=1)
    assert str(world.store.orphans()) == "up to 1"


def test_while_services_are_seen_to_work_nobody_is_given_up(world: JoiningWorld, tmp_path: Path) -> None:
    """Workers are busy with others for longer than the patience, and come to ours in the end."""
    world.engine = lambda root: QUEUED
    world.busy_until, world.delay = 3 * JOINING_PATIENCE, 3 * JOINING_PATIENCE
    made = backend(world, tmp_path).accounts(batch(people(2)))
    assert len(made.addresses) == 2
    assert len(world.choices) == 2


# The tasker has lost the entries


def lost_entries(person: Person) -> dict[bytes, object]:
    """What cic-ussd's tasker would have written."""
    made = account(person.phone)
    return {
        pointer.preferences(made): {"preferred_language": "sw"},
        pointer.custom(made): {"tags": ["ussd", "individual"]},
        pointer.phone(person.phone): made.hex(),
    }


def test_entries_that_the_tasker_has_lost_are_written(world: JoiningWorld, tmp_path: Path) -> None:
    world.has_table = True
    lost = people(20)[3]
    world.delay = 0.5
    phones = backend(world, tmp_path)
    choose = world.choose

    def choose_and_lose(phone: str) -> None:
        choose(phone)
        if phone == lost.phone:
            world.lose_pointer(phone)

    world.choose = choose_and_lose  # type: ignore[method-assign]
    made = phones.accounts(batch(people(20)))
    assert len(made.addresses) == 20
    assert world.entries == lost_entries(lost)
    (detail,) = [outcome.detail for outcome in made.outcomes if outcome.person == lost.id]
    assert detail == (
        f"cic-ussd's tasker has lost phone pointer, tags, preferred language of {lost.phone}"
        f" (0x{account(lost.phone).hex()}); this run has written them"
    )
    assert len(world.choices) == 20
    assert world.now < JOINING_PATIENCE, "they wait only as long as others move, and a grace"


def test_the_interface_of_2021_writes_no_language(world: JoiningWorld, tmp_path: Path) -> None:
    world.has_table = True
    (person,) = people(1)
    asked_before(world, person)
    world.lose_pointer(person.phone)
    assert len(backend(world, tmp_path, dialect="2021").accounts(batch([person])).addresses) == 1
    assert pointer.preferences(account(person.phone)) not in world.entries
    assert len(world.entries) == 2


def asked_before(world: JoiningWorld, *those: Person) -> None:
    """An earlier run has requested their accounts."""
    world.store.add_requests([RequestRow(f"earlier {person.id}", person.id, "") for person in those])


def test_entries_that_are_there_are_kept(world: JoiningWorld, tmp_path: Path) -> None:
    world.has_table = True
    (person,) = people(1)
    asked_before(world, person)
    key = pointer.custom(world.lose_pointer(person.phone))
    world.entries[key] = {"tags": ["own"]}
    assert len(backend(world, tmp_path).accounts(batch([person])).addresses) == 1
    assert world.entries == lost_entries(person) | {key: {"tags": ["own"]}}


@pytest.mark.parametrize("fetched", [False, True])
def test_entries_whose_tasks_may_still_come_are_not_written(world: JoiningWorld, tmp_path: Path, fetched: bool) -> None:
    """A second phone pointer makes the metadata server fail."""
    world.has_table = True
    (person,) = people(1)
    asked_before(world, person)
    address = world.lose_pointer(person.phone)
    world.tasks = [
        WaitingTask(
            "a task", "cic_ussd.tasks.metadata.add_phone_pointer", "a root", (address.hex(), person.phone), fetched
        )
    ]
    why = failures(backend(world, tmp_path).accounts(batch([person])))[0] or ""
    assert (
        f"cic-ussd has the account 0x{address.hex()} of {person.phone}, but the metadata store lacks phone pointer, tags,"
        in why
    )
    assert "add_phone_pointer of cic-ussd's tasker waits in" in why
    assert world.entries == {}
    assert world.now < 0.5 * JOINING_PATIENCE, "they have waited in the earlier run"


@pytest.mark.parametrize("age", [60.0, 4000.0])
def test_without_a_look_at_the_taskers_queue_entries_are_written_once_no_task_can_come_back(
    world: JoiningWorld, tmp_path: Path, age: float
) -> None:
    """Redis gives back what a killed tasker had fetched within an hour."""
    world.has_table, world.is_seen = True, False
    (person,) = people(1)
    asked_before(world, person)
    address = world.lose_pointer(person.phone, age=age)
    made = backend(world, tmp_path).accounts(batch([person]))
    assert len(made.addresses) == (age > 3600)
    assert bool(world.entries) == (age > 3600)
    if not made.addresses:
        why = failures(made)[0] or ""
        assert f"0x{address.hex()} of {person.phone}, but the metadata store lacks phone pointer" in why
        assert "a run in an hour writes it" in why


def test_entries_that_cannot_be_written_are_named(world: JoiningWorld, tmp_path: Path) -> None:
    world.has_table, world.signs = True, False
    (person,) = people(1)
    asked_before(world, person)
    address = world.lose_pointer(person.phone)
    assert failures(backend(world, tmp_path).accounts(batch([person])))[0] == (
        f"cic-ussd's tasker has lost phone pointer, tags, preferred language of {person.phone} (0x{address.hex()}), and the"
        " run cannot write them: the key cannot sign"
    )


def test_an_account_that_only_the_interface_knows_is_named_with_what_is_missing(
    world: JoiningWorld, tmp_path: Path
) -> None:
    world.is_seen = False
    (person,) = people(1)
    asked_before(world, person)
    world.register(person.phone, pointer_after=10_000)
    why = failures(backend(world, tmp_path).accounts(batch([person])))[0] or ""
    assert f"cic-ussd has an account of {person.phone}, but its tasker has not written the phone pointer" in why
    assert "add `accounts` to the environment file" in why
    assert world.now < 0.5 * JOINING_PATIENCE
    assert world.choices == []
