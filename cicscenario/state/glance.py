"""Looks at a state without opening it as its run does: reads a few values, checks and changes nothing."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cicscenario.state.database import no_link, sqlite_errors


@dataclass(frozen=True)
class Glance:
    """The values that identify a state, as ``Store.meta`` gives them, and its number of people."""

    meta: dict[str, str]
    people: int


def glance(path: Path) -> Glance:
    """What the state in ``path`` says. Raises StateRefusedError when it is damaged, and UnavailableError when it is locked."""
    with sqlite_errors(no_link(path)), closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as db:
        meta = dict(db.execute("SELECT key, value FROM meta"))
        (people,) = db.execute("SELECT count(*) FROM people").fetchone()
    return Glance(meta, people)
