"""Reads the lines of lists as people leave them: with a byte order mark, any line ends, blank lines, quotes."""

import csv
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from cicscenario.errors import reason_of
from cicscenario.inputs import open_input
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.people.text import text_problem

LONGEST = 10_000  #: characters of a line; a usual one has fewer than a hundred
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def text_lines(path: Path, bad: BadRecords) -> Iterator[tuple[int, list[str]]]:
    """The number, from 1, and the fields of each line that has any text; blanks around fields are removed.

    A line that is not UTF-8, has a character that no service keeps, or unfinished quotes is added to ``bad``. Raises OSError, and
    UnicodeError for a file in UTF-16.
    """
    with open_input(path) as start:
        if start.read(2) in _UTF16:
            raise UnicodeError("UTF-16")
        start.seek(0)
        # Any of \n, \r\n and \r ends a line.
        file = TextIOWrapper(start, encoding="utf-8-sig", errors="surrogateescape")
        for number, line in enumerate(iter(lambda: _line(file), None), start=1):
            if len(line) > LONGEST:
                bad.add(path, f"is longer than {LONGEST:,} characters", line=number)
                continue
            text = line.strip()
            if not text.strip(", \t"):
                continue
            if problem := text_problem(text):
                bad.add(path, problem, line=number)
                continue
            try:
                fields = next(csv.reader([text], strict=True), [])
            except csv.Error as error:
                bad.add(path, f"is not a line of comma-separated values: {error}", line=number)
                continue
            yield number, [field.strip() for field in fields]


def _line(file: TextIO) -> str | None:
    """The next line; of one that is longer than ``LONGEST``, only the beginning is kept. None at the end."""
    line = file.readline(LONGEST + 1)
    last = line
    while len(last) > LONGEST and not last.endswith("\n"):
        last = file.readline(LONGEST + 1)
    return line or None


def unreadable(error: OSError | UnicodeError) -> str:
    """The reason why a list cannot be read, in words."""
    if isinstance(error, UnicodeError):
        return "not a CSV file of UTF-8 text"
    return reason_of(error)
