"""The requests to services that hold the keys themselves, as the state has them."""

from collections.abc import Iterable, Sequence

from cicscenario.state import writes
from cicscenario.state.rows import Orphans, RequestRow
from cicscenario.state.tables import Tables

_COLUMNS = "id, person, channel, status, address, detail"


class RequestTable(Tables):
    """The part of the state that has the requests."""

    def add_requests(self, rows: Iterable[RequestRow]) -> None:
        """Commits requests, durably, before they are sent: otherwise a power cut could lead to a second account."""
        values = [(r.id, r.person, r.channel, r.status, r.address, r.detail) for r in rows]
        with self._unique(), self._write(writes.REQUESTED, durable=True) as db:
            db.executemany(f"INSERT INTO requests ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", values)  # noqa: S608

    def requests(self, people: Sequence[int]) -> dict[int, list[RequestRow]]:
        """The requests for each of these people, in the order in which they were written; there are no others for certain."""
        self.await_check(people)
        found: dict[int, list[RequestRow]] = {}
        marks = ",".join("?" * len(people))
        for row in self._whole("requests", f"WHERE person IN ({marks}) ORDER BY sequence", people):
            found.setdefault(row[2], []).append(RequestRow(*(*row[1:], row[0])))
        return found

    def answer_requests(self, rows: Iterable[RequestRow]) -> None:
        """Writes the results of requests."""
        values = [(r.status, r.address, r.detail, r.id) for r in rows]
        with self._write(writes.ANSWERED) as db:
            db.executemany("UPDATE requests SET status = ?, address = ?, detail = ? WHERE id = ?", values)

    def last_request(self) -> int:
        """The sequence number of the last request; 0 when there is none."""
        last: int = self._rows("SELECT coalesce(max(sequence), 0) FROM requests")[0][0]
        return last

    def orphans(self) -> Orphans:
        """The accounts that were, or may have been, created for a person who uses another one."""
        sql = (
            "SELECT coalesce(sum(requests.address IS NOT NULL AND requests.address <> people.address), 0),"
            " coalesce(sum(status = 'asked' AND requests.address IS NULL), 0)"
            " FROM requests JOIN people ON people.id = person WHERE people.address IS NOT NULL"
        )
        certain, possible = self._rows(sql)[0]
        return Orphans(certain, possible)
