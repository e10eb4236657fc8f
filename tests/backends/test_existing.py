"""People whom the phone interface would not serve are told before anything is written."""

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.backends.existing import BACKEND
from cicscenario.capabilities.cost import Need
from cicscenario.capabilities.descriptor import Survey
from cicscenario.errors import InvalidError
from cicscenario.services.accounts import AccountRow
from cicscenario.services.ussd_screens import Dialect
from cicscenario.vocabulary import load_scenario

SCENARIO = """
version: 1
name: held
population: {from: people}
backend: existing
metadata: [phone]
MORE
"""
ACTIVE = AccountRow("00" * 20, 2, "a hash", "en", 0)
NEW = AccountRow("00" * 20, 1, None, None, 0)


class Table:
    """The account table: ``rows`` by person, and the ``states`` of their newest sessions."""

    name = "127.0.0.1:5432/cic_ussd"

    def __init__(self, rows: dict[int, AccountRow], states: dict[int, str]) -> None:
        self._rows = rows
        self._states = states
        self.looks = 0

    def read(self, phones: Iterable[str]) -> dict[str, AccountRow]:
        return {phone: self._rows[int(phone)] for phone in phones if int(phone) in self._rows}

    def last_states(self, phones: Iterable[str]) -> dict[str, str | None]:
        self.looks += 1
        return {phone: self._states.get(int(phone)) for phone in self.read(phones)}

    def has_guardians(self) -> bool:
        return True

    def pin_schemes(self) -> set[str]:
        return set()


def person(index: int) -> Any:
    if index == 13:
        raise InvalidError("a record that cannot be read")
    return SimpleNamespace(phone=str(index))


def found(folder: Path, table: Table, size: int, more: str) -> list[Need]:
    (folder / "people").mkdir()
    path = folder / "held.yaml"
    path.write_text(SCENARIO.replace("MORE", more))
    services: Any = SimpleNamespace(
        accounts=table,
        ussd=SimpleNamespace(dialect=lambda: Dialect.CURRENT, address="http://127.0.0.1:1/"),
        environment=SimpleNamespace(accounts="there", ussd="there"),
    )
    population: Any = SimpleNamespace(person=person)
    return list(BACKEND.needs(Survey(load_scenario(path), services, population, size)))


BOTH = "pins: {scheme: bcrypt}\nussd_data: true"


def test_people_without_a_session_are_counted_and_some_are_named(tmp_path: Path) -> None:
    table = Table(dict.fromkeys(range(1200), NEW), dict.fromkeys(range(5, 1200), "exit"))
    (need,) = found(tmp_path, table, 1200, BOTH)
    assert need.ok
    assert need.warns
    assert need.has == (
        "5 (0, 1, 2, ...) of 1,200 people have no row in table `ussd_session` of 127.0.0.1:5432/cic_ussd: with a PIN and"
        " status 2, the phone interface answers each of their dials with 500"
    )
    assert need.hint == "let each of them dial once before they get PINs"
    assert table.looks == 3, "hundreds of people in one look"


@pytest.mark.parametrize(
    ("row", "more", "told"),
    [
        (NEW, "pins: {scheme: bcrypt}", False),  # status 1: PIN entry
        (NEW, "ussd_data: true", False),  # no PIN: PIN entry
        (ACTIVE, "pins: {scheme: bcrypt}", True),
        (ACTIVE, "ussd_data: true", True),
    ],
)
def test_only_those_who_end_as_active_with_a_pin_are_told(
    tmp_path: Path, row: AccountRow, more: str, told: bool
) -> None:
    assert bool(found(tmp_path, Table({0: row}, {}), 1, more)) is told


def test_people_whom_the_table_does_not_have_are_told(tmp_path: Path) -> None:
    (need,) = found(tmp_path, Table({1: ACTIVE}, {1: "exit"}), 4, BOTH)
    assert need.has == "3 (0, 2, 3) of 4 people have no row in table `account` of 127.0.0.1:5432/cic_ussd"
    assert need.warns


def test_a_record_that_cannot_be_read_does_not_stop_the_look(tmp_path: Path) -> None:
    (need,) = found(tmp_path, Table(dict.fromkeys(range(14), ACTIVE), {}), 14, BOTH)
    assert need.has.startswith("13 (0, 1, 2, ...)")


def test_a_scenario_that_writes_nothing_to_the_table_is_not_told(tmp_path: Path) -> None:
    assert found(tmp_path, Table({}, {}), 3, "") == []
