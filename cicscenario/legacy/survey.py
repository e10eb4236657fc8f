"""Reads people to be measured: a data directory of the old tools, or a CSV file. Names and numbers are not taken."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cicscenario.errors import InvalidError, reason_of
from cicscenario.inputs import open_input
from cicscenario.language.columns import heading
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.legacy.csvrows import CsvError, CsvRows
from cicscenario.legacy.directory import OldPopulation
from cicscenario.people.measure import NOTHING, OLDEST, Measure, Surveyed
from cicscenario.people.person import Person
from cicscenario.people.uniform import GENDERS
from cicscenario.profile import UNKNOWN

#: The columns of a CSV file that are read, with what they take. One of the first four must be there.
COLUMNS = {
    "gender": "female, male, other or unknown",
    "occupation": "text",
    "place": "text",
    "language": "a code, such as sw",
    "product": "text",
    "age": "years, as a whole number",
    "born": "a year, or a day such as 1990-12-31",
    "joined": "a month such as 2020-04, or a day",
}
_NO_LANGUAGE = ""  # of people for whom a data directory has none


def survey_directory(folder: Path, region: str | None) -> tuple[Measure, BadRecords]:
    """Counts the people of a data directory, and gives the records that cannot be used. ``region`` is that of local numbers.

    Raises InvalidError when it is no such directory.
    """
    population = OldPopulation(folder, language=_NO_LANGUAGE, region=region, skip=True)
    measure = Measure()
    for index in range(population.size):
        measure.add(_surveyed(population.person(index)))
    return measure, population.rejected


def _surveyed(person: Person) -> Surveyed:
    document = person.document
    products = document.get("products")
    return Surveyed(
        gender=document.get("gender"),
        # A person document has no occupation but the first product; see docs/people.md.
        occupation=None if products is None else str(products[0]).strip() if products else NOTHING,
        product=str(products[1]).strip() if products and len(products) > 1 else None,
        place=str((document.get("location") or {}).get("area_name") or "").strip(),
        language=person.language or None,
        born=_birthday(document.get("date_of_birth") or {}),
        joined=_day_of(document.get("date_registered")),
    )


def _birthday(known: dict[str, Any]) -> date | None:
    """The day of birth; the middle of the year when only the year is known."""
    try:
        return date(known["year"], known.get("month", 7), known.get("day", 1))
    except (KeyError, TypeError, ValueError):
        return None


def _day_of(seconds: int | None) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat() if seconds else None
    except (ValueError, OverflowError, OSError):  # a year that there is not
        return None


def survey_table(path: Path) -> tuple[Measure, list[str]]:
    """Counts the people of a CSV file, and gives the names of the columns that are not read.

    Raises InvalidError when it cannot be read, or has none of the columns; BadRecordsError with every row that is wrong.
    """
    bad, measure = BadRecords(), Measure()
    try:
        with open_input(path) as file:
            rows = CsvRows(file, COLUMNS)
            header = [heading(name) for name in rows.header]
            _refuse_header(path, rows.header_line, header)
            for row in rows:
                if row.fields is None:
                    bad.add(path, row.problem, line=row.line)
                elif len(row.fields) < len(header) or any(row.fields[len(header) :]):
                    bad.add(path, f"has {len(row.fields)} values, expected {len(header)}", line=row.line)
                elif one := _row(dict(zip(header, row.fields, strict=False)), path, row.line, bad):
                    measure.add(one)
    except OSError as error:
        raise InvalidError(f"{path} cannot be read: {reason_of(error)}", hint="name a CSV file with a header") from None
    except CsvError as error:
        raise InvalidError(f"{path} cannot be read: it {error.message}", hint=error.hint) from None
    other = [name for name in rows.header if heading(name) not in COLUMNS]
    bad.raise_any(str(path), hint="mend these rows, or leave a value empty that is not known")
    return measure, other


def _refuse_header(path: Path, line: int, header: list[str]) -> None:
    expected = f"the columns that are read: {', '.join(COLUMNS)}"
    if not set(header) & set(COLUMNS):
        raise InvalidError(f"{path}:{line}: the header has none of the columns that are read", hint=expected)
    if twice := {name for name in header if name in COLUMNS and header.count(name) > 1}:
        raise InvalidError(f"{path}:{line}: the header has `{min(twice)}` twice", hint=expected)


def _row(row: dict[str, str], path: Path, line: int, bad: BadRecords) -> Surveyed | None:
    """The person of a row; None, after adding a bad record, when a value cannot be read. The value is not repeated."""
    wrong = [name for name, test in _TESTS.items() if (value := row.get(name)) and not test(value)]
    for name in wrong:
        bad.add(path, f"`{name}` is not {COLUMNS[name]}", line=line)
    if wrong:
        return None
    text = {name: row.get(name) or None for name in ("occupation", "product", "place", "language")}
    born = row.get("born")
    return Surveyed(
        **text,
        gender=row.get("gender", "").lower(),
        age=int(row["age"]) if row.get("age") else None,
        born=date.fromisoformat(born if len(born) > 4 else f"{born}-07-01") if born else None,
        joined=row.get("joined") or None,
    )


def _is_day(text: str) -> bool:
    try:
        return re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is not None and date.fromisoformat(text) is not None
    except ValueError:
        return False


_TESTS: dict[str, Callable[[str], bool]] = {
    "gender": lambda text: text.lower() in (*GENDERS, UNKNOWN),
    "age": lambda text: re.fullmatch("[0-9]{1,3}", text) is not None and int(text) <= OLDEST,
    "born": lambda text: re.fullmatch("[1-9][0-9]{3}", text) is not None or _is_day(text),
    "joined": lambda text: re.fullmatch("[0-9]{4}-(0[1-9]|1[0-2])", text) is not None or _is_day(text),
}
