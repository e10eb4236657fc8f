"""The file of a state: made whole, set aside when it is damaged, and never deleted."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cicscenario.errors import StateRefusedError, UnavailableError
from cicscenario.state.migrations import SCHEMA_VERSION

_SCHEMA = Path(__file__).with_name("schema.sql")


def create(path: Path) -> None:
    """Makes an empty state under a passing name, so that a file called ``path`` is always a whole one."""
    passing = path.with_name(f".{path.name}.new")
    passing.unlink(missing_ok=True)
    db = sqlite3.connect(passing, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.executescript(f"BEGIN;{_SCHEMA.read_text('utf-8')};PRAGMA user_version={SCHEMA_VERSION};COMMIT;")
    db.close()
    passing.rename(path)


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Makes a message of what the disk, or another program, does not let SQLite do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise UnavailableError(
            f"cannot use {path}: {error}",
            hint="is the disk full, is the file open in another program, and may you write to it? Nothing is lost by this",
        ) from error
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # the base class itself stands for a damaged file
            raise
        raise damaged(path, error, set_aside=False) from error


def damaged(path: Path, error: Exception, *, set_aside: bool) -> StateRefusedError:
    if not set_aside:
        return StateRefusedError(
            f"{path} is damaged ({error})",
            hint="restore a copy of it; the next `cicscenario run` sets this one aside, and nothing is deleted",
        )
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    kept = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(kept.with_name(kept.name + suffix))
    return StateRefusedError(
        f"{path} is damaged ({error}); it was set aside as {kept.name}, nothing was deleted",
        hint="restore a copy of the state to resume; on the chain each person may already have been paid",
    )
