"""The payments that were asked of services that hold the keys themselves, as the state has them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cicscenario.state import writes
from cicscenario.state.rows import PaymentRow
from cicscenario.state.tables import Tables

_COLUMNS = "id, number, person, status, hash, detail"


class PaymentTable(Tables):
    """The part of the state that has the requests for payments. What it does not have was never asked for, for certain."""

    def add_payments(self, rows: Iterable[PaymentRow]) -> None:
        """Commits requests, durably, before they are sent: otherwise a power cut could lead to a second payment."""
        values = [(r.id, r.number, r.person, r.status, r.hash, r.detail) for r in rows]
        with self._unique(), self._write(writes.PAYMENTS_ASKED, durable=True) as db:
            db.executemany(f"INSERT INTO payments ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", values)  # noqa: S608

    def answer_payments(self, rows: Iterable[PaymentRow]) -> None:
        """Writes what came of requests."""
        values = [(r.status, r.hash, r.detail, r.id) for r in rows]
        with self._write(writes.PAYMENTS_ANSWERED) as db:
            db.executemany("UPDATE payments SET status = ?, hash = ?, detail = ? WHERE id = ?", values)

    def payments(self, numbers: Sequence[int]) -> dict[int, list[PaymentRow]]:
        """The requests for each of these payments, in the order in which they were written."""
        return _by(lambda row: row.number, self._payments("number", numbers))

    def payments_by(self, people: Sequence[int]) -> dict[int, list[PaymentRow]]:
        """The requests for payments of each of these people, in the same order."""
        return _by(lambda row: row.person, self._payments("person", people))

    def open_payments(self) -> list[PaymentRow]:
        """The requests of which it is not known what came of them."""
        self.await_check()
        return [_row(row) for row in self._whole("payments", "WHERE status = 'asked' ORDER BY sequence")]

    def payments_done(self) -> set[int]:
        """The numbers of the payments that were carried out, or refused as they should be."""
        self.await_check()
        return {number for (number,) in self._rows("SELECT number FROM payments WHERE status IN ('paid', 'refused')")}

    def _payments(self, column: str, values: Sequence[int]) -> Iterator[PaymentRow]:
        self.await_check()
        marks = ",".join("?" * len(values))
        return map(_row, self._whole("payments", f"WHERE {column} IN ({marks}) ORDER BY sequence", values))


def _row(row: tuple[Any, ...]) -> PaymentRow:
    return PaymentRow(*(*row[1:], row[0]))


def _by(key: Any, rows: Iterable[PaymentRow]) -> dict[int, list[PaymentRow]]:
    found: dict[int, list[PaymentRow]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found
