"""The file of a state: created atomically, renamed when it is damaged, and never deleted."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cicscenario.boundaries import Boundary
from cicscenario.errors import StateRefusedError, UnavailableError
from cicscenario.state.migrations import SCHEMA_VERSION

_MAKE = Boundary("state.make")  # an empty state under a temporary name
_PLACE = Boundary("state.place")  # it gets its name
_SET_ASIDE = Boundary("state.set_aside")  # a damaged state is renamed, a file at a time
_SCHEMA = Path(__file__).with_name("schema.sql")


def create(path: Path) -> None:
    """Creates an empty state. ``path`` is complete and on the disk as soon as it exists; a failure leaves no file.

    It is made under another name with a rollback journal, since then one file has all of it: without its write-ahead log a
    state would be empty. Every step is checked, so a full disk is noticed before the rename. Raises sqlite3.Error or OSError.
    """
    temporary = path.with_name(f".{path.name}.new")
    _delete(temporary)  # of a process that was killed here
    try:
        with _MAKE:
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            with closing(sqlite3.connect(temporary, isolation_level=None)) as db:
                db.execute("PRAGMA synchronous=FULL")
                db.executescript(f"BEGIN;{_SCHEMA.read_text('utf-8')};PRAGMA user_version={SCHEMA_VERSION};COMMIT;")
            flush(temporary)
        with _PLACE:
            temporary.rename(path)
            flush(path.parent)
    except BaseException:
        _delete(temporary)
        raise


def _delete(temporary: Path) -> None:
    for suffix in ("", "-journal"):
        temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into errors with advice: UnavailableError, and StateRefusedError for a damaged file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise UnavailableError(
            f"cannot use {path}: {error}",
            hint="is the disk full, is the file open in another program, and may you write to it? Nothing was lost",
        ) from error
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise  # a fault of ours
        if type(error) is not sqlite3.DatabaseError:  # SQLite raises the base class itself for a damaged file
            raise UnavailableError(f"cannot use {path}: {error}", hint="is it a file of cicscenario?") from error
        raise damaged(path, error, set_aside=False) from error


def damaged(path: Path, error: Exception, *, set_aside: bool) -> StateRefusedError:
    """The error for a damaged state; ``set_aside`` renames the file first."""
    if not set_aside:
        return StateRefusedError(
            f"{path} is damaged ({error})",
            hint="restore a copy of it: what was sent since then is looked up on the chain, and nobody is paid twice. The next"
            " `cicscenario run` renames this one, and nothing is deleted",
        )
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    kept = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            with _SET_ASIDE:
                part.rename(kept.with_name(kept.name + suffix))
    return StateRefusedError(
        f"{path} is damaged ({error}); it was set aside as {kept.name}, nothing was deleted",
        hint="restore a copy of the state to resume: what was sent since then is looked up on the chain, and nobody is paid"
        " twice. Do not use --fresh: it makes and pays all people again",
    )
