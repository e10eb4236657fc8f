"""Collects the bad records of a file or folder, so that one message and one file can tell all of them."""

import csv
import tempfile
import weakref
from pathlib import Path
from typing import Any

from cicscenario.errors import InvalidError
from cicscenario.files import replacing
from cicscenario.printable import cell
from cicscenario.wording import agreeing, counted

#: What to do about bad records of a scenario's people.
SKIP_HINT = "mend them, or set `population.on_bad_row: skip` to go on without these people"
_SHOWN = 20
_IN_MEMORY = 1_000_000  # bytes of rows, before they are kept on disk
_COLUMNS = ("file", "line", "reason")


class BadRecords:
    """Collects bad records: the first twenty for messages, all of them for ``rejected.csv``.

    ``people`` are the people who cannot be used because of one, by old address. ``fatal`` is whether a whole file or folder
    could not be read, so that nobody knows whom it is about: then it does not help to leave some people out.
    """

    def __init__(self) -> None:
        self.count = 0
        self.people: set[bytes] = set()
        self._rows_of_people = 0
        self.fatal = False
        self.first: list[str] = []
        self._rows = tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", newline="")  # noqa: SIM115
        weakref.finalize(self, self._rows.close)
        self._csv = csv.writer(self._rows, lineterminator="\n")
        self._csv.writerow(_COLUMNS)

    def add(
        self,
        file: Path,
        what: str,
        *,
        line: int | None = None,
        whose: bytes | None = None,
        fatal: bool = False,
        person: bool = False,
    ) -> None:
        """Adds a record. ``whose`` is the person who cannot be used because of it; None when it concerns nobody else.

        ``person``: the record is a whole person, about whom there is no other record; these are only counted.
        """
        self.count += 1
        self.fatal |= fatal
        self._rows_of_people += person
        if whose is not None:
            self.people.add(whose)
        what = what.encode("utf-8", "backslashreplace").decode()
        if len(self.first) < _SHOWN:
            self.first.append(f"{file}:{line}: {what}" if line else f"{file}: {what}")
        place = str(file).encode("utf-8", "backslashreplace").decode()
        self._csv.writerow((cell(place), line or "", cell(what)))

    @property
    def left_out(self) -> int:
        """The number of people who cannot be used."""
        return len(self.people) + self._rows_of_people

    def summary(self) -> str:
        """How many records cannot be used, and the first one, in one line."""
        left_out = f"{counted(self.left_out, 'person')} {agreeing(self.left_out, 'are')} left out"
        records = counted(self.count, "bad record")
        return f"{left_out}, {records} in the source; first, {self.first[0]}"

    def document(self) -> dict[str, Any]:
        """The number of people and records that cannot be used, and the first records, for reports."""
        return {"people": self.left_out, "records": self.count, "first": list(self.first)}

    @property
    def more(self) -> int:
        """The number of records that are not among the first ones."""
        return self.count - len(self.first)

    def write(self, path: Path) -> None:
        """Writes all records to a CSV file with a header. Raises OSError."""
        self._rows.seek(0)
        with replacing(path) as file:
            for part in iter(lambda: self._rows.read(65536), ""):
                file.write(part.encode())
        self._rows.seek(0, 2)

    def raise_any(self, what: str, *, hint: str | None = None) -> None:
        """Raises BadRecordsError, if there are any. ``what`` names the file or folder."""
        if self.count:
            raise BadRecordsError(self, what, hint)


class BadRecordsError(InvalidError):
    """A file or folder has bad records; ``records`` are all of them."""

    def __init__(self, records: BadRecords, what: str, hint: str | None) -> None:
        self.records = records
        more = f"\n  and {records.more:,} more" if records.more else ""
        lines = "".join(f"\n  {line}" for line in records.first)
        number = counted(records.count, "bad record")
        super().__init__(f"{what} has {number}:{lines}{more}", hint=hint)
