"""The file of a state: created atomically, renamed when it is damaged, and never deleted."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cicscenario.errors import StateRefusedError, UnavailableError
from cicscenario.state.migrations import SCHEMA_VERSION

_SCHEMA = Path(__file__).with_name("schema.sql")


def create(path: Path) -> None:
    """Creates an empty state under a temporary name first, so that ``path`` is complete as soon as it exists."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    db = sqlite3.connect(temporary, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.executescript(f"BEGIN;{_SCHEMA.read_text('utf-8')};PRAGMA user_version={SCHEMA_VERSION};COMMIT;")
    db.close()
    temporary.rename(path)


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
            part.rename(kept.with_name(kept.name + suffix))
    return StateRefusedError(
        f"{path} is damaged ({error}); it was set aside as {kept.name}, nothing was deleted",
        hint="restore a copy of the state to resume: what was sent since then is looked up on the chain, and nobody is paid"
        " twice. Do not use --fresh: it makes and pays all people again",
    )
