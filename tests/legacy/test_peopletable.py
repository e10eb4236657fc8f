"""A table of people is a population: every row that cannot be used is named with its line, and no row stays in memory."""

import csv
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cicscenario.errors import InvalidError
from cicscenario.legacy import peopletable
from cicscenario.legacy.badrecords import BadRecords, BadRecordsError
from cicscenario.legacy.peopletable import PeopleTable
from cicscenario.people.person import validate
from cicscenario.people.vcard import decode
from tests.support.people_tables import HEAD, people_table, phone, row, text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.csv"


def opened(path: Path, **options: Any) -> PeopleTable:
    return PeopleTable(path, region="KE", **options)


def bad_rows(path: Path, **options: Any) -> list[str]:
    """What is told of the rows that cannot be used, without the path."""
    with pytest.raises(BadRecordsError) as caught:
        opened(path, **options)
    return [line.removeprefix(f"{path}:") for line in caught.value.records.first]


def everybody(people: PeopleTable) -> list[tuple[object, ...]]:
    found = []
    for index in range(people.size):
        one = people.person(index)
        contact = decode(one.document["vcard"])
        where = one.document["location"]["area_name"]
        said = (contact.phone, f"{contact.given} {contact.family}", one.document["gender"], where)
        found.append((*said, people.gift(index), one.language, one.tags, people.pin(one.phone)))
    return found


def test_each_row_is_a_person(path: Path) -> None:
    people = opened(people_table(path, [row(1), row(2, name="Otieno, John", tags="a;b", gender="")]))
    assert people.size == 2
    assert everybody(people) == [
        (phone(1), "Given1 Family", "male", "Miyani", 1, "en", ("chama",), "9001"),
        (phone(2), "John Otieno", "other", "Miyani", 2, "sw", ("a", "b"), "9002"),
    ]
    one = people.person(0)
    assert (one.id, one.phone, one.gift, people.account(0), people.line(1)) == (0, phone(1), 1, None, 3)
    validate(one.document)


def test_a_table_of_phone_numbers_alone(path: Path) -> None:
    path.write_text(f"Phone\n{phone(1)}\n")
    people = opened(path)
    assert everybody(people)[0][1:-1] == (" ", "other", "unknown", 0, "sw", ())
    assert not people.has_pins
    validate(people.person(0).document)


def test_a_person_depends_on_no_other_row(path: Path) -> None:
    before = opened(people_table(path, [row(1), row(2)])).person(1)
    after = opened(people_table(path, [row(2)])).person(0)
    assert (before.document_json, before.old_address) == (after.document_json, after.old_address)


VALUES = st.fixed_dictionaries(
    {
        "name": st.from_regex("[A-Z][a-zé]{0,8} [A-Z][a-z'\"]{0,8}", fullmatch=True),
        "gender": st.sampled_from(["female", "male", "other"]),
        "place": st.from_regex('[A-Z][a-z]{0,4}([,;"] [a-z]{1,4}){0,2}', fullmatch=True),
        "balance": st.integers(0, 10**18).map(str),
        "language": st.sampled_from(["sw", "en", "luo"]),
        "tags": st.lists(st.from_regex("[a-z]{1,5}", fullmatch=True), unique=True, max_size=3).map("|".join),
        "pin": st.from_regex("[0-9]{4}", fullmatch=True),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(VALUES, min_size=1, max_size=30),
    order=st.permutations(HEAD),
    separator=st.sampled_from(",;\t"),
    page=st.integers(1, 40),
)
def test_any_table_of_valid_rows_read_back_equals_itself(
    path: Path, values: list[dict[str, str]], order: list[str], separator: str, page: int
) -> None:
    """In any order of columns, with any separator, and in pages of any size."""
    rows = [{"phone": phone(number)} | one for number, one in enumerate(values)]
    path.write_text(text(rows, order, separator), "utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peopletable, "_PAGE", page)
        found = everybody(opened(path))
    assert found == [
        (
            one["phone"], one["name"], one["gender"], one["place"], int(one["balance"]), one["language"],
            tuple(tag for tag in one["tags"].split("|") if tag), one["pin"],
        )
        for one in rows
    ]  # fmt: skip


# What is wrong


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(2, phone="2.547E+11"), "`phone` was rounded by a spreadsheet, and its last digits are lost"),
        (row(2, phone=""), "`phone` is empty"),
        (row(2, phone="0711 000001"), "the phone number is also in line 2"),
        (row(2, gender="x"), "`gender` is not female, male or other"),
        (row(2, balance="1.5"), "`balance` is not a whole number of tokens"),
        (row(2, balance="-1"), "`balance` is negative"),
        (row(2, language="Kiswahili sanifu"), "`language` is not a code, such as sw"),
        (row(2, pin="12345"), "`pin` is not four digits"),
        (row(2, name="a\0b"), "has the character U+0000"),
        (row(2, gender="x", pin="1"), "`gender` is not female, male or other; `pin` is not four digits"),
    ],
)
def test_each_kind_of_bad_row_is_named_with_its_line(path: Path, bad: dict[str, str], reason: str) -> None:
    people_table(path, [row(1), row(9, place="Upper\nHill"), bad, row(3)])
    (told,) = bad_rows(path)
    assert told.startswith(f"5: {reason}")
    people = opened(path, skip=True)
    assert [one[0] for one in everybody(people)] == [phone(1), phone(9), phone(3)]
    assert (people.rejected.count, people.rejected.left_out) == (1, 1)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"+254711000002", "has 1 value, expected 2"),
        (b"+254711000002,A,B", "has 3 values, expected 2"),
        (b"+254711000002,caf\xe9", "is not UTF-8 text: byte 0xe9"),
        (b'+254711000002,"A', "has quotes that are not closed"),
        (b'+254711000002,"A" B', "has a quote within a field"),
    ],
)
def test_a_row_that_is_no_row_is_named_with_its_line(path: Path, line: bytes, reason: str) -> None:
    path.write_bytes(b"phone,name\n+254711000001,A\n" + line + b"\n+254711000003,C\n")
    assert bad_rows(path) == [f"3: {reason}"]
    assert opened(path, skip=True).size == 2


def test_empty_fields_beyond_the_header_are_nothing(path: Path) -> None:
    path.write_text(f"phone,name\n{phone(1)},A,,\n,,,,\n,,\n")
    assert opened(path).size == 1


def test_a_number_counts_as_taken_by_a_row_that_nobody_can_use(path: Path) -> None:
    """Otherwise it would depend on the backend whose PIN and gift are meant."""
    people_table(path, [row(1, language="fr"), row(1, name="Another One"), row(2)])
    people = opened(path, skip=True, unfit=lambda person: "no French" if person.language == "fr" else None)
    assert [one[0] for one in everybody(people)] == [phone(2)]
    assert [line.partition(":")[2] for line in people.rejected.first] == [
        "2: no French",
        "3: the phone number is also in line 2",
    ]


def test_an_account_is_of_one_person(path: Path) -> None:
    rows = [row(1, account="0x" + "ab" * 20), row(2, account="AB" * 20), row(3, account="12"), row(4)]
    path.write_text(text(rows, ("phone", "account")), newline="")
    people = opened(path, skip=True)
    assert [people.account(index) for index in range(people.size)] == [b"\xab" * 20, None]
    assert [line.partition(".csv:")[2] for line in people.rejected.first] == [
        "3: the account is also in line 2",
        "4: `account` is not an address: 40 hexadecimal digits",
    ]


def test_every_bad_row_is_in_the_list_and_no_pin_is(path: Path, tmp_path: Path) -> None:
    """Also where a PIN is in the wrong column."""
    wrong = [row(n, pin=f"86{n}", phone="8675", gender="8675", balance="8675 x", language="8675") for n in range(30)]
    people_table(path, [row(100), *wrong])
    people = opened(path, skip=True)
    people.rejected.write(tmp_path / "rejected.csv")
    with (tmp_path / "rejected.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    assert [(one["file"], one["line"]) for one in listed] == [(str(path), str(n + 3)) for n in range(30)]
    assert "86" not in "".join(one["reason"] for one in listed)
    assert "86" not in "".join(people.rejected.first).replace(str(path), "")


def test_rows_that_cannot_be_used_take_no_memory(path: Path) -> None:
    bad = BadRecords()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(2000):
        bad.add(path, "is bad", line=number, person=True)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert (bad.left_out, grown < 1_000_000) == (2000, True)


# Columns


def test_columns_are_named_by_their_headings(path: Path) -> None:
    path.write_text(f"Notes,Full  Name,phone NUMBER,name,Notes\nx,Amina W,{phone(1)},y,z\n")
    people = opened(path, columns={"phone": "Phone number", "name": "full name"})
    assert everybody(people)[0][:2] == (phone(1), "Amina W")
    assert people.columns.unread == ("Notes", "name", "Notes")
    assert people.columns.headings == {"phone": "phone NUMBER", "name": "Full  Name"}


@pytest.mark.parametrize(
    ("head", "columns", "message"),
    [
        ("name", None, "the header has no column `phone`. It has: `name`"),
        (
            "tel,name",
            {"phone": "Tell"},
            "has no column `Tell`, which `population.columns.phone` names. Did you mean `tel`?",
        ),
        ("phone,name", {"phone": "phone", "pin": "PIN"}, "has no column `PIN`, which `population.columns.pin` names"),
        ("phone,name,Name", None, "the header has `name` 2 times, expected once"),
    ],
)
def test_a_column_that_is_missing_or_there_twice_is_named(
    path: Path, head: str, columns: dict[str, str] | None, message: str
) -> None:
    path.write_text(f"{head}\n{','.join('x' for _ in head.split(','))}\n")
    with pytest.raises(InvalidError) as caught:
        opened(path, columns=columns)
    assert f"{path}: the header" in caught.value.message
    assert message in caught.value.message


def test_a_column_that_is_not_needed_is_not_read(path: Path) -> None:
    people = opened(people_table(path, [row(1, pin="no PIN")]), leave=("pin",))
    assert (people.size, people.has_pins, people.columns.unread) == (1, False, ("pin",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"phone,name\n", "has a header and no people"),
        (b"phone,name\nx,y\n", "has nobody left: it has 1 bad record"),
        (b"PK\x03\x04", "is a spreadsheet, not its export"),
        ("phone\n".encode("utf-16"), "is text in UTF-16"),
    ],
)
def test_what_is_no_table_of_people_says_so(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(InvalidError, match=message):
        opened(path, skip=True)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="cannot be read: "):
        opened(tmp_path / "nothing.csv")


# Reading again


def test_a_row_that_changes_while_it_is_used_is_named(path: Path) -> None:
    people = opened(people_table(path, [row(1), row(2)]))
    with path.open("r+b") as file:
        file.seek(file.read().index(b"Given2"))
        file.write(b"Other2")
    with pytest.raises(InvalidError, match=r"people\.csv:3: has changed since it was read"):
        people.person(1)
    with pytest.raises(InvalidError, match=r"people\.csv:3: has changed since it was read"):
        people.pin(phone(2))


def test_a_file_that_is_replaced_is_read_as_it_was(path: Path, tmp_path: Path) -> None:
    people = opened(people_table(path, [row(1)]))
    people_table(tmp_path / "new.csv", [row(7)]).replace(path)
    assert people.person(0).phone == phone(1)


def test_who_is_not_there_is_named(path: Path) -> None:
    people = opened(people_table(path, [row(1)]))
    for ask in (people.person, people.gift, people.account, people.line):
        with pytest.raises(InvalidError, match=r"has 1 person: there is no person 1 \(from 0\)"):
            ask(1)
    with pytest.raises(InvalidError, match=r"has no row with the phone number \+254711000009"):
        people.pin(phone(9))


def test_many_threads_read_in_many_places(path: Path) -> None:
    people = opened(people_table(path, map(row, range(3000))))
    start = threading.Barrier(4)

    def read(first: int) -> list[str]:
        start.wait()
        return [people.person((first + 777 * n) % people.size).phone for n in range(40)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read, (0, 900, 1800, 2700)))
    assert found == [[phone((first + 777 * n) % 3000) for n in range(40)] for first in (0, 900, 1800, 2700)]


def test_memory_does_not_grow_with_the_people(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peopletable, "_PAGE", 5)
    grown = []
    for number in (200, 800):
        people_table(path, map(row, range(number)))
        tracemalloc.start()
        people = opened(path)
        for index in range(0, number, 5):
            people.person(index)
        grown.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert grown[1] < grown[0] * 1.3
