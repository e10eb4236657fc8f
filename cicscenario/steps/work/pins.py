"""Writes PIN hashes to the phone interface's account table, and ``pins.csv``."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from os import cpu_count
from pathlib import Path

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Executor, Result
from cicscenario.capabilities.labour import labour
from cicscenario.capabilities.pinsource import PinSource, pin_source
from cicscenario.errors import InvalidError
from cicscenario.legacy.accountfiles import PinRow, write_pins
from cicscenario.people.person import Person
from cicscenario.people.pins import PinHasher
from cicscenario.steps.work.account_table import report
from cicscenario.workers.kinds import HASHES

_HASHED_AT_ONCE = 2 * (cpu_count() or 1)  # people; keeps all processors busy, also when a hash takes a second
_WRITE_AFTER = 1.0  # seconds of hashing after which the hashes are written to the table


def executor(context: RunContext) -> Executor:
    """Writes the hashes about every second, while it makes further ones."""
    wanted = context.scenario.pins
    assert wanted is not None  # otherwise the plan does not have this step
    source = pin_source(context.scenario, context.population, context.hashes)
    if source.hashed is not None:
        return _brought(context, source.hashed)
    common = {"scheme": wanted.scheme, "cost": wanted.cost, "pepper": context.services.pepper}
    PinHasher(wanted.scheme, cost=wanted.cost, pepper=context.services.pepper)  # raises for a pepper that is none

    def run(batch: Batch) -> Result:
        rows: list[tuple[Person, str]] = []
        since = context.clock()
        at_once = len(batch.people) if context.workers else _HASHED_AT_ONCE
        for start in range(0, len(batch.people), at_once):
            known = _pins(batch.people[start : start + at_once], source, batch.result)
            people = list(known)
            for index, hashed in labour(context, batch.result, HASHES, common, list(known.values())):
                rows.append((people[index], hashed))
            if context.clock() - since >= _WRITE_AFTER:
                _write(context, rows, batch.result)
                rows, since = [], context.clock()
        if rows:
            _write(context, rows, batch.result)
        return batch.result

    return run


def _pins(people: Sequence[Person], source: PinSource, made: Result) -> dict[Person, str]:
    """The PINs of people; who has none any more fails."""
    found = {}
    for person in people:
        try:
            pin = source.pin(person)
        except InvalidError as error:  # the row has changed since the table was opened
            made.fail(person.id, error.message)
            continue
        assert pin is not None  # only hashes are known otherwise
        found[person] = pin
    return found


def _brought(context: RunContext, hashed: Callable[[Person], str | None]) -> Executor:
    """Writes the hashes that the scenario brings."""

    def run(batch: Batch) -> Result:
        rows = []
        for person in batch.people:
            if (found := hashed(person)) is None:
                batch.result.fail(person.id, f"there is no PIN hash of {person.phone} in the list")
            else:
                rows.append((person, found))
        if rows:
            _write(context, rows, batch.result)
        return batch.result

    return run


def _write(context: RunContext, rows: Sequence[tuple[Person, str]], made: Result) -> None:
    unknown = context.services.accounts.set_pins([(person.phone, hashed) for person, hashed in rows])
    report([person for person, _ in rows], unknown, made)


def write_file(context: RunContext, path: Path, pages: Iterable[Sequence[Person]]) -> None:
    """Writes ``pins.csv``. The hashes are read from the account table, because the state does not hold them."""

    def rows() -> Iterator[PinRow]:
        for people in pages:
            found = context.services.accounts.read(person.phone for person in people)
            for person in people:
                row = found.get(person.phone)
                if row and row.password_hash:
                    yield PinRow(person.phone, row.password_hash)

    write_pins(path, rows())
