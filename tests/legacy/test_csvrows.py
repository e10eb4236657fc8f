"""Tables as spreadsheets export them are read row by row, each with the place that it has in the file."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicscenario.errors import InvalidError
from cicscenario.legacy import csvrows
from cicscenario.legacy.csvrows import LONGEST, MOST_LINES, CsvRows, TableRow


def read(data: bytes, wanted: tuple[str, ...] = ()) -> tuple[CsvRows, list[TableRow]]:
    rows = CsvRows(io.BytesIO(data), wanted)
    return rows, list(rows)


def fields(data: bytes) -> list[list[str] | None]:
    return [row.fields for row in read(data)[1]]


@pytest.mark.parametrize("chunk", [1, 3, 1 << 16])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("separator", [b",", b";", b"\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_any_line_end_separator_and_mark(
    monkeypatch: pytest.MonkeyPatch, end: bytes, separator: bytes, mark: bytes, chunk: int
) -> None:
    monkeypatch.setattr(csvrows, "_CHUNK", chunk)
    lines = [[b"phone", b"name"], [b"1", b"A B"], [b" 2 ", b""]]
    rows, found = read(mark + end.join(separator.join(line) for line in lines) + end)
    assert (rows.header, rows.separator) == (["phone", "name"], separator.decode())
    assert [(row.line, row.fields) for row in found] == [(2, ["1", "A B"]), (3, ["2", ""])]


def test_a_line_end_may_be_missing_at_the_end() -> None:
    assert fields(b"a,b\n1,2") == [["1", "2"]]


def test_a_row_with_line_breaks_is_told_by_its_first_line() -> None:
    _, rows = read(b'a,b\n\n"one\r\ntwo\n\nfour",2\n3,4\n')
    assert [(row.line, row.fields) for row in rows] == [(3, ["one\r\ntwo\n\nfour", "2"]), (7, ["3", "4"])]


def test_rows_without_text_are_nothing() -> None:
    assert fields(b"a;b\n;\n1;2\n ; \n\n\t\n;;;;\n") == [["1", "2"]]


def test_blank_lines_may_be_above_the_header() -> None:
    rows, found = read(b"\n;;\nphone;name\n1;2\n")
    assert (rows.header, rows.header_line, found[0].line) == (["phone", "name"], 3, 4)


def test_the_separator_may_be_named_in_the_first_line() -> None:
    rows, found = read(b"\xef\xbb\xbfsep=;\r\nphone;given, family\r\n1;2,3\r\n")
    assert (rows.separator, rows.header) == (";", ["phone", "given, family"])
    assert (found[0].line, found[0].fields) == (3, ["1", "2,3"])


def test_the_separator_is_the_one_that_gives_the_headings() -> None:
    rows, _ = read(b"Phone, mobile, or fixed;Name\n1;2\n", ("Name",))
    assert rows.separator == ";"
    rows, _ = read(b'"a;b;c",d\n1,2\n')
    assert rows.separator == ",", "what is in quotes does not count"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (b'"x', "has quotes that are not closed"),
        (b'1,"x" y', "has a quote within a field"),
        (b"1,caf\xe9", "is not UTF-8 text: byte 0xe9"),
        (b"1,\0", "has the character U+0000, which PostgreSQL does not store"),
        (b"1," + b"x" * LONGEST, f"is longer than {LONGEST:,} bytes"),
        (b'"x' + b"\n\n" * MOST_LINES, "has quotes that are not closed"),
        (b'1,"x\n"y",2', "has quotes that are not closed"),
    ],
)
def test_a_row_that_cannot_be_read_leaves_the_next_ones_alone(row: bytes, problem: str) -> None:
    _, rows = read(b"a,b\n" + row + b"\n3,4\n5,6\n")
    assert (rows[0].line, rows[0].fields, rows[0].problem) == (2, None, problem)
    assert [one.fields for one in rows][-2:] == [["3", "4"], ["5", "6"]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\n;\n", "is empty"),
        ("phone,name\n".encode("utf-16"), "is text in UTF-16"),
        (b"PK\x03\x04...", "is a spreadsheet, not its export"),
        (b"t\xe9l,name\n", "line 1: the header cannot be read: it is not UTF-8 text: byte 0xe9"),
    ],
)
def test_what_is_no_table_says_so(data: bytes, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        CsvRows(io.BytesIO(data))


def test_a_row_is_read_again_at_its_place(tmp_path: Path) -> None:
    data = b'\xef\xbb\xbfa,b\r\n"x\r\ny",1\r\n\r\n\xc3\xa9,"2 ""z"""\r\n'
    rows, found = read(data)
    for row in found:
        assert data[row.offset : row.offset + len(row.data)] == row.data
        assert rows.parse(row.data) == row.fields


#: Text that is left as it is: no blanks around it, and no \r, which Python does not quote. The first field is never empty,
#: so that no row is.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12).map(str.strip)


@given(
    rows=st.lists(st.tuples(TEXT.map(lambda text: f"x{text}"), TEXT, TEXT), max_size=12),
    separator=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n"]),
    mark=st.booleans(),
    chunk=st.integers(1, 100),
)
def test_what_a_spreadsheet_writes_is_read_back(
    rows: list[tuple[str, str, str]], separator: str, end: str, mark: bool, chunk: int
) -> None:
    """However much of the file is read at once."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator=end)
    writer.writerows([("one", "two", "three"), *rows])
    data = (b"\xef\xbb\xbf" if mark else b"") + out.getvalue().encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvrows, "_CHUNK", chunk)
        found, read_back = read(data)
    assert [tuple(row.fields or ()) for row in read_back] == rows
    for row in read_back:
        assert found.parse(data[row.offset : row.offset + len(row.data)]) == row.fields
