"""The file of a state: created atomically, and never deleted."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from cicscenario.boundaries import Boundary
from cicscenario.errors import StateRefusedError, UnavailableError
from cicscenario.invocation import going_on
from cicscenario.state.integrity import row_digest
from cicscenario.state.migrations import SCHEMA_VERSION

_MAKE = Boundary("state.make")  # an empty state under a temporary name
_PLACE = Boundary("state.place")  # it gets its name
SCHEMA = Path(__file__).with_name("schema.sql").read_text("utf-8")  #: the tables of ``SCHEMA_VERSION``


def create(path: Path) -> None:
    """Creates an empty state. ``path`` is complete and on the disk as soon as it exists; a failure leaves no file.

    It is made under another name with a rollback journal, since then one file has all of it: without its write-ahead log a
    state would be empty. Every step is checked, so a full disk is noticed before the rename. Raises sqlite3.Error or OSError.
    """
    temporary = path.with_name(f".{path.name}.new")
    delete_temporary(temporary)  # of a process that was killed here
    try:
        with _MAKE:
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            with closing(connect(temporary)) as db:
                db.execute("PRAGMA synchronous=FULL")
                db.executescript(f"BEGIN;{SCHEMA};PRAGMA user_version={SCHEMA_VERSION};COMMIT;")
            flush(temporary)
        with _PLACE:
            temporary.rename(path)
            flush(path.parent)
    except BaseException:
        delete_temporary(temporary)
        raise


def delete_temporary(temporary: Path) -> None:
    """Deletes a state that has not got its name yet, with all that SQLite may have left beside it."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def connect(path: Path) -> sqlite3.Connection:
    """Opens a state for all threads, with the function that SQLite needs to write a row."""
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    db.create_function("row_digest", -1, row_digest, deterministic=True)
    return db


def no_link(path: Path) -> Path:
    """Returns ``path``. Raises StateRefusedError when a state's file, or one that SQLite keeps beside it, is a symbolic link.

    SQLite would follow the link, also into a file of somebody else; and one that leads nowhere, such as to a disk that is not
    there now, is not a run that has yet to begin.
    """
    for suffix in ("", "-wal", "-shm", "-journal"):
        part = path.with_name(path.name + suffix)
        if part.is_symlink():
            raise StateRefusedError(
                f"{part} is a symbolic link: expected the state itself",
                hint="put the file there; the run directory as a whole may be a link",
            )
    return path


class sqlite_errors:  # noqa: N801 -- of a ``with`` statement; a generator takes twice as long, and each statement enters one
    """Turns SQLite's errors into errors with advice: UnavailableError, and StateRefusedError for a damaged file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        if error is not None and (advice := _advice(self._path, error)):
            raise advice from error


#: In SQLite's words: a table is not as it was made. All statements are ours, so its definition was changed since.
_LACKING = ("no such column", "no such table", "has no column named")


def _advice(path: Path, error: BaseException) -> UnavailableError | StateRefusedError | None:
    """What is raised instead of an error of SQLite; None for any other, and for a fault of ours."""
    if isinstance(error, UnicodeDecodeError):  # in the text of SQLite's error, which quotes a definition
        return damaged(path, "the definition of its tables cannot be read")
    if isinstance(error, sqlite3.OperationalError):
        if "UTF-8" in str(error):  # the only one that tells of what is in a row
            return damaged(path, error)
        if any(words in str(error) for words in _LACKING):
            return damaged(path, error)
        return UnavailableError(f"cannot use {path}: {error}", hint=_why_not(path))
    if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
        return None
    if type(error) is sqlite3.DatabaseError:  # SQLite raises the base class itself for a damaged file
        return damaged(path, error)
    if isinstance(error, sqlite3.DatabaseError):
        return UnavailableError(f"cannot use {path}: {error}", hint="is it a file of cicscenario?")
    return None


def _why_not(path: Path) -> str:
    """What to do about a state that cannot be used."""
    if path.is_dir():
        return "a folder is in the place of the state: move it away. Nothing was lost"
    if path.exists() and not all(os.access(place, os.W_OK) for place in (path, path.parent)):
        return f"the state and its folder have to be writable: chmod u+w {path.parent} {path}. Nothing was lost"
    return "is the disk full, is the file open in another program, and may you write to it? Nothing was lost"


def damaged(path: Path, reason: object) -> StateRefusedError:
    """The error for a damaged state, which stays as it is. ``reason`` may quote what is in the file."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(str(reason).split()))
    return StateRefusedError(f"{path} is damaged ({line:.300})", hint=repair_hint(path))


def repair_hint(path: Path) -> str:
    """What to do about a damaged state."""
    return f"{going_on('state repair', scenario=path.parent)} (it keeps the damaged file, and pays nobody again)"
