"""Everybody who failed anything: the problems that reports show, and ``failing.csv``, which has all of these people."""

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from cicscenario.boundaries import Boundary
from cicscenario.chain.abi import to_hex
from cicscenario.engine.causes import Causes, Grouping, by_person
from cicscenario.engine.problems import Problems
from cicscenario.files import OWNER_ONLY, replacing
from cicscenario.people.person import Person
from cicscenario.plan.compile import Plan
from cicscenario.printable import cell, foreign
from cicscenario.state.rows import Failure, Made
from cicscenario.state.store import Store

FAILING = "failing.csv"  #: file of the run directory
HEAD = ("index", "name", "phone", "address", "step or check", "reason")
_WRITE = Boundary("failing.write")
_REMOVE = Boundary("failing.remove")  # nobody fails any more
_E164 = re.compile(r"\+[0-9]+")  # no formula, though it begins with +
_PAGE = 500  # people whose rows are read at a time


def problems_of(plan: Plan, store: Store) -> Problems:
    """The problems of a run, as far as its steps and checks have come. Reads only what failed, a page at a time."""
    grouping = Grouping(Causes(plan))
    for failures in by_person(_failures(plan, store)):
        grouping.add(failures)
    names = {number: foreign(person.name, 80) for number, person in store.people_of(grouping.named).items()}
    return grouping.result(names, {step.name: step.step.lacking for step in plan.steps})


def write_failing(plan: Plan, store: Store, directory: Path) -> int:
    """Writes ``failing.csv``, readable by its owner only, and gives the number of people in it. Deletes it when nobody fails.

    A check that was not made for a person because a step failed is left out. Raises OSError.
    """
    path = directory / FAILING
    people = by_person(_failures(plan, store))
    first = next(people, None)
    if first is None:
        if os.path.lexists(path):
            with _REMOVE, suppress(FileNotFoundError):
                path.unlink()
        return 0
    number, causes = 0, Causes(plan)
    with _WRITE, replacing(path, mode=OWNER_ONLY) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(HEAD)
        for page in _pages(_with_first(first, people)):
            known = store.people_of([failures[0].person for failures in page])
            for failures in page:
                number += 1
                writer.writerows(_rows(failures, known.get(failures[0].person), causes))
        text.flush()
        text.detach()
    return number


def _failures(plan: Plan, store: Store) -> Iterator[Failure]:
    return store.failed([check.name for check in plan.checks])


def _with_first(first: list[Failure], more: Iterable[list[Failure]]) -> Iterator[list[Failure]]:
    yield first
    yield from more


def _pages(people: Iterator[list[Failure]]) -> Iterator[list[list[Failure]]]:
    while page := list(islice(people, _PAGE)):
        yield page


def _rows(failures: Sequence[Failure], person: Person | None, causes: Causes) -> Iterator[tuple[object, ...]]:
    name, phone, address = "", "", ""
    if person is not None:
        name = cell(person.name)
        phone = person.phone if _E164.fullmatch(person.phone) else cell(person.phone)
        address = to_hex(person.address) if person.address else ""
    for root, follow in causes.of(failures):
        for one in (root, *(one for one in follow if one.made is not Made.NOT_MADE)):
            yield one.person, name, phone, address, cell(f"{one.what} {one.name}"), cell(one.reason)
