"""Every batch goes through every step in order; what stops a step stops the run, and nothing that waits begins any more."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.boundaries import observe
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Executor, Result
from cicscenario.capabilities.readback import ReadBack
from cicscenario.capabilities.step import Lane, Part, PlannedStep, Step
from cicscenario.engine.deadline import Deadlines
from cicscenario.engine.events import Event, StepProgressed
from cicscenario.engine.progress import Progress
from cicscenario.engine.runner import Runner
from cicscenario.errors import DeadlineError, InterruptedRunError, UnavailableError
from cicscenario.people.person import Person
from cicscenario.plan.compile import Plan
from cicscenario.retry import pause
from cicscenario.state.rows import Outcome
from cicscenario.state.store import STATE, Store
from cicscenario.transport.traffic import Traffic
from tests.support.batches import all_ok


def person(number: int) -> Person:
    return Person(number, "{}", f"+2547{number:08}", "en", (), bytes(20), 0)


def people(batch: Batch) -> Result:
    return Result(all_ok(batch), people=[person(number) for number in batch.ids])


def ok(batch: Batch) -> Result:
    return Result(all_ok(batch))


class World:
    """A state, and plans of steps that are functions."""

    def __init__(self, folder: Path) -> None:
        self.traffic = Traffic()
        self.store = Store(folder / STATE)
        self.stopping = threading.Event()
        self.events: list[Event] = []
        self.read_back = ReadBack()

    def run(
        self,
        steps: dict[str, Executor],
        size: int = 50,
        *,
        lane: Lane = Lane.SERVICE,
        together: str = "",
        **more: Any,
    ) -> None:
        """Steps in order, each after the one before it; the one with the name ``together`` is for everybody at once."""
        nothing: Any = None
        names = list(steps)
        planned = tuple(
            PlannedStep(
                Step(name, nothing, after=tuple(names[number - 1 : number]), together=name == together),
                Part(name, lane if number else Lane.CPU, lambda context, step: steps[step]),
            )
            for number, name in enumerate(names)
        )
        plan = Plan(nothing, planned, (), nothing, size)
        services: Any = SimpleNamespace(traffic=self.traffic)
        context = RunContext(nothing, Path(), nothing, services, self.store, self.stopping, read_back=self.read_back)
        self.progress = Progress(names, size, self.store.counts())
        Runner(plan, context, self.progress, self.events.append, batch=10, **more).run()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


def test_everybody_goes_through_every_step_behind_the_ones_before(world: World) -> None:
    seen: list[tuple[str, int]] = []

    def noting(name: str, inner: Executor) -> Executor:
        def run(batch: Batch) -> Result:
            seen.extend((name, number) for number in batch.ids)
            return inner(batch)

        return run

    world.run({"people": noting("people", people), "a": noting("a", ok), "b": noting("b", ok)})
    assert world.store.counts() == {"people": (50, 0), "a": (50, 0), "b": (50, 0)}
    for number in range(50):
        assert [name for name, who in seen if who == number] == ["people", "a", "b"]


def test_who_failed_goes_no_further_and_is_tried_again_by_the_next_run(world: World) -> None:
    def fails(batch: Batch) -> Result:
        return Result([Outcome(number, ok=number != 7, detail=None if number != 7 else "no") for number in batch.ids])

    world.run({"people": people, "a": fails, "b": ok})
    assert world.store.counts() == {"people": (50, 0), "a": (49, 1), "b": (49, 0)}
    world.run({"people": people, "a": ok, "b": ok})
    assert world.store.counts()["b"] == (50, 0)


def test_a_step_for_everybody_at_once_begins_when_all_are_through_the_steps_before(world: World) -> None:
    seen: list[Batch] = []

    def all_at_once(batch: Batch) -> Result:
        assert world.store.counts()["a"] == (50, 0)
        seen.append(batch)
        return ok(batch)

    world.run({"people": people, "a": ok, "b": all_at_once}, together="b")
    (batch,) = seen
    assert (list(batch.ids), list(batch.people)) == (list(range(50)), [])
    assert world.store.counts()["b"] == (50, 0)
    world.run({"people": people, "a": ok, "b": all_at_once}, together="b")
    assert len(seen) == 1


def test_it_does_not_begin_while_anybody_is_not_and_gets_those_who_are_left(world: World) -> None:
    begun: list[Batch] = []

    def fails(batch: Batch) -> Result:
        return Result([Outcome(number, ok=number != 7, detail=None if number != 7 else "no") for number in batch.ids])

    def half(batch: Batch) -> Result:
        begun.append(batch)
        return Result([Outcome(number, ok=True) for number in batch.ids if number < 20 or len(begun) > 1])

    world.run({"people": people, "a": fails, "b": half}, together="b")
    assert begun == []
    for _ in range(2):
        world.run({"people": people, "a": ok, "b": half}, together="b")
    assert [list(batch.ids) for batch in begun] == [list(range(50)), list(range(20, 50))]
    assert world.store.counts()["b"] == (50, 0)


def test_what_stops_it_is_raised(world: World) -> None:
    def breaks(batch: Batch) -> Result:
        raise UnavailableError("the service is gone")

    with pytest.raises(UnavailableError, match="gone"):
        world.run({"people": people, "b": breaks}, together="b")


def test_an_outcome_of_it_that_cannot_be_saved_is_the_error_and_not_that_it_was_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def waits(batch: Batch) -> Result:
        monkeypatch.setattr(world.store, "commit", full)
        batch.result.done(0)
        assert world.stopping.wait(20)
        raise InterruptedRunError("stopped while it waited")

    def full(*_: Any) -> Any:
        monkeypatch.undo()  # there is room again a moment later
        raise UnavailableError("the disk is full")

    with pytest.raises(UnavailableError, match="the disk is full"):
        world.run({"people": people, "b": waits}, together="b")


@pytest.mark.parametrize("lane", [Lane.SERVICE, Lane.CHAIN, Lane.BACKGROUND])
def test_what_stops_a_step_is_raised_and_no_batch_begins_after_it(world: World, lane: Lane) -> None:
    """Batches that wait for a thread count, too: the one thread of the first step would have made all people."""
    begun: list[int] = []
    broken = threading.Event()

    def slow_people(batch: Batch) -> Result:
        begun.append(batch.ids[0])
        if batch.ids[0] >= 20:
            broken.wait(5)
        return people(batch)

    def breaks(batch: Batch) -> Result:
        broken.set()
        raise UnavailableError("the service is gone")

    with pytest.raises(UnavailableError, match="gone"):
        world.run({"people": slow_people, "a": breaks}, size=1000, lane=lane)
    assert len(begun) <= 6
    assert world.store.counts()["people"][0] == 10 * len(begun), "what had begun was saved"


def test_the_first_error_is_the_one_that_is_raised(world: World) -> None:
    first = threading.Event()

    def breaks(batch: Batch) -> Result:
        if batch.ids[0] == 0:
            first.set()
            raise UnavailableError("first")
        first.wait(5)
        raise UnavailableError("later")

    with pytest.raises(UnavailableError, match="first"):
        world.run({"people": people, "a": breaks})


class SlowToReturn(threading.Event):
    """Whoever sets it goes on a moment later than those who wait for it."""

    def set(self) -> None:
        super().set()
        time.sleep(0.2)


def test_what_other_waits_end_with_never_hides_the_error_that_ended_them(world: World) -> None:
    """The others are told to stop, and end, before the error itself has been handed on."""
    world.stopping = SlowToReturn()
    waiting = threading.Event()

    def breaks(batch: Batch) -> Result:
        if batch.ids[0] == 0:
            assert waiting.wait(5)
            raise UnavailableError("the service is gone")
        waiting.set()
        pause(30, world.stopping)
        return ok(batch)

    with pytest.raises(UnavailableError, match="gone"):
        world.run({"people": people, "a": breaks})


def test_a_run_that_is_asked_to_stop_saves_what_is_under_way(world: World) -> None:
    def stops(batch: Batch) -> Result:
        world.stopping.set()
        return ok(batch)

    with pytest.raises(InterruptedRunError):
        world.run({"people": people, "a": stops}, size=1000)
    assert world.store.counts()["a"][0] >= 10
    assert world.store.counts()["people"][0] < 1000


def test_a_person_whom_the_state_refuses_is_counted_as_failed(world: World) -> None:
    def twins(batch: Batch) -> Result:
        made = [person(0 if number == 3 else number) for number in batch.ids]
        return Result(all_ok(batch), people=[Person(n, *fields(p)) for n, p in zip(batch.ids, made, strict=True)])

    def fields(who: Person) -> tuple[Any, ...]:
        return who.document_json, who.phone, who.language, who.tags, who.old_address, who.gift

    world.run({"people": twins, "a": ok}, size=10)
    told = [event for event in world.events if isinstance(event, StepProgressed) and event.step == "people"]
    assert (told[-1].ok, told[-1].failed) == (9, 1)
    assert world.store.failures("people", 5)[0].detail == f"the phone number {person(0).phone} is that of person 0, too"


def test_only_some_steps_are_carried_out_for_those_who_are_ready(world: World) -> None:
    world.run({"people": people, "a": ok, "b": ok}, only={"people", "b"})
    assert world.store.counts() == {"people": (50, 0)}


# What a step has done is written down while it goes on


def seen(world: World, step: str, number: int) -> bool:
    """Whether the state gets that many people of a step within a few seconds."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if world.store.counts().get(step, (0, 0))[0] >= number:
            return True
        time.sleep(0.02)
    return False


def test_outcomes_are_written_while_their_batch_goes_on(world: World) -> None:
    """A batch of which one person takes long keeps what it did for the others, whatever happens to the process."""
    found: list[bool] = []

    def slow(batch: Batch) -> Result:
        for number in batch.ids[:-1]:
            batch.result.done(number)
        if batch.ids[0] == 0:
            found.append(seen(world, "a", 9))
        batch.result.done(batch.ids[-1])
        return batch.result

    world.run({"people": people, "a": slow}, size=10)
    assert found == [True]
    assert world.store.counts()["a"] == (10, 0)


def test_people_and_accounts_are_written_with_their_outcomes(world: World) -> None:
    found: list[bool] = []

    def makes(batch: Batch) -> Result:
        for number in batch.ids:
            batch.result.found(number, number.to_bytes(20, "big"))
        found.append(seen(world, "a", 10))
        found.append([one.address for one in world.store.people(0, 10)] == [n.to_bytes(20, "big") for n in range(10)])
        return batch.result

    world.run({"people": people, "a": makes}, size=10)
    assert found == [True, True]


def test_what_a_step_did_before_it_broke_is_kept(world: World) -> None:
    def breaks(batch: Batch) -> Result:
        for number in batch.ids[:4]:
            batch.result.done(number)
        batch.result.fail(batch.ids[4], "no")
        raise UnavailableError("the service is gone")

    with pytest.raises(UnavailableError, match="gone"):
        world.run({"people": people, "a": breaks}, size=10)
    assert world.store.counts()["a"] == (4, 1)


def test_what_is_written_in_parts_is_counted_once(world: World) -> None:
    def slow(batch: Batch) -> Result:
        batch.result.done(batch.ids[0])
        assert seen(world, "a", 1)
        batch.result.done(batch.ids[1])
        assert seen(world, "a", 2)
        for number in batch.ids[2:]:
            batch.result.done(number)
        return batch.result

    world.run({"people": people, "a": slow}, size=10)
    told = [event for event in world.events if isinstance(event, StepProgressed) and event.step == "a"]
    assert [event.ok for event in told] == sorted({event.ok for event in told})
    assert told[-1].ok == sum(event.batch for event in told) == 10
    assert world.progress.steps["a"].document()["batches"] == 1
    assert world.progress.steps["a"].document()["people"] == 10


def test_nobody_is_counted_or_told_before_they_are_in_the_state(world: World) -> None:
    """A run that is killed just before it writes has told of nobody who is not there."""
    told: list[tuple[int, int]] = []

    def look(name: str, side: str) -> None:
        if (name, side) == ("state.outcomes", "before"):
            there = sum(ok for ok, _ in world.store.counts().values())
            told.append((sum(tally.ok for tally in world.progress.steps.values()), there))

    observe(look)
    try:
        world.run({"people": people, "a": ok}, size=30)
    finally:
        observe(None)
    assert len(told) == 6
    assert all(counted <= there for counted, there in told)


def test_a_state_that_cannot_be_written_ends_the_run_while_a_batch_waits(world: World) -> None:
    commit = world.store.commit

    def full(step: str, *rest: Any) -> list[Outcome]:
        if step == "a":
            raise UnavailableError("the disk is full")
        return commit(step, *rest)

    world.store.commit = full  # type: ignore[method-assign]

    def waits(batch: Batch) -> Result:
        batch.result.done(batch.ids[0])
        assert world.stopping.wait(5)
        return batch.result

    with pytest.raises(UnavailableError, match="disk is full"):
        world.run({"people": people, "a": waits}, size=10)
    assert world.stopping.is_set()


def test_an_executor_may_return_a_result_of_its_own(world: World) -> None:
    def own(batch: Batch) -> Result:
        batch.result.done(batch.ids[0])
        return Result([Outcome(number, ok=True) for number in batch.ids[1:]])

    world.run({"people": people, "a": own}, size=10)
    assert world.store.counts()["a"] == (10, 0)


def test_accounts_that_this_run_has_just_made_are_known_to_the_steps_behind(world: World) -> None:
    fresh: list[int] = []

    def makes(batch: Batch) -> Result:
        for number in batch.ids:
            batch.result.found(number, number.to_bytes(20, "big"))
        return batch.result

    def notes(batch: Batch) -> Result:
        fresh.extend(batch.fresh)
        return ok(batch)

    world.run({"people": people, "a": makes}, size=10)
    world.run({"people": people, "a": makes, "b": notes}, size=20)
    assert sorted(fresh) == list(range(10, 20))


def test_people_are_read_again_only_after_they_have_changed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once before they have accounts, and once for all the steps behind, of a batch that is open."""
    read: list[int] = []
    stored = world.store.people

    def counted(first: int, stop: int) -> list[Person]:
        read.append(first)
        return stored(first, stop)

    monkeypatch.setattr(world.store, "people", counted)
    accounts: list[bytes | None] = []

    def makes(batch: Batch) -> Result:
        for number in batch.ids:
            batch.result.found(number, number.to_bytes(20, "big"))
        return batch.result

    def notes(batch: Batch) -> Result:
        accounts.extend(one.address for one in batch.people)
        return ok(batch)

    world.run({"people": people, "a": makes, "b": notes, "c": notes, "d": notes}, size=20)
    assert sorted(read) == [0, 0, 10, 10]
    assert Counter(accounts) == {number.to_bytes(20, "big"): 3 for number in range(20)}


def test_what_was_read_back_after_writing_is_remembered_for_the_checks(world: World) -> None:
    def writes(batch: Batch) -> Result:
        for number in batch.ids:
            batch.result.done(number, "written", read_back=number % 2 == 0)
        return batch.result

    world.run({"people": people, "a": writes}, size=10)
    assert [number for number in range(10) if number in world.read_back.of("a")] == [0, 2, 4, 6, 8]
    assert len(world.read_back.of("people")) == 0


def test_a_step_that_is_not_done_in_its_time_stops_the_run_with_all_that_was_done(world: World) -> None:
    """Its time is over when it is done for everybody, so the first step, which has less time, stops nothing."""

    def slow(batch: Batch) -> Result:
        result = Result(all_ok(batch)[:3])
        batch.result.include(result)
        pause(60, world.stopping)
        return result

    deadlines = Deadlines(None, {"people": 0.2, "slow": 0.6}, world.stopping)
    with deadlines.watching(), pytest.raises(DeadlineError) as caught, deadlines.told(lambda: world.progress):
        world.run({"people": people, "slow": slow}, deadlines=deadlines)
    assert caught.value.step == "slow"
    assert "15 of 50 people are done in it; waited for this machine's own work (slow, 35 people" in caught.value.message
    assert world.store.counts() == {"people": (50, 0), "slow": (15, 0)}


def test_a_run_that_goes_on_looks_at_many_batches_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 50 batches that are through it asks no step; one person in the middle, and those at the end, are found."""
    world.run({"population": people, "accounts": ok}, size=500)
    world.store.commit("accounts", [Outcome(237, ok=False)])
    looked: list[int] = []
    done = Store.done
    monkeypatch.setattr(
        Store, "done", lambda self, step, first, stop: looked.append(first) or done(self, step, first, stop)
    )
    world.run({"population": people, "accounts": ok}, size=505)
    assert world.store.counts() == {"population": (505, 0), "accounts": (505, 0)}
    assert set(looked) == {230, 500}


def test_deadlines_know_that_batches_were_through_before(world: World) -> None:
    ended: list[str] = []
    world.run({"population": people, "accounts": ok}, size=30)
    deadlines = Deadlines(None, {}, world.stopping)
    deadlines.ended = ended.append  # type: ignore[method-assign]
    world.run({"population": people, "accounts": ok}, size=30, deadlines=deadlines)
    assert ended == ["population", "accounts"]


@pytest.mark.parametrize(
    ("over_at", "order"), [(50, [20, 30, 40, 0, 10]), (30, [20, 0, 10, 30, 40]), (0, [0, 10, 20, 30, 40])]
)
def test_people_of_whom_the_state_has_something_do_not_hold_up_others_while_it_is_inspected(
    world: World, monkeypatch: pytest.MonkeyPatch, over_at: int, order: list[int]
) -> None:
    """``over_at``: the inspection is over when the batch with this person is looked at."""
    looked_at, began = [-1], []

    def awaits_check(people: range | None = None) -> bool:
        looked_at.extend([people.start] if people else [])
        return looked_at[-1] < over_at and (people is None or people.start < 20)

    def noting(batch: Batch) -> Result:
        began.append(batch.ids[0])
        return people(batch)

    world.run({"people": lambda batch: Result([Outcome(number, ok=False) for number in batch.ids])}, 20)
    monkeypatch.setattr(world.store, "awaits_check", awaits_check)
    world.run({"people": noting})
    assert began == order
    assert world.store.counts()["people"] == (50, 0)
