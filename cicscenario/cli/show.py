"""``cicscenario show``: shows what a run holds about its people, from its state only."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from cicscenario.api import workspace
from cicscenario.capabilities.pinsource import PinSource
from cicscenario.engine.identity import compare, pins_of_run
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.files import OWNER_ONLY, replacing
from cicscenario.plan.compile import compile_plan
from cicscenario.printable import cell, say
from cicscenario.state.directory import store_of_a_run
from cicscenario.state.store import Store
from cicscenario.steps import pins as pins_step
from cicscenario.vocabulary import load_scenario
from cicscenario.wording import counted

_HEAD = ("phone", "name", "PIN in clear")
_WARNING = "these are PINs in clear: whoever has them can use the accounts. Keep them out of logs and repositories."


def pins(path: Path, overrides: Sequence[str], directory: Path | None, out: Path | None) -> ExitCode:
    """Shows the PIN of everybody whose PIN the run has set, as CSV: on stdout, or in the file ``out`` with mode 0600.

    A PIN follows from the scenario's seed or its list, or is in the table of people; no file of the run has it.

    Raises InvalidError when the scenario sets no PINs, brings hashes of them, or has not been run, and StateRefusedError when
    the state is that of another scenario.
    """
    scenario = load_scenario(path, overrides)
    if scenario.pins is None:
        raise InvalidError(f"{path} sets no PINs", hint="add `pins` to the scenario, and run it")
    if scenario.pins.source is not None:
        raise InvalidError(
            f"{path} brings hashes of PINs from {scenario.pins.source}: nobody can tell the PINs from them",
            hint="who made the hashes may have the PINs",
        )
    store = store_of_a_run(workspace.run_directory(scenario, directory), path)
    try:
        compare(store, compile_plan(scenario, store), None, people=False)  # another seed would show other PINs
        number = _write(_rows(pins_of_run(scenario, store), store), out)
        total = store.population()
    finally:
        store.close()
    where = f" in {out}" if out else ""
    say(
        f"{number:,} of {counted(total, 'person')} have a PIN that this run has set{where}; {_WARNING}",
        stream=sys.stderr,
    )
    say("A person who has changed their PIN since has another one.", stream=sys.stderr)
    return ExitCode.OK


def _rows(source: PinSource, store: Store) -> Iterator[tuple[str, str, str]]:
    for people in store.pages(through=pins_step.STEP.name):
        yield from ((person.phone, cell(person.name), source.pin(person) or "") for person in people)


def _write(rows: Iterable[tuple[str, str, str]], out: Path | None) -> int:
    """Writes the rows below a head; returns their number."""
    if out is None:
        return _write_to(sys.stdout, rows)
    with replacing(out, mode=OWNER_ONLY) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        number = _write_to(text, rows)
        text.flush()
        text.detach()
    return number


def _write_to(stream: TextIO, rows: Iterable[tuple[str, str, str]]) -> int:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_HEAD)
    number = 0
    for row in rows:
        writer.writerow(row)
        number += 1
    return number
