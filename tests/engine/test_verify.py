"""Verification as a whole: it can be stopped, and keeps the results of the checks that are through."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cicscenario.capabilities.check import ONE_BY_ONE, Check, NotKnown
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.readback import PeopleSet
from cicscenario.checks import all_checks
from cicscenario.connections import Service
from cicscenario.engine.events import CheckFinished, CheckProgressed
from cicscenario.engine.verify import require_answers, verify
from cicscenario.errors import InterruptedRunError, UnavailableError
from cicscenario.people.person import Person
from cicscenario.state.rows import Outcome
from cicscenario.state.store import Store

PEOPLE = 5000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "state.sqlite")
    people = [Person(n, "{}", f"+2547{n:08d}", "en", (), b"", 1, n.to_bytes(20, "big")) for n in range(PEOPLE)]
    store.commit("population", [Outcome(person.id, ok=True) for person in people], people=people)
    return store


def asking(verifier: Any) -> Check:
    return Check("asking", "asks", (), lambda context: verifier)


def named(name: str, verifier: Any, *services: Service) -> Check:
    return Check(name, "asks", (), lambda context: verifier, services)


def context(store: Store, stopping: threading.Event) -> RunContext:
    nothing: Any = None
    return RunContext(nothing, Path(), nothing, nothing, store, stopping)


def test_it_stops_when_it_is_asked_to(store: Store) -> None:
    stopping = threading.Event()
    asked: list[int] = []

    def verifier(people: Sequence[Person]) -> dict[int, str]:
        asked.append(len(people))
        assert stopping.wait(30)
        return {}

    threading.Timer(0.2, stopping.set).start()
    with pytest.raises(InterruptedRunError, match="in the check asking"):
        verify([asking(verifier)], context(store, stopping), PEOPLE, print)
    assert store.checks() == {}
    assert sum(asked) < PEOPLE, "nobody else is asked about"


def test_a_service_that_is_gone_is_not_asked_about_everybody(store: Store) -> None:
    asked: list[int] = []

    def verifier(people: Sequence[Person]) -> dict[int, str]:
        asked.append(len(people))
        threading.Event().wait(0.1)
        raise UnavailableError("the service is gone")

    with pytest.raises(UnavailableError, match="gone"):
        verify([asking(verifier)], context(store, threading.Event()), PEOPLE, print)
    assert sum(asked) < PEOPLE


def test_it_ends_within_a_second_also_while_a_question_hangs(store: Store) -> None:
    stopping, answered = threading.Event(), threading.Event()

    def verifier(people: Sequence[Person]) -> dict[int, str]:
        answered.wait(30)
        return {}

    threading.Timer(0.2, stopping.set).start()
    began = time.monotonic()
    with pytest.raises(InterruptedRunError):
        verify([asking(verifier)], context(store, stopping), PEOPLE, print)
    assert time.monotonic() - began < 5
    answered.set()


def gone(people: Sequence[Person]) -> dict[int, str]:
    raise UnavailableError("the service is gone")


def nobody_lacks_it(people: Sequence[Person]) -> dict[int, str]:
    return {}


def test_what_a_check_found_is_written_down_before_one_of_another_service_begins(store: Store) -> None:
    held: list[str] = []

    def looks(people: Sequence[Person]) -> dict[int, str]:
        held.extend(store.checks())
        return gone(people)

    with pytest.raises(UnavailableError):
        verify(
            [named("through", nobody_lacks_it, Service.CHAIN), named("looks", looks, Service.META)],
            context(store, threading.Event()), PEOPLE, print,
        )  # fmt: skip
    assert set(held) == set(store.checks()) == {"through"}


def test_checks_of_the_same_services_read_everybody_once_and_have_results_of_their_own(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    people_of = store.people
    monkeypatch.setattr(store, "people", lambda first, stop: read.extend(range(first, stop)) or people_of(first, stop))
    checks = [
        named(f"lacks {number}", lambda people, lacks=number: {p.id: "none" for p in people if p.id == lacks})
        for number in (7, 4000)
    ]
    events: list[Any] = []
    astray = PeopleSet()
    rows = verify(checks, context(store, threading.Event()), PEOPLE, events.append, astray)
    assert sorted(read) == list(range(PEOPLE))
    assert [row.failing for row in rows] == [[{"person": 7, "problem": "none"}], [{"person": 4000, "problem": "none"}]]
    assert list(astray) == [7, 4000]
    assert [(one.person, one.name) for one in store.failed(["lacks 7", "lacks 4000"])] == [
        (7, "lacks 7"),
        (4000, "lacks 4000"),
    ]
    for name in ("lacks 7", "lacks 4000"):
        told = [event for event in events if isinstance(event, CheckProgressed) and event.name == name]
        assert [event.done for event in told] == list(range(0, PEOPLE, 500))
    assert [event.name for event in events if isinstance(event, CheckFinished)] == ["lacks 7", "lacks 4000"]


@pytest.mark.parametrize("breaks_at", ["once", "later"])
def test_a_check_that_breaks_ends_those_after_it_and_none_before_it(store: Store, breaks_at: str) -> None:
    asked: list[int] = []

    def breaks(people: Sequence[Person]) -> dict[int, str]:
        asked.append(people[0].id)
        return gone(people) if breaks_at == "once" or people[0].id >= 2000 else {}

    def before(people: Sequence[Person]) -> dict[int, str]:
        return {person.id: "none" for person in people if person.id == PEOPLE - 1}

    checks = [named("before", before), named("breaks", breaks), named("after", nobody_lacks_it)]
    events: list[Any] = []
    with pytest.raises(UnavailableError, match="gone"):
        verify(checks, context(store, threading.Event()), PEOPLE, events.append)
    assert list(store.checks()) == ["before"]
    assert store.checks()["before"].total == PEOPLE
    assert [(one.person, one.name) for one in store.failed(["before", "breaks", "after"])] == [(PEOPLE - 1, "before")]
    assert 4500 not in asked, "it is not asked about everybody"


def test_a_check_that_cannot_begin_ends_none_before_it(store: Store) -> None:
    def verifier(context: RunContext) -> Verifier:
        raise UnavailableError("the registry names no Faucet")

    with pytest.raises(UnavailableError, match="no Faucet"):
        verify(
            [named("before", nobody_lacks_it), Check("cannot", "asks", (), verifier), named("after", nobody_lacks_it)],
            context(store, threading.Event()), PEOPLE, print,
        )  # fmt: skip
    assert list(store.checks()) == ["before"]


def test_what_was_complete_is_kept_when_it_is_stopped(store: Store) -> None:
    stopping = threading.Event()

    def stops(people: Sequence[Person]) -> dict[int, str]:
        stopping.set()
        return {}

    checks = [named("through", nobody_lacks_it), *(named(name, stops, Service.META) for name in ("one", "other"))]
    with pytest.raises(InterruptedRunError, match="stopped in the checks one, other; checks change nothing"):
        verify(checks, context(store, stopping), PEOPLE, print)
    assert list(store.checks()) == ["through"]


def test_nobody_is_asked_about_whose_result_the_run_has_read_back(store: Store) -> None:
    asked: list[int] = []

    def verifier(people: Sequence[Person]) -> dict[int, str]:
        asked.extend(person.id for person in people)
        return {person.id: "is not there" for person in people if person.id == 10}

    seen = context(store, threading.Event())
    for number in range(PEOPLE):
        if number % 10:
            seen.read_back.add("writes", number)
    check = Check("asking", "asks", (), lambda context: verifier, read_back_by="writes")
    events: list[Any] = []
    (row,) = verify([check], seen, PEOPLE, events.append)
    assert sorted(asked) == list(range(0, PEOPLE, 10))
    assert (row.errors, row.total, row.read_back) == (1, PEOPLE, PEOPLE - PEOPLE // 10)
    (told,) = [event for event in events if isinstance(event, CheckFinished)]
    assert told.read_back == row.read_back
    assert store.checks()["asking"] == row


def test_how_far_a_check_is_is_told_after_each_of_its_batches(store: Store) -> None:
    most: list[int] = []

    def verifier(people: Sequence[Person]) -> dict[int, str]:
        most.append(len(people))
        return {}

    events: list[Any] = []
    verify([replace(asking(verifier), batch=1000)], context(store, threading.Event()), PEOPLE, events.append)
    assert [event.done for event in events if isinstance(event, CheckProgressed)] == [0, 1000, 2000, 3000, 4000]
    assert most == [1000] * 5


def test_a_check_that_asks_about_one_person_at_a_time_tells_how_far_it_is() -> None:
    slow = [check for check in all_checks() if {Service.USSD, Service.META} & {*check.services}]
    assert len(slow) > 3
    assert {check.batch for check in slow} == {ONE_BY_ONE}
    assert {check.closely().batch for check in all_checks() if check.thorough} == {ONE_BY_ONE}


def read_back(store: Store) -> RunContext:
    seen = context(store, threading.Event())
    for number in range(PEOPLE):
        seen.read_back.add("writes", number)
    return seen


@pytest.mark.parametrize(("lost", "asked_about"), [(0, 20), (PEOPLE, PEOPLE)])
def test_a_few_of_them_are_asked_about_and_everybody_when_one_of_these_is_not_there(
    store: Store, lost: int, asked_about: int
) -> None:
    asked: set[int] = set()

    def verifier(people: Sequence[Person]) -> dict[int, str]:
        asked.update(person.id for person in people)
        return {person.id: "is not there" for person in people if person.id < lost}

    check = Check("asking", "asks", (), lambda context: verifier, read_back_by="writes")
    (row,) = verify([check], read_back(store), PEOPLE, print)
    assert (len(asked), row.errors, row.read_back) == (asked_about, lost, PEOPLE - lost)


def test_a_few_of_them_are_asked_about_by_this_process_and_the_rest_by_workers(store: Store) -> None:
    """Workers may have said that they had read the results back."""
    workers: Any = object()
    asked: dict[bool, int] = {True: 0, False: 0}

    def verifier(context: RunContext) -> Verifier:
        def verify(people: Sequence[Person]) -> dict[int, str]:
            asked[context.workers is not None] += len(people)
            return {}

        return verify

    seen = replace(context(store, threading.Event()), workers=workers)
    for number in range(PEOPLE // 2):
        seen.read_back.add("writes", number)
    verify([Check("asking", "asks", (), verifier, read_back_by="writes")], seen, PEOPLE, print)
    assert asked == {True: PEOPLE // 2, False: 10}


def test_the_step_is_open_again_for_whom_the_service_has_lost(store: Store) -> None:
    """The next run repeats it; for somebody whom nobody could ask about, nothing is known."""

    def verifier(people: Sequence[Person]) -> dict[int, str]:
        found: dict[int, str] = {0: "is not there", 1: NotKnown("no answer")}
        return {person.id: found[person.id] for person in people if person.id in found}

    store.commit("writes", [Outcome(number, ok=True) for number in range(PEOPLE)])
    check = Check("asking", "asks", (), lambda context: verifier, read_back_by="writes")
    verify([check], read_back(store), PEOPLE, print)
    assert store.counts()["writes"] == (PEOPLE - 1, 1)
    (failure,) = store.failures("writes", 2)
    assert (failure.person, failure.detail) == (0, "was written and read back, and is gone since: is not there")
    verify([check], context(store, threading.Event()), PEOPLE, print)
    assert store.counts()["writes"] == (PEOPLE - 1, 1), "only what this run has written"


def test_everybody_is_asked_about_when_the_check_finds_it_doubtful(store: Store) -> None:
    check = Check(
        "asking",
        "asks",
        (),
        lambda context: lambda people: {},
        read_back_by="writes",
        doubtful=lambda context: True,
    )
    (row,) = verify([check], read_back(store), PEOPLE, print)
    assert (row.errors, row.read_back) == (0, 0)


def test_who_has_no_account_or_was_not_made_passes_no_check(store: Store) -> None:
    nobody = Person(PEOPLE, "{}", "+254700009999", "en", (), b"", 1, None)
    store.commit("population", [Outcome(PEOPLE, ok=True)], people=[nobody])
    (row,) = verify([asking(lambda people: {})], context(store, threading.Event()), PEOPLE + 2, print)
    assert row.errors == 2
    assert row.failing == [
        {"person": PEOPLE, "problem": "has no account yet"},
        {"person": PEOPLE + 1, "problem": "has not been made yet"},
    ]


def test_people_who_could_not_be_asked_about_are_no_errors_of_theirs(store: Store) -> None:
    """Nobody is said to be missing: the service is."""

    def verifier(people: Sequence[Person]) -> dict[int, str]:
        found: dict[int, str] = {7: "is not there"}
        found |= {8: NotKnown("cic-x at 127.0.0.1:9 does not answer"), 9: NotKnown("not asked")}
        return {person.id: found[person.id] for person in people if person.id in found}

    rows = verify([asking(verifier)], context(store, threading.Event()), PEOPLE, print)
    assert (rows[0].errors, rows[0].unasked) == (3, 2)
    with pytest.raises(UnavailableError) as told:
        require_answers(rows)
    assert told.value.message == (
        "check asking could not ask about 2 of 5,000 people: cic-x at 127.0.0.1:9 does not answer"
    )
    require_answers([])
