"""``cicscenario stack people``: the people of all runs in the home folder. Their PINs are not shown."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cicscenario.errors import CicScenarioError, ExitCode
from cicscenario.people.person import checksum
from cicscenario.printable import json_text, one_line, say
from cicscenario.state.directory import existing_store, run_folders
from cicscenario.state.store import STATE

_HEAD = ("name", "phone", "account", "run")
_WIDTHS = (26, 14, 42)  # characters; the last column has no end


class _Line(NamedTuple):
    name: str
    phone: str
    account: str | None
    run: str


def people(home: Path, *, as_json: bool) -> ExitCode:
    """Prints them, a run after the other, as a table or as a JSON array. Holds a page of people in memory at a time.

    A run whose state cannot be read is named on stderr; then the exit code is that of the first such error.
    """
    found = _People(home / "runs")
    if as_json:
        _print_json(iter(found))
    else:
        _print_table(iter(found), home)
    return found.code


class _People:
    """Iterated, it gives everybody; ``code`` then tells whether all runs could be read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.code = ExitCode.OK

    def __iter__(self) -> Iterator[_Line]:
        for name, place in run_folders(self._folder):
            if not (place / STATE).exists():
                continue
            try:
                yield from _of(place, name)
            except CicScenarioError as error:
                say(f"not shown: the people of {one_line(name)}: {error.message}", stream=sys.stderr)
                self.code = self.code or error.exit_code


def _of(place: Path, name: str) -> Iterator[_Line]:
    store = existing_store(place, rows=False)
    if store is None:
        return
    try:
        for person in store.all_people():
            account = checksum(person.address) if person.address else None
            yield _Line(person.name, person.phone, account, name)
    finally:
        store.close()


def _print_table(lines: Iterator[_Line], home: Path) -> None:
    first = next(lines, None)
    if first is None:
        say(f"no run in {one_line(str(home / 'runs'))} has people")
        return
    _print_row(_HEAD)
    _print_row(first)
    for line in lines:
        _print_row(line)


def _print_row(cells: tuple[str | None, ...]) -> None:
    *columns, last = (one_line(cell) if cell else "\N{EN DASH}" for cell in cells)
    say("  ".join([*(f"{cell:<{width}}" for cell, width in zip(columns, _WIDTHS, strict=True)), last]))


def _print_json(lines: Iterator[_Line]) -> None:
    between = "[\n"
    for line in lines:
        say(f"{between}  {json_text(line._asdict())}", end="")
        between = ",\n"
    say("[]" if between == "[\n" else "\n]")
