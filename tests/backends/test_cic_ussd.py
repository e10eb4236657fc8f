"""The phone backend against an interface and a metadata store that do what a test says, at the pace of a test's clock."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cicscenario.capabilities.executor import Result
from cicscenario.people import pointer
from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed, Lost, Trace
from cicscenario.services.ussd import UssdError
from cicscenario.services.ussd_tasks import WaitingTask
from cicscenario.state.rows import Orphans, Outcome, RequestRow
from cicscenario.state.store import Store
from tests.support.batches import batch
from tests.support.joining_world import NOWHERE, PATIENCE, QUEUED, World, account, backend, people


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World()
    world.store = Store(tmp_path / "state.sqlite")
    world.store.commit("population", [Outcome(p.id, ok=True) for p in people(60)], people=people(60))
    yield world
    world.store.close()


def failures(made: Result) -> dict[int, str | None]:
    return {outcome.person: outcome.detail for outcome in made.outcomes if not outcome.ok}


def test_everybody_chooses_once_and_is_found_with_little_more_than_a_look_each(world: World, tmp_path: Path) -> None:
    made = backend(world, tmp_path).accounts(batch(people(50)))
    assert dict(made.addresses) == {p.id: account(p.phone) for p in people(50)}
    assert world.choices == [p.phone for p in people(50)]
    assert world.looks <= 50 + 50 + 4 * 5  # each before the dial, and a first few while nobody is there


def test_what_is_asked_for_is_written_down_first(world: World, tmp_path: Path) -> None:
    backend(world, tmp_path).accounts(batch(people(3)))
    assert world.written_before == [True] * 3
    assert {row.status for rows in world.store.requests(range(3)).values() for row in rows} == {"created"}


def test_a_choice_that_may_have_been_taken_is_not_made_again(world: World, tmp_path: Path) -> None:
    """The answer was lost, the account comes to be."""
    (person,) = people(1)
    world.errors = [UssdError("no answer", taken=None)]
    world.taken_anyway = True
    made = backend(world, tmp_path).accounts(batch([person]))
    assert len(made.addresses) == 1
    assert len(world.choices) == 1


def test_a_choice_that_surely_came_to_nothing_is_made_again_at_once(world: World, tmp_path: Path) -> None:
    world.errors = [UssdError("500", taken=False), UssdError("500", taken=False)]
    made = backend(world, tmp_path).accounts(batch(people(1)))
    assert len(made.addresses) == 1
    assert world.now < 3
    assert [row.status for row in world.store.requests([0])[0]].count("failed") == 2
    assert world.store.orphans() == Orphans(0, 0)


def test_an_interface_that_refuses_again_and_again_is_said(world: World, tmp_path: Path) -> None:
    world.errors = [UssdError("the server is not well", taken=False) for _ in range(5)]
    made = backend(world, tmp_path).accounts(batch(people(2)))
    assert failures(made) == {0: "the server is not well"}
    assert [person for person, _ in made.addresses] == [1]


def test_a_run_that_goes_on_chooses_for_nobody_who_may_have_chosen(world: World, tmp_path: Path) -> None:
    """Killed behind the choice: the pointers of some are there, those of others on their way."""
    first = backend(world, tmp_path)
    for person in people(6):
        first._phones.join(person, pending=False, may_choose=lambda: True)
    assert len(world.choices) == 6
    world.now = 0.5
    made = backend(world, tmp_path).accounts(batch(people(8)))
    assert len(made.addresses) == 8
    assert len(world.choices) == 8


@pytest.mark.parametrize("dialect", ["current", "2021"])
def test_an_account_that_was_there_before_it_was_asked_for_is_not_taken(
    world: World, tmp_path: Path, dialect: str
) -> None:
    """Another run made it, and has paid it. Nobody dials: that would leave a session on somebody else's phone."""
    there, new = people(2)
    world.register(there.phone)
    made = backend(world, tmp_path, dialect=dialect).accounts(batch([there, new]))
    assert [person for person, _ in made.addresses] == [new.id]
    why = failures(made)[there.id] or ""
    assert "has an account that this run did not request: the phone pointer of +254711000000 leads to 0x" in why
    assert "choose another `population.seed`" in why
    assert "with `population.from` and `backend: existing`" in why
    assert there.phone not in world.dials
    assert world.store.requests([there.id]) == {}


@pytest.mark.parametrize("dialect", ["current", "2021"])
def test_an_account_that_only_the_interface_knows_is_not_taken_either(
    world: World, tmp_path: Path, dialect: str
) -> None:
    """Its phone pointer comes later, and no later run takes it for its own."""
    (person,) = people(1)
    world.register(person.phone, pointer_after=5)
    for says in ("the phone interface knows +254711000000", "the phone pointer of +254711000000 leads to 0x"):
        made = backend(world, tmp_path, dialect=dialect).accounts(batch([person]))
        assert made.addresses == []
        assert says in (failures(made)[0] or "")
        world.store.commit("accounts", made.outcomes)
        world.now = 10
    assert world.choices == []
    assert world.store.requests([0]) == {}, "nothing was requested"
    world.store.commit("accounts", [], addresses=[(0, bytes(20))])
    assert world.store.orphans() == Orphans(0, 0)


def test_an_account_that_an_earlier_run_asked_for_is_its_own_though_the_interface_knows_it_first(
    world: World, tmp_path: Path
) -> None:
    (person,) = people(1)
    world.delay, world.engine = 10_000, lambda root: QUEUED
    assert backend(world, tmp_path).accounts(batch([person])).addresses == []
    world.register(person.phone, pointer_after=5)
    made = backend(world, tmp_path).accounts(batch([person]))
    assert made.addresses == [(person.id, account(person.phone))]
    assert world.choices == [person.phone]


def test_somebody_who_is_lost_holds_nobody_up_and_chooses_once_more(world: World, tmp_path: Path) -> None:
    """The server never heard of the account that its engine made: only another choice helps, and leaves an orphan."""
    lost = people(20)[0].phone
    world.lost = {lost}
    made = backend(world, tmp_path).accounts(batch(people(20)))
    assert len(made.addresses) == 20
    assert world.choices.count(lost) == 2
    assert len(world.choices) == 21
    world.store.commit("accounts", made.outcomes, addresses=made.addresses)
    assert world.store.orphans() == Orphans(certain=1, possible=0)


def test_when_nobody_moves_for_the_patience_each_is_told(world: World, tmp_path: Path) -> None:
    world.delay = 10_000
    made = backend(world, tmp_path).accounts(batch(people(2)))
    assert made.addresses == []
    assert "the metadata store has no phone pointer of +254711000001" in (failures(made)[1] or "")
    assert PATIENCE < world.now < 3 * PATIENCE


def test_when_nobody_of_a_batch_got_an_account_nobody_of_the_next_is_asked_for(world: World, tmp_path: Path) -> None:
    """The interface takes calls, but the engine behind it is dead."""
    phones = backend(world, tmp_path)
    world.delay = 10_000
    phones.accounts(batch(people(60)[:10]))
    dials, now = len(world.dials), world.now
    made = phones.accounts(batch(people(60)[10:30]))
    assert set(failures(made)) == set(range(10, 30))
    assert (failures(made)[10] or "").startswith(
        "no account was requested: the metadata store has no phone pointer of +25471100"
    )
    assert len(world.dials) == dials
    assert world.now < now + 1


SILENT = UssdError("phone interface cannot be reached", taken=False, answered=False)


def test_an_interface_that_answers_nobody_is_not_called_for_everybody(world: World, tmp_path: Path) -> None:
    world.errors = [SILENT] * 1000
    with pytest.raises(UssdError, match="cannot be reached"):
        backend(world, tmp_path).accounts(batch(people(50)))
    assert len(set(world.dials)) == 3
    assert world.now < 3 * 4
    rows = world.store.requests(range(50)).values()
    assert {row.status for mine in rows for row in mine} == {"failed"}


@pytest.mark.parametrize("answered", [True, False])
def test_silence_for_somebody_and_answers_to_all_are_not_the_end(world: World, tmp_path: Path, answered: bool) -> None:
    """A server that is started again in the meantime, and one that fails for a few people alone."""
    error = UssdError("500", taken=False, answered=True)
    world.errors = [error] * 5 * 10 if answered else [SILENT] * 5 * 2
    made = backend(world, tmp_path).accounts(batch(people(20)))
    assert sorted(failures(made)) == list(range(10 if answered else 2))
    assert len(made.addresses) == 20 - len(failures(made))


def test_an_interface_that_comes_back_between_attempts_costs_nobody(world: World, tmp_path: Path) -> None:
    world.errors = [SILENT] * 4
    assert len(backend(world, tmp_path).accounts(batch(people(3))).addresses) == 3
    assert 3 < world.now < 6


def test_a_run_that_is_to_end_leaves_people_without_outcome(world: World, tmp_path: Path) -> None:
    made = backend(world, tmp_path)
    stopping = threading.Event()
    stopping.set()
    object.__setattr__(made._context, "stopping", stopping)
    assert made.accounts(batch(people(3))) == Result()
    assert world.choices == []


def test_the_interface_of_2021_is_told_the_language_once_the_account_is_there(world: World, tmp_path: Path) -> None:
    made = backend(world, tmp_path, dialect="2021").accounts(batch(people(2)))
    assert len(made.addresses) == 2
    assert world.dials == [p.phone for p in people(2)] * 2


@pytest.mark.parametrize("value", [7, "no address", "ab" * 19, {"a": 1}])
def test_a_pointer_that_leads_nowhere_is_named(world: World, tmp_path: Path, value: object) -> None:
    world.get_many = lambda pointers: [value for _ in pointers]  # type: ignore[method-assign]
    made = backend(world, tmp_path).accounts(batch(people(1)))
    assert "the phone pointer of +254711000000 is not an address" in (failures(made)[0] or "")


# A choice is made again only when the first one is over


@pytest.mark.parametrize("has_begun", [False, True])
def test_while_the_engine_is_paused_nobody_chooses_again(world: World, tmp_path: Path, has_begun: bool) -> None:
    """Its tasks wait in the queue. One that a worker has begun is nowhere, and the engine does not answer a question."""
    world.delay = 0.9 * PATIENCE
    world.engine = lambda root: NOWHERE if has_begun else QUEUED
    world.answers = False
    made = backend(world, tmp_path).accounts(batch(people(6)))
    assert len(made.addresses) == 6
    assert world.choices == [p.phone for p in people(6)]
    assert world.store.orphans() == Orphans(0, 0)


def test_a_report_that_waits_for_the_tasker_keeps_a_choice_alive(world: World, tmp_path: Path) -> None:
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


def test_a_tasker_that_takes_no_tasks_may_have_the_report(world: World, tmp_path: Path) -> None:
    """It is paused: what it has begun is nowhere to be seen. The dial before a second choice has given it a task."""
    (person,) = people(1)
    world.delay = 10_000
    world.tasks = [WaitingTask("a task", "cic_ussd.tasks.ussd_session.persist_session_to_db", "another", (), False)]
    why = failures(backend(world, tmp_path).accounts(batch([person])))[0] or ""
    assert "cic-ussd's tasker takes no tasks from the queue 'cic-ussd'" in why
    assert world.choices == [person.phone]


def test_a_tasker_that_takes_no_tasks_may_still_write_the_entries(world: World, tmp_path: Path) -> None:
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
    world: World, tmp_path: Path, end: AccountOutcome | None, orphans: Orphans
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


def test_a_choice_that_the_interface_never_took_is_made_again(world: World, tmp_path: Path) -> None:
    """The answer was lost on the way there: others have keys of cic-ussd's, and this person has none."""
    lost, other = people(2)
    world.errors = [UssdError("no answer", taken=None)]
    made = backend(world, tmp_path).accounts(batch([lost, other]))
    assert len(made.addresses) == 2
    assert world.choices == [other.phone, lost.phone]


def test_a_choice_that_comes_to_life_while_the_interface_is_dialled_again_is_not_made_again(
    world: World, tmp_path: Path
) -> None:
    """The interface handles one request at a time: the first choice was still waiting for its turn."""
    (person,) = people(1)
    asked: list[str] = []

    def engine(root: str) -> AccountOutcome:
        asked.append(root)
        return NOWHERE if len(asked) <= 2 else QUEUED

    world.engine, world.delay = engine, 0.6 * PATIENCE
    assert len(backend(world, tmp_path).accounts(batch([person])).addresses) == 1
    assert len(world.dials) == 2
    assert world.choices == [person.phone]


def no_custodial(world: World) -> None:
    world.is_seen = False


def other_database(world: World) -> None:
    world.has_keys = False


def no_redis(world: World) -> None:
    world.redis_fails = True


def other_queue(world: World) -> None:
    world.knows_queue = False


@pytest.mark.parametrize("hide", [no_custodial, other_database, no_redis, other_queue])
def test_what_cannot_be_seen_is_decided_by_a_later_run(
    world: World, tmp_path: Path, hide: Callable[[World], None]
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
    assert world.now > before + PATIENCE, "a slow engine had another patience to make it"
    assert len(world.choices) == 2
    world.store.commit("accounts", made.outcomes, addresses=made.addresses)
    assert world.store.orphans() == Orphans(certain=0, possible=1)
    assert str(world.store.orphans()) == "up to 1"


def test_while_services_are_seen_to_work_nobody_is_given_up(world: World, tmp_path: Path) -> None:
    """Workers are busy with others for longer than the patience, and come to ours in the end."""
    world.engine = lambda root: QUEUED
    world.busy_until, world.delay = 3 * PATIENCE, 3 * PATIENCE
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


def test_entries_that_the_tasker_has_lost_are_written(world: World, tmp_path: Path) -> None:
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
    assert world.now < PATIENCE, "they wait only as long as others move, and a grace"


def test_the_interface_of_2021_writes_no_language(world: World, tmp_path: Path) -> None:
    world.has_table = True
    (person,) = people(1)
    asked_before(world, person)
    world.lose_pointer(person.phone)
    assert len(backend(world, tmp_path, dialect="2021").accounts(batch([person])).addresses) == 1
    assert pointer.preferences(account(person.phone)) not in world.entries
    assert len(world.entries) == 2


def asked_before(world: World, *those: Person) -> None:
    """An earlier run has requested their accounts."""
    world.store.add_requests([RequestRow(f"earlier {person.id}", person.id, "") for person in those])


def test_entries_that_are_there_are_kept(world: World, tmp_path: Path) -> None:
    world.has_table = True
    (person,) = people(1)
    asked_before(world, person)
    key = pointer.custom(world.lose_pointer(person.phone))
    world.entries[key] = {"tags": ["own"]}
    assert len(backend(world, tmp_path).accounts(batch([person])).addresses) == 1
    assert world.entries == lost_entries(person) | {key: {"tags": ["own"]}}


@pytest.mark.parametrize("fetched", [False, True])
def test_entries_whose_tasks_may_still_come_are_not_written(world: World, tmp_path: Path, fetched: bool) -> None:
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
    assert world.now < 0.5 * PATIENCE, "they have waited in the earlier run"


@pytest.mark.parametrize("age", [60.0, 4000.0])
def test_without_a_look_at_the_taskers_queue_entries_are_written_once_no_task_can_come_back(
    world: World, tmp_path: Path, age: float
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


def test_entries_that_cannot_be_written_are_named(world: World, tmp_path: Path) -> None:
    world.has_table, world.signs = True, False
    (person,) = people(1)
    asked_before(world, person)
    address = world.lose_pointer(person.phone)
    assert failures(backend(world, tmp_path).accounts(batch([person])))[0] == (
        f"cic-ussd's tasker has lost phone pointer, tags, preferred language of {person.phone} (0x{address.hex()}), and the"
        " run cannot write them: the key cannot sign"
    )


def test_an_account_that_only_the_interface_knows_is_named_with_what_is_missing(world: World, tmp_path: Path) -> None:
    world.is_seen = False
    (person,) = people(1)
    asked_before(world, person)
    world.register(person.phone, pointer_after=10_000)
    why = failures(backend(world, tmp_path).accounts(batch([person])))[0] or ""
    assert f"cic-ussd has an account of {person.phone}, but its tasker has not written the phone pointer" in why
    assert "add `accounts` to the environment file" in why
    assert world.now < 0.5 * PATIENCE
    assert world.choices == []
