"""Reads tables (CSV) as spreadsheets export them, a row at a time; a row can be found again by its place in the file.

Fields are separated by commas, semicolons or tabulators, which the header shows. Quoted fields may have line breaks. Source of
the quoting: RFC 4180; of the first line ``sep=;``: Microsoft Excel.
"""

import csv
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from cicscenario.errors import InvalidError
from cicscenario.language.columns import heading
from cicscenario.people.text import text_problem

LONGEST = 40_000  #: bytes of a row; a usual one has a hundred
MOST_LINES = 100  #: of a row
SEPARATORS = (",", ";", "\t")

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_ZIP = b"PK\x03\x04"
_CHUNK = 1 << 16  # bytes
_END = re.compile(rb"\r\n|\r|\n")
_SEP = re.compile(rb'"?sep=([,;\t])"?', re.IGNORECASE)
_QUOTED = re.compile('"(?:[^"]|"")*"')
_SAVE = "save it as CSV in UTF-8 (in Excel: `CSV UTF-8`)"


class CsvError(InvalidError):
    """A file is no table, or a row is no row of one; the message follows "it"."""


@dataclass(frozen=True)
class TableRow:
    """A row with its place. ``fields`` are None when it cannot be read, and then ``problem`` is the reason."""

    line: int  #: the first one, from 1
    offset: int  #: of its first byte
    data: bytes  #: as they are in the file; only the beginning of a row that is too long
    fields: list[str] | None
    problem: str = ""


class CsvRows:
    """The rows of an open table. ``header`` is its first row that has any text; ``separator`` is between its fields.

    ``wanted`` are headings: the separator that gives most of them is taken, and among several the most frequent one. Raises
    CsvError, without the path, for a file that is no text in UTF-8, and for an unreadable or missing header.
    """

    def __init__(self, file: BinaryIO, wanted: Collection[str] = ()) -> None:
        self._file = file
        file.seek(0)
        start = file.read(4)
        if start[:2] in _UTF16:
            raise CsvError("is text in UTF-16, expected UTF-8", hint=_SAVE)
        if start == _ZIP:
            raise CsvError("is a spreadsheet, not its export", hint=_SAVE)
        first = len(_BOM) if start.startswith(_BOM) else 0
        self._first = (first, 1)
        self.separator = self._separator({heading(text) for text in wanted})
        header = next(self._rows(), None)
        if header is None:  # nothing below `sep=`
            raise CsvError("is empty, expected a header and a row for each person")
        if header.fields is None:
            raise CsvError(f"line {header.line}: the header cannot be read: it {header.problem}", hint=_SAVE)
        self.header = header.fields
        self.header_line = header.line

    def __iter__(self) -> Iterator[TableRow]:
        """The rows below the header that have any text."""
        rows = self._rows()
        next(rows)
        return rows

    def parse(self, data: bytes) -> list[str]:
        """The fields of a row, without blanks around them. Raises CsvError with what the row is, in words."""
        return self._parse([data])[0]

    def _separator(self, wanted: set[str]) -> str:
        lines = _Lines(self._file, *self._first)
        line = next(lines, None)
        while line and not line[2].strip(b"\r\n\t ,;"):
            line = next(lines, None)
        if line is None:
            raise CsvError("is empty, expected a header and a row for each person")
        if named := _SEP.fullmatch(line[2].strip(b"\r\n ")):
            self._first = (lines.offset, lines.line)
            return named[1].decode()
        text = line[2].decode("utf-8", "surrogateescape")
        bare = _QUOTED.sub("", text)

        def fits(separator: str) -> tuple[int, int]:
            names = next(csv.reader([text], delimiter=separator), [])
            return len(wanted & {heading(name) for name in names}), bare.count(separator)

        return max(SEPARATORS, key=fits)

    def _rows(self) -> Iterator[TableRow]:
        lines = _Lines(self._file, *self._first)
        for offset, line, data, whole in lines:
            if whole > LONGEST:
                yield TableRow(line, offset, data, None, f"is longer than {LONGEST:,} bytes")
                continue
            row = self._row(offset, line, data, lines)
            if row.fields is None or any(row.fields):
                yield row

    def _row(self, offset: int, line: int, data: bytes, lines: "_Lines") -> TableRow:
        """The row that begins in a line, with all its lines. A line whose quotes never end is a row of its own."""
        back = lines.offset, lines.line
        parts, size = [data], len(data)
        while True:
            try:
                fields, whole = self._parse(parts)
            except CsvError as error:
                lines.go(*back)
                return TableRow(line, offset, data, None, error.message)
            if whole:
                return TableRow(line, offset, b"".join(parts), fields)
            more = self._until_a_quote(lines, LONGEST - size, MOST_LINES - len(parts))
            if not more:
                lines.go(*back)
                return TableRow(line, offset, data, None, "has quotes that are not closed")
            parts += more
            size += sum(map(len, more))

    @staticmethod
    def _until_a_quote(lines: "_Lines", most: int, number: int) -> list[bytes]:
        """The next lines up to one that has a quote, which may end the field; empty when they are too many or too long."""
        found: list[bytes] = []
        for _, _, data, whole in lines:
            most -= whole
            found.append(data)
            if most < 0 or len(found) > number:
                return []
            if b'"' in data:
                return found
        return []

    def _parse(self, parts: list[bytes]) -> tuple[list[str], bool]:
        """The fields of a row, and whether it is whole: a quoted field may go on in the next line."""
        text = b"".join(parts).decode("utf-8", "surrogateescape")
        if problem := text_problem(text):
            raise CsvError(problem)
        try:
            fields = next(csv.reader([text], delimiter=self.separator, strict=True), [])
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                return [], False
            what = "quotes that are not closed" if len(parts) > 1 else "a quote within a field"
            raise CsvError(f"has {what}") from None
        return [field.strip() for field in fields], True


class _Lines:
    """The lines of a file from a place on, each with the offset, its number, its bytes with their end, and their number.

    Any of \\n, \\r\\n and \\r ends a line. Of a line that is longer than ``LONGEST``, only the beginning is kept.
    """

    def __init__(self, file: BinaryIO, offset: int, line: int) -> None:
        self._file = file
        self.go(offset, line)

    def go(self, offset: int, line: int) -> None:
        """Goes to the line that begins there."""
        self.offset, self.line = offset, line
        self._next = offset  # of what is read next
        self._buffer, self._at, self._over = b"", 0, False

    def __iter__(self) -> Iterator[tuple[int, int, bytes, int]]:
        return self

    def __next__(self) -> tuple[int, int, bytes, int]:
        offset, line = self.offset, self.line
        kept, whole = b"", 0
        while True:
            end = self._end()
            stop = end if end is not None else len(self._buffer)
            part = self._buffer[self._at : stop]
            kept += part[: LONGEST + 1 - len(kept)]
            whole += len(part)
            self._at = stop
            if end is not None or not self._more():
                break
        if not whole:
            raise StopIteration
        self.offset, self.line = offset + whole, line + 1
        return offset, line, kept, whole

    def _end(self) -> int | None:
        """Where the line ends in the buffer, behind its end; None when it may go on."""
        found = _END.search(self._buffer, self._at)
        if found and found[0] == b"\r" and found.end() == len(self._buffer) and self._more():
            return self._end()
        return found.end() if found else None

    def _more(self) -> bool:
        """Reads on, and forgets what was read of the buffer; False at the end of the file."""
        if self._over:
            return False
        self._file.seek(self._next)  # the file is also read elsewhere
        data = self._file.read(_CHUNK)
        if not data:
            self._over = True
            return False
        self._next += len(data)
        self._buffer, self._at = self._buffer[self._at :] + data, 0
        return True
