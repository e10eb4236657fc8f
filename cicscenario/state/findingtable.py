"""The results of checks, and everything that failed, as the state has them."""

import heapq
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cicscenario.jsontext import parse_json
from cicscenario.state import writes
from cicscenario.state.database import sqlite_errors
from cicscenario.state.rows import CheckRow, Failure, Made
from cicscenario.state.tables import PAGE, Tables

#: What a check finds until it ends. SQLite keeps it in a file of its own, which other processes neither see nor wait for.
_FOUND = "CREATE TEMP TABLE IF NOT EXISTS found (name TEXT, first INTEGER, failing TEXT, PRIMARY KEY (name, first))"

#: By person: the problem, and whether the check was made.
Findings = Mapping[int, tuple[str, Made]]


class FindingTable(Tables):
    """The part of the state that has the results of checks, with everybody who does not pass them, and the failures of steps."""

    def begin_findings(self, check: str) -> None:
        """Forgets what an earlier attempt of this process at a check found. What an earlier check found stays until this ends."""
        with self._mutex, sqlite_errors(self.path):
            self._db.execute(_FOUND)
            self._db.execute("DELETE FROM temp.found WHERE name = ?", (check,))

    def add_findings(self, check: str, first: int, findings: Findings) -> None:
        """Keeps the people from ``first`` on who do not pass a check; they count once ``record_checks`` has its result."""
        if findings:
            rows = [[person, problem, made.value] for person, (problem, made) in sorted(findings.items())]
            with self._mutex, sqlite_errors(self.path):
                self._db.execute(_FOUND)
                self._db.execute("INSERT INTO temp.found VALUES (?, ?, ?)", (check, first, json.dumps(rows)))

    def record_checks(self, checks: Iterable[CheckRow]) -> None:
        """Writes the results of checks, with the findings that were added for them; earlier ones of these checks are deleted."""
        now = self.now()
        rows = [(c.name, c.errors, c.total, c.allowed, json.dumps(c.failing), c.read_back, now) for c in checks]
        with self._write(writes.CHECKS) as db:
            db.executemany("INSERT OR REPLACE INTO checks VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            db.execute(_FOUND)
            for name, *_ in rows:
                _replace_findings(db, name)

    def forget_checks(self) -> None:
        with self._write(writes.CHECKS_FORGOTTEN) as db:
            db.execute("DELETE FROM checks")
            db.execute("DELETE FROM findings")

    def checks(self) -> dict[str, CheckRow]:
        rows = self._whole("checks")
        return {r[0]: CheckRow(r[0], r[1], r[2], r[3], parse_json(r[4]), r[5], at=r[6]) for r in rows}

    # --- everything that failed ---------------------------------------------------------------------------------

    def failed(self, checks: Sequence[str]) -> Iterator[Failure]:
        """All failures of steps, and of these checks, in the order of people; read a page at a time."""
        held = self.checks()
        streams = [self._failed_in(held[name]) for name in checks if name in held]
        return heapq.merge(self._failed_steps(), *streams, key=lambda one: one.person)

    def failures_of(self, person: int, checks: Sequence[str]) -> list[Failure]:
        """The failures of one person."""
        steps = self._whole("outcomes", "WHERE person = ? AND ok = 0", (person,))
        found = [_failure(*row) for row in steps]
        held = self.checks()
        for name in checks:
            if name in held:
                found += [one for one in self._page_with(held[name], person) if one.person == person]
        return found

    def knows_all(self, check: CheckRow) -> bool:
        """Whether everybody who does not pass a check is known: a state of an earlier version has only the first people."""
        if len(check.failing) == check.errors:
            return True
        return bool(self._rows("SELECT 1 FROM findings WHERE name = ? LIMIT 1", (check.name,)))

    def _failed_steps(self) -> Iterator[Failure]:
        last = -1
        while True:
            rows = self._whole("outcomes", f"WHERE ok = 0 AND person > ? ORDER BY person LIMIT {PAGE}", (last,))
            if len(rows) == PAGE:  # the last person may have more
                stop = rows[-1][1]
                rows = [row for row in rows if row[1] < stop] or self._whole(
                    "outcomes", "WHERE ok = 0 AND person = ?", (stop,)
                )
            if not rows:
                return
            yield from (_failure(*row) for row in rows)
            last = rows[-1][1]

    def _failed_in(self, check: CheckRow) -> Iterator[Failure]:
        last, any_found = -1, False
        while page := self._whole(
            "findings", "WHERE name = ? AND first > ? ORDER BY first LIMIT 1", (check.name, last)
        ):
            any_found = True
            yield from _findings(check, page[0][2])
            last = page[0][1]
        if not any_found:
            yield from _first_only(check)

    def _page_with(self, check: CheckRow, person: int) -> Iterator[Failure]:
        sql = "WHERE name = ? AND first <= ? ORDER BY first DESC LIMIT 1"
        pages = self._whole("findings", sql, (check.name, person))
        for _, _, failing in pages:
            yield from _findings(check, failing)
        if not pages:
            yield from _first_only(check)


def _replace_findings(db: sqlite3.Connection, check: str) -> None:
    db.execute("DELETE FROM findings WHERE name = ?", (check,))
    db.execute("INSERT INTO findings SELECT name, first, failing FROM temp.found WHERE name = ?", (check,))
    db.execute("DELETE FROM temp.found WHERE name = ?", (check,))


def _failure(step: str, person: int, ok: int, detail: str | None, at: int) -> Failure:
    return Failure(person, "step", step, detail or "failed", at=at)


def _first_only(check: CheckRow) -> Iterator[Failure]:
    """What there is of a check of an earlier version: the first people only."""
    for one in check.failing:
        yield Failure(int(one["person"]), "check", check.name, str(one["problem"]), at=check.at)


def _findings(check: CheckRow, text: str) -> Iterator[Failure]:
    for person, problem, made in parse_json(text):
        yield Failure(int(person), "check", check.name, str(problem), Made(made), check.at)
