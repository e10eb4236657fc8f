"""Holds all of an open state against itself: its structure, its indexes, and every row against its digest.

For a big state that takes a minute. So it is done beside the run, by a process of its own, which reads the rows a page at a
time. Until it has ended, three things keep the run from doing harm with what is damaged:

- Each row that is read whole is held against its digest, as always; so is each row before it is changed or deleted, since
  it would get a new digest then (``guard``).
- That nothing was sent for a person is believed only of people of whom no table has anything (``Tables.await_check``).
- Damage that is found ends every later use of the state, and nothing is concluded before the end.
"""

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cicscenario.errors import InterruptedRunError, StateRefusedError, UnavailableError
from cicscenario.jsontext import parse_json
from cicscenario.printable import say
from cicscenario.shell import kept
from cicscenario.state.database import connect, damaged, repair_hint, sqlite_errors
from cicscenario.state.integrity import COLUMNS, Damage, check_structure, first_damage, is_sound, named

SMALL = 16 * 2**20  #: bytes of a state that is inspected at once: that of some 5,000 people
PATIENCE = 1.5  #: seconds to wait for the inspection of a bigger one before the run goes on
_POLL = 0.2  # seconds between tests of ``stopping``
COMMAND = (sys.executable, "-m", "cicscenario.state.inspection")  #: the process; it gets the path
_AGAIN = "was its process killed, or is memory or the disk full? Run the same command again"
_GUARDED = "held_{table}_before_{change}"


@dataclass(frozen=True)
class InspectBeside:
    """How a state is inspected beside its use. Waits for the end of that end when ``stopping`` is set."""

    stopping: threading.Event
    small: int = field(default_factory=lambda: SMALL)  #: bytes
    patience: float = field(default_factory=lambda: PATIENCE)  #: seconds


class Inspection:
    """The inspection of the state in ``path`` by a process of its own, from its start on."""

    def __init__(self, path: Path, beside: InspectBeside) -> None:
        self._path = path
        self._beside = beside
        self._ended = threading.Event()
        self._error: StateRefusedError | UnavailableError | None = None
        command = [*COMMAND, str(path.absolute())]
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        # In a session of its own: ^C is for the run alone, which ends the process when it ends.
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=nowhere, env=kept(), text=True, start_new_session=True
        )
        self._reader = threading.Thread(target=self._read, name="inspection", daemon=True)
        self._reader.start()
        self._ended.wait(beside.patience)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and has found no damage. Raises StateRefusedError when it has found some."""
        if self._error:
            raise self._error
        return self._ended.is_set()

    def found(self, damage: Damage) -> None:
        """Damage was met on the way, before the inspection came to it."""
        self._error = damaged(self._path, damage)
        self._ended.set()

    def wait(self, *, stoppable: bool = True) -> None:
        """Waits for the end. Raises StateRefusedError for damage, and UnavailableError when the process was ended from outside.

        Raises InterruptedRunError when the run is to stop, unless it is not ``stoppable``.
        """
        while not self._ended.wait(_POLL):
            if stoppable and self._beside.stopping.is_set():
                raise InterruptedRunError("stopped while the state was inspected; everything done so far is saved")
        if self._error:
            raise self._error

    def close(self) -> None:
        """Ends the process, if it has not ended, and waits for it: the state must be closed by the run last."""
        self._process.kill()
        self._reader.join()
        assert self._process.stdin
        self._process.stdin.close()

    def _read(self) -> None:
        assert self._process.stdout
        with closing(self._process.stdout) as answer:
            text = answer.read()
        code = self._process.wait()
        if code == 0 and text:
            found = parse_json(text)
            if found["damage"]:
                self._error = self._error or StateRefusedError(found["damage"], hint=repair_hint(self._path))
            elif found["unavailable"]:
                self._error = self._error or UnavailableError(found["unavailable"], hint=_AGAIN)
        elif not self._ended.is_set():
            self._error = UnavailableError(
                f"the inspection of {self._path} ended before its end, with exit code {code}: nothing is known to be damaged",
                hint=_AGAIN,
            )
        self._ended.set()


def guard(db: sqlite3.Connection, found: Callable[[Damage], None]) -> None:
    """Holds each row against its digest before this connection changes or deletes it. Calls ``found`` with one that is damaged.

    The triggers are of this connection only: the state's tables stay as they are.
    """

    def hold(table: str, *row: Any) -> int:
        if not is_sound(table, row):
            found(named(table, row))
            raise ValueError(table)  # it ends the statement
        return 0

    db.create_function("hold_row", -1, hold)
    db.execute("PRAGMA recursive_triggers=ON")  # else a row that is replaced is deleted without its trigger
    for table, columns in COLUMNS.items():
        values = ", ".join(f"OLD.{column}" for column in (*columns, "digest"))
        for change in ("update", "delete"):
            db.execute(
                f"CREATE TEMP TRIGGER {_GUARDED.format(table=table, change=change)} BEFORE {change} ON main.{table}"
                f" WHEN hold_row('{table}', {values}) BEGIN SELECT 1; END"
            )


def unguard(db: sqlite3.Connection) -> None:
    """Ends what ``guard`` began."""
    for table in COLUMNS:
        for change in ("update", "delete"):
            db.execute(f"DROP TRIGGER IF EXISTS temp.{_GUARDED.format(table=table, change=change)}")


def main(path: Path) -> None:
    """Inspects the state in ``path``, and writes the message about its first damage to the standard output, as JSON.

    It is under another name when the state could not be read: nothing is known to be damaged then.
    """
    found: dict[str, str | None] = {"damage": None, "unavailable": None}
    try:
        with sqlite_errors(path), closing(connect(path)) as db:
            db.execute("PRAGMA query_only=ON")
            check_structure(db)
            if damage := first_damage(db):
                raise sqlite3.DatabaseError(str(damage))
    except (StateRefusedError, UnavailableError) as error:
        found["damage" if isinstance(error, StateRefusedError) else "unavailable"] = error.message
    say(json.dumps(found))


def _end_with_starter() -> None:
    """Ends the process as soon as the one that has started it is gone."""
    import os

    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, daemon=True).start()
    main(Path(sys.argv[1]))
