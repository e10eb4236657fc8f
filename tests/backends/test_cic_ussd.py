"""The phone backend against an interface and a metadata store that do what a test says, at the pace of a test's clock."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cicscenario.capabilities.executor import Result
from cicscenario.services.ussd import UssdError
from cicscenario.state.rows import Orphans
from tests.support.batches import batch
from tests.support.joining_world import (
    JOINING_PATIENCE,
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


def test_everybody_chooses_once_and_is_found_with_little_more_than_a_look_each(
    world: JoiningWorld, tmp_path: Path
) -> None:
    made = backend(world, tmp_path).accounts(batch(people(50)))
    assert dict(made.addresses) == {p.id: account(p.phone) for p in people(50)}
    assert world.choices == [p.phone for p in people(50)]
    assert world.looks <= 50 + 50 + 4 * 5  # each before the dial, and a first few while nobody is there


@pytest.mark.parametrize("dialect", ["current", "2021"])
@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ({"phone": "+2348031234567"}, "does not take the number '+2348031234567': it takes + and 10 to 12 digits"),
        ({"phone": "0711000001"}, "does not take the number '0711000001'"),
        ({"language": "fr"}, "does not offer the language 'fr': it offers en, sw"),
    ],
)
def test_somebody_whom_the_interface_cannot_have_fails_alone(
    world: JoiningWorld, tmp_path: Path, dialect: str, odd: dict[str, str], why: str
) -> None:
    who = people(5)
    who[2] = replace(who[2], **odd)
    made = backend(world, tmp_path, dialect=dialect).accounts(batch(who))
    assert sorted(person for person, _ in made.addresses) == [0, 1, 3, 4]
    assert why in (failures(made)[2] or "")
    assert who[2].phone not in world.dials
    assert world.store.requests([2]) == {}


def test_what_is_asked_for_is_written_down_first(world: JoiningWorld, tmp_path: Path) -> None:
    backend(world, tmp_path).accounts(batch(people(3)))
    assert world.written_before == [True] * 3
    assert {row.status for rows in world.store.requests(range(3)).values() for row in rows} == {"created"}


def test_a_choice_that_may_have_been_taken_is_not_made_again(world: JoiningWorld, tmp_path: Path) -> None:
    """The answer was lost, the account comes to be."""
    (person,) = people(1)
    world.errors = [UssdError("no answer", taken=None)]
    world.taken_anyway = True
    made = backend(world, tmp_path).accounts(batch([person]))
    assert len(made.addresses) == 1
    assert len(world.choices) == 1


def test_a_choice_that_surely_came_to_nothing_is_made_again_at_once(world: JoiningWorld, tmp_path: Path) -> None:
    world.errors = [UssdError("500", taken=False), UssdError("500", taken=False)]
    made = backend(world, tmp_path).accounts(batch(people(1)))
    assert len(made.addresses) == 1
    assert world.now < 3
    assert [row.status for row in world.store.requests([0])[0]].count("failed") == 2
    assert world.store.orphans() == Orphans(0, 0)


def test_where_the_client_repeats_by_itself_nobody_dials_again_above_it(world: JoiningWorld, tmp_path: Path) -> None:
    world.repeats_itself = True
    world.errors = [UssdError("no answer", taken=False, answered=False)]
    made = backend(world, tmp_path).accounts(batch(people(2)))
    assert failures(made) == {0: "no answer"}
    assert [person for person, _ in made.addresses] == [1]


def test_an_interface_that_refuses_again_and_again_is_said(world: JoiningWorld, tmp_path: Path) -> None:
    world.errors = [UssdError("the server is not well", taken=False) for _ in range(5)]
    made = backend(world, tmp_path).accounts(batch(people(2)))
    assert failures(made) == {0: "the server is not well"}
    assert [person for person, _ in made.addresses] == [1]


def test_a_run_that_goes_on_chooses_for_nobody_who_may_have_chosen(world: JoiningWorld, tmp_path: Path) -> None:
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
    world: JoiningWorld, tmp_path: Path, dialect: str
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
    world: JoiningWorld, tmp_path: Path, dialect: str
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
    world: JoiningWorld, tmp_path: Path
) -> None:
    (person,) = people(1)
    world.delay, world.engine = 10_000, lambda root: QUEUED
    assert backend(world, tmp_path).accounts(batch([person])).addresses == []
    world.register(person.phone, pointer_after=5)
    made = backend(world, tmp_path).accounts(batch([person]))
    assert made.addresses == [(person.id, account(person.phone))]
    assert world.choices == [person.phone]


def test_somebody_who_is_lost_holds_nobody_up_and_chooses_once_more(world: JoiningWorld, tmp_path: Path) -> None:
    """The server never heard of the account that its engine made: only another choice helps, and leaves an orphan."""
    lost = people(20)[0].phone
    world.lost = {lost}
    made = backend(world, tmp_path).accounts(batch(people(20)))
    assert len(made.addresses) == 20
    assert world.choices.count(lost) == 2
    assert len(world.choices) == 21
    world.store.commit("accounts", made.outcomes, addresses=made.addresses)
    assert world.store.orphans() == Orphans(certain=1, possible=0)


def test_when_nobody_moves_for_the_patience_each_is_told(world: JoiningWorld, tmp_path: Path) -> None:
    world.delay = 10_000
    made = backend(world, tmp_path).accounts(batch(people(2)))
    assert made.addresses == []
    assert "the metadata store has no phone pointer of +254711000001" in (failures(made)[1] or "")
    assert JOINING_PATIENCE < world.now < 3 * JOINING_PATIENCE


def test_when_nobody_of_a_batch_got_an_account_nobody_of_the_next_is_asked_for(
    world: JoiningWorld, tmp_path: Path
) -> None:
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


def test_an_interface_that_answers_nobody_is_not_called_for_everybody(world: JoiningWorld, tmp_path: Path) -> None:
    world.errors = [SILENT] * 1000
    with pytest.raises(UssdError, match="cannot be reached"):
        backend(world, tmp_path).accounts(batch(people(50)))
    assert len(set(world.dials)) == 3
    assert world.now < 3 * 4
    rows = world.store.requests(range(50)).values()
    assert {row.status for mine in rows for row in mine} == {"failed"}


@pytest.mark.parametrize("answered", [True, False])
def test_silence_for_somebody_and_answers_to_all_are_not_the_end(
    world: JoiningWorld, tmp_path: Path, answered: bool
) -> None:
    """A server that is started again in the meantime, and one that fails for a few people alone."""
    error = UssdError("500", taken=False, answered=True)
    world.errors = [error] * 5 * 10 if answered else [SILENT] * 5 * 2
    made = backend(world, tmp_path).accounts(batch(people(20)))
    assert sorted(failures(made)) == list(range(10 if answered else 2))
    assert len(made.addresses) == 20 - len(failures(made))


def test_an_interface_that_comes_back_between_attempts_costs_nobody(world: JoiningWorld, tmp_path: Path) -> None:
    world.errors = [SILENT] * 4
    assert len(backend(world, tmp_path).accounts(batch(people(3))).addresses) == 3
    assert 3 < world.now < 6


def test_a_run_that_is_to_end_leaves_people_without_outcome(world: JoiningWorld, tmp_path: Path) -> None:
    made = backend(world, tmp_path)
    stopping = threading.Event()
    stopping.set()
    object.__setattr__(made._context, "stopping", stopping)
    assert made.accounts(batch(people(3))) == Result()
    assert world.choices == []


def test_the_interface_of_2021_is_told_the_language_once_the_account_is_there(
    world: JoiningWorld, tmp_path: Path
) -> None:
    made = backend(world, tmp_path, dialect="2021").accounts(batch(people(2)))
    assert len(made.addresses) == 2
    assert world.dials == [p.phone for p in people(2)] * 2


@pytest.mark.parametrize("value", [7, "no address", "ab" * 19, {"a": 1}])
def test_a_pointer_that_leads_nowhere_is_named(world: JoiningWorld, tmp_path: Path, value: object) -> None:
    world.get_many = lambda pointers: [value for _ in pointers]  # type: ignore[method-assign]
    made = backend(world, tmp_path).accounts(batch(people(1)))
    assert "the phone pointer of +254711000000 is not an address" in (failures(made)[0] or "")


# A choice is made again only when the first one is over
