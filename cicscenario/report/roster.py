"""Writes ``people.json``: the people that a report shows, of bounded number. Those with problems come first."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from cicscenario.engine.conclude import RunEnd
from cicscenario.engine.records import read_record
from cicscenario.files import write_whole
from cicscenario.people.person import Person, checksum
from cicscenario.printable import foreign, json_text
from cicscenario.state.store import Store

PEOPLE = "people.json"
WITH_PROBLEMS = 3000  #: people with problems who are shown
FIRST = 2000  #: other people who are shown: the first ones


def read_roster(directory: Path) -> dict[str, Any] | None:
    """The people of a report; None when the directory has none. Raises InvalidError when the file is damaged."""
    try:
        return read_record(directory / PEOPLE, "people-v1", "remove it: the next run or verification writes another")
    except FileNotFoundError:  # of an older version
        return None


def write_roster(end: RunEnd, also: Collection[int] = ()) -> None:
    """Writes the people to the run directory. For ``also`` see ``roster``."""
    write_whole(end.directory / PEOPLE, json_text(roster(end, also), separators=(",", ":")) + "\n")


def roster(end: RunEnd, also: Collection[int] = ()) -> dict[str, Any]:
    """The content of ``people.json``; ``schemas/people-v1.json`` defines its shape. Reads only the people who are shown.

    ``also`` are people whom the report names elsewhere.
    """
    problems = _problems(end)
    shown = sorted({*problems, *range(min(FIRST, end.plan.size)), *also})
    steps = [step.name for step in end.plan.steps]
    rows = [_row(who, person, problems.get(who, []), left) for who, person, left in _people(end.store, shown, steps)]
    return {
        "steps": steps,
        "with_problems": end.problems.people,
        "all_problems": end.problems.people <= len(problems),
        "people": sorted(rows, key=lambda row: not row["problems"]),
    }


def _problems(end: RunEnd) -> dict[int, list[str]]:
    """Everything that failed, by person: of the first people for whom anything did."""
    found: dict[int, list[str]] = {}
    for failure in end.store.failed([check.name for check in end.plan.checks]):
        if failure.person not in found and len(found) == WITH_PROBLEMS:
            break  # they come in the order of people
        found.setdefault(failure.person, []).append(f"{failure.name}: {failure.reason}")
    return found


def _people(store: Store, shown: list[int], steps: list[str]) -> Iterator[tuple[int, Person | None, list[int]]]:
    """Each person to show, in order, with the indexes of the steps that are not done; None for who has not been made."""
    for first, stop in _ranges(shown):
        held = {person.id: person for person in store.people(first, stop)}
        done = [store.done(step, first, stop) for step in steps]
        for who in range(first, stop):
            yield who, held.get(who), [number for number, people in enumerate(done) if who not in people]


def _ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Ascending numbers as ranges, each of at most a thousand."""
    left = iter(numbers)
    run = list(islice(left, 1))
    for number in left:
        if number != run[-1] + 1 or len(run) == 1000:
            yield run[0], run[-1] + 1
            run = []
        run.append(number)
    if run:
        yield run[0], run[-1] + 1


def _row(who: int, person: Person | None, problems: list[str], left: list[int]) -> dict[str, Any]:
    row: dict[str, Any] = {"id": who, "problems": [foreign(problem) for problem in problems], "left": left}
    if person:
        row |= {"name": person.name, "phone": person.phone, "gift": person.gift}
        row |= {"account": checksum(person.address)} if person.address else {}
    return row
