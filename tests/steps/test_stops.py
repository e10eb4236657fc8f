"""Every step stops between two people, and what it had done for the others counts."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from cicscenario.backends.work.eth import EthBackend
from cicscenario.backends.work.existing import ExistingBackend
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Executor, Result
from cicscenario.capabilities.sending import TransactionExecutor
from cicscenario.capabilities.waiting import Awaited, WaitExecutor
from cicscenario.chain.broadcast import Ticket
from cicscenario.chain.intent import Intent
from cicscenario.errors import InterruptedRunError
from cicscenario.people.person import Person
from cicscenario.state.rows import Outcome
from cicscenario.steps import keystore, pins, population
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written

_T = TypeVar("_T")
SIZE = 40
PEOPLE = [Person(n, "{}", f"+2547110{n:05}", "en", (), bytes(20), 1, bytes([1, n]) * 10) for n in range(SIZE)]


class Stopping(Sequence[_T]):
    """The run is stopped when the item at ``after`` is read."""

    def __init__(self, items: Sequence[_T], after: int, stop: threading.Event) -> None:
        self._items, self._after, self._stop = items, after, stop

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __iter__(self) -> Iterator[_T]:
        for number, item in enumerate(self._items):
            if number == self._after:
                self._stop.set()
            yield item


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stopping = threading.Event()
        self.services: Any = SimpleNamespace()
        self.people: Any = SimpleNamespace(
            person=lambda index: PEOPLE[index], account=lambda index: PEOPLE[index].account
        )
        self.opened: Any = None
        self.ledger: Any = None
        self.now = 0.0

    def context(self, **keys: str) -> RunContext:
        nothing: Any = None
        return RunContext(
            load_scenario(written(self.folder, **keys)),
            self.folder,
            self.people,
            self.services,
            nothing,
            self.stopping,
            ledger=self.ledger,
            opened=self.opened,
            clock=lambda: self.now,
        )

    def stopped_at(self, executor: Executor, after: int = 7) -> Result:
        """The result of a batch in which the run is stopped when person ``after`` begins."""
        batch = Batch(Stopping(range(SIZE), after, self.stopping), Stopping(PEOPLE, after, self.stopping))
        executor(batch)
        return batch.result


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def executor_of(step: Any, context: RunContext) -> Executor:
    part = step.part(context.scenario)
    assert part
    made: Executor = part.executor(context, step.name)
    return made


def _population(world: World) -> Executor:
    return executor_of(population.STEP, world.context())


def _eth(world: World) -> Executor:
    return EthBackend(world.context()).accounts


def _existing(world: World) -> Executor:
    return ExistingBackend(world.context()).accounts


def _keystore(world: World) -> Executor:
    world.opened = SimpleNamespace(private_key=lambda person: bytes([7]) * 32)
    return executor_of(keystore.STEP, world.context(backend="{kind: eth, keystore: {kdf: light}}"))


@pytest.mark.parametrize("step", [_population, _eth, _existing, _keystore])
def test_nobody_begins_after_the_stop(world: World, step: Callable[[World], Executor]) -> None:
    made = world.stopped_at(step(world))
    assert [(outcome.person, outcome.ok) for outcome in made.outcomes] == [(n, True) for n in range(7)]


def test_pins_that_were_written_count(world: World) -> None:
    """Hashes are written about once a second, and not when a hundred are made."""
    writes: list[int] = []

    def set_pins(rows: Sequence[tuple[str, str]]) -> list[str]:
        writes.append(len(rows))
        if len(writes) == 2:
            world.stopping.set()
        return []

    world.services = SimpleNamespace(accounts=SimpleNamespace(set_pins=set_pins), pepper=None)
    context = world.context(backend="cic_ussd", pins="{scheme: bcrypt, cost: 4}")
    executor = executor_of(pins.STEP, context)
    object.__setattr__(context, "clock", iter(range(10_000)).__next__)  # every hash takes a second
    batch = Batch(range(SIZE), PEOPLE)
    with pytest.raises(InterruptedRunError):
        executor(batch)
    assert len(writes) == 2
    assert len(batch.result.outcomes) == sum(writes) < SIZE


def test_transactions_that_ended_before_the_stop_count(world: World) -> None:
    ticket = Ticket([bytes([n]) for n in range(SIZE)], stopping=world.stopping)
    for n in range(5):
        ticket.end(bytes([n]), Outcome(n, ok=True))
    threading.Timer(0.3, world.stopping.set).start()
    world.ledger = SimpleNamespace(begin=lambda purpose, intents, gas: ticket)
    batch = Batch(range(SIZE), PEOPLE)
    with pytest.raises(InterruptedRunError):
        TransactionExecutor(world.context(), "gift", lambda context, person: Intent(person.id, bytes(20)))(batch)
    assert [outcome.person for outcome in batch.result.outcomes] == list(range(5))


def test_transactions_are_reported_one_by_one(world: World) -> None:
    ticket = Ticket([b"a", b"b"])
    each = ticket.each()
    ticket.end(b"a", Outcome(0, ok=True))
    assert next(each) == Outcome(0, ok=True)
    ticket.end(b"b", Outcome(1, ok=False, detail="reverted"))
    assert list(each) == [Outcome(1, ok=False, detail="reverted")]


def test_people_who_got_what_they_waited_for_count(world: World) -> None:
    def look(people: Sequence[Person]) -> list[bool]:
        if len(people) < SIZE:
            world.stopping.set()
        return [person.id < 6 for person in people]

    context = world.context(backend="{kind: cic_eth, patience: 30}")
    batch = Batch(range(SIZE), PEOPLE)
    WaitExecutor(context, Awaited(look, "is not there", "does it run?"))(batch)
    assert [outcome.person for outcome in batch.result.outcomes] == list(range(6))
