"""``pins.csv`` and ``ussd_data.csv`` are read as the old tools left them; every bad line is named."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.errors import InvalidError, UnavailableError
from cicscenario.legacy.accountfiles import (
    PinRow,
    UssdDataRow,
    read_pins,
    read_ussd_data,
    write_pins,
    write_ussd_data,
)

HASH = "gAAAAABgf_rAAAECAwQFBgcICQoLDA0OD7K5gH7lDKjQJca2XaoA7A=="


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


def test_pins_are_read(path: Path) -> None:
    path.write_text(f"+254711000001,{HASH}\n+254711000002,$2b$08$abc\r\n")
    assert list(read_pins(path)) == [PinRow("+254711000001", HASH), PinRow("+254711000002", "$2b$08$abc")]


def test_ussd_data_is_read_with_blanks_and_without(path: Path) -> None:
    path.write_text("+254711000001, 1, en, False\n+254711000002,0,sw,True\n +254711000003 ,1,  kam ,False\n")
    rows = list(read_ussd_data(path))
    assert rows == [
        UssdDataRow("+254711000001", True, "en", False),
        UssdDataRow("+254711000002", False, "sw", True),
        UssdDataRow("+254711000003", True, "kam", False),
    ]
    assert [row.status for row in rows] == [2, 1, 2]


def test_ussd_data_is_written_without_a_blank_before_the_language(path: Path) -> None:
    rows = [UssdDataRow("+254711000001", True, "en"), UssdDataRow("+254711000002", False, "sw", True)]
    write_ussd_data(path, rows)
    assert path.read_bytes() == b"+254711000001,1,en,False\n+254711000002,0,sw,True\n"
    assert list(read_ussd_data(path)) == rows


def test_pins_that_cannot_be_written_to_their_end_leave_the_old_file(path: Path) -> None:
    """The database goes away in the middle; what is half written would pass for everybody's."""

    def rows() -> Iterator[PinRow]:
        yield PinRow("+254711000003", "new")
        raise UnavailableError("the database went away")

    write_pins(path, [PinRow("+254711000001", "old"), PinRow("+254711000002", "old")])
    before = path.read_bytes()
    with pytest.raises(UnavailableError, match="went away"):
        write_pins(path, rows())
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_pins_are_written_for_their_owner_only(path: Path) -> None:
    path.write_text("old and longer than what comes")
    path.chmod(0o644)
    rows = [PinRow("+254711000001", HASH)]
    write_pins(path, rows)
    assert path.read_bytes() == f"+254711000001,{HASH}\n".encode()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(read_pins(path)) == rows


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("+254711000002", "has 1 fields: expected a phone number and a password hash"),
        ("+254711000002,a,b", "has 3 fields"),
        ("+254711000002,", "the password hash is empty"),
        ("0711000002,hash", "'0711000002' is not a phone number: expected E.164"),
        ("+25471100000x,hash", "is not a phone number"),
        ("+254711000001,hash", r"the phone number \+254711000001 is also in line 1"),
        ("0711 000 001 ,hash,", "has 3 fields"),
        ("+254 (0)711 000 001,hash", r"the phone number \+254711000001 is also in line 1"),
    ],
)
def test_a_bad_line_of_pins_is_named_before_any_row_is_given(path: Path, line: str, message: str) -> None:
    path.write_text(f"+254711000001,{HASH}\n{line}\n+254711000003,{HASH}\n")
    with pytest.raises(InvalidError, match=rf"file\.csv has 1 bad record:\n  .*file\.csv:2: .*{message}"):
        read_pins(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("+254711000002, 1, en", "has 3 fields: expected phone number, activated, language, disabled"),
        ("+254711000002, 2, en, False", "activated is '2': expected 1 or 0"),
        ("+254711000002, 1, , False", "the language is ''"),
        ("+254711000002, 1, e n, False", "the language is 'e n'"),
        ("+254711000002, 1, en, no", "disabled is 'no': expected True or False"),
        ("254711000002, 1, en, False", "'254711000002' is not a phone number"),
        ("+254711000001, 1, en, False", "is also in line 1"),
    ],
)
def test_a_bad_line_of_ussd_data_is_named(path: Path, line: str, message: str) -> None:
    path.write_text(f"+254711000001, 1, en, False\n{line}\n")
    with pytest.raises(InvalidError, match=rf"file\.csv:2: .*{message}"):
        read_ussd_data(path)


def test_all_bad_lines_are_told_together(path: Path) -> None:
    path.write_text("".join(f"{n},hash\n" for n in range(1, 31)) + "+254711000001,hash\n")
    with pytest.raises(InvalidError) as caught:
        read_pins(path)
    lines = caught.value.message.splitlines()
    assert lines[0].endswith("has 30 bad records:")
    assert [line.split(":")[1] for line in lines[1:21]] == [str(n) for n in range(1, 21)]
    assert lines[21:] == ["  and 10 more"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_says_so(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidError, match=r"cannot read .*file\.csv: (no such file|not a CSV file)"):
        read_pins(path)


@pytest.mark.parametrize("line", [b"\xff", b'"+254711000002', b'"' + b"x" * 200_000, b"+2547110\x0000002,a"])
def test_a_line_that_is_no_text_is_named_alone(path: Path, line: bytes) -> None:
    path.write_bytes(b"+254711000001,a\n" + line + b"\n+254711000003,b\n")
    with pytest.raises(
        InvalidError, match=r"has 1 bad record:\n  .*file\.csv:2: (is not|is longer|has the character U\+0000)"
    ):
        read_pins(path)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf+254711000001,a\n",
        b"+254711000001,a\r\n\r\n  \r\n,\r\n",
        b'\r"+254711000001","a"\r',
        b"tel:+254-711-000-001,a",
        b"0711 000 001,a\n",
        "\u202a00254 711\u00a0000\u2011001\u202c,a".encode(),
        "\u0660\u0667\u0661\u0661\u0660\u0660\u0660\u0660\u0660\u0661,a".encode(),
    ],
)
def test_a_list_is_read_as_people_leave_it(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert list(read_pins(path, "KE")) == [PinRow("+254711000001", "a")]


def test_a_language_that_the_old_tools_did_not_know_is_none(path: Path) -> None:
    path.write_text("+254711000001, 1, None, False\n+254711000002, True, null, false\n")
    assert [(row.language, row.active) for row in read_ussd_data(path)] == [(None, True), (None, True)]


def test_an_empty_file_has_no_rows(path: Path) -> None:
    path.touch()
    assert list(read_pins(path)) == []
    assert list(read_ussd_data(path)) == []
