"""Entries by pointer, in a SQLite file.

A write is passed to the operating system before the client gets its answer, so a killed server loses no confirmed write.
It is not synced to the disk, so a power cut may lose the last writes.
"""

import fcntl
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from cicscenario.errors import StateRefusedError
from cicscenario.files import open_in_place

FILE_NAME = "meta.sqlite"
_LOCK_NAME = "meta.sqlite.lock"
SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    pointer TEXT PRIMARY KEY,
    immutable INTEGER NOT NULL, -- 1 for bytes under their own hash, 0 for a document
    content BLOB NOT NULL,      -- bytes of an immutable entry, or payload of a document
    value TEXT,                 -- a document's data as JSON; NULL when it has none
    mime TEXT                   -- of an immutable entry
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An immutable entry's bytes, or a document's payload and its data as JSON."""

    immutable: bool
    content: bytes
    value: str | None = None
    mime: str | None = None


class EntryStore:
    """The open, locked file. Raises StateRefusedError when another process uses it, or when it is damaged."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.fdopen(open_in_place(folder / _LOCK_NAME), "wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise StateRefusedError(
                f"{folder} is in use by another metadata server", hint="Stop that server, or choose another --data."
            ) from None
        path = folder / FILE_NAME
        self._database = sqlite3.connect(path, isolation_level=None)
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(SCHEMA)
            self._database.execute("SELECT pointer, immutable, content, value, mime FROM entries LIMIT 1")
        except sqlite3.DatabaseError as error:
            self.close()
            raise StateRefusedError(
                f"{path}: not a metadata server's file: {error}", hint="Move it away, or choose another --data."
            ) from None

    def get(self, pointer: str) -> StoredEntry | None:
        row = self._database.execute(
            "SELECT immutable, content, value, mime FROM entries WHERE pointer = ?", (pointer,)
        ).fetchone()
        return row and StoredEntry(bool(row[0]), *row[1:])

    def put_document(self, pointer: str, payload: str, value: str | None) -> None:
        """Writes a document. As in the real server, an immutable entry stays immutable, and the payload becomes its bytes."""
        self._database.execute(
            "INSERT INTO entries (pointer, immutable, content, value) VALUES (?, 0, ?, ?)"
            " ON CONFLICT (pointer) DO UPDATE SET content = excluded.content, value = excluded.value",
            (pointer, payload.encode(), value),
        )

    def put_immutable(self, pointer: str, content: bytes, mime: str) -> None:
        """Writes a new immutable entry."""
        self._database.execute(
            "INSERT INTO entries (pointer, immutable, content, mime) VALUES (?, 1, ?, ?)", (pointer, content, mime)
        )

    def close(self) -> None:
        self._database.close()
        self._lock.close()
