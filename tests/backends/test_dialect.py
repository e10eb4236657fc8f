"""A wrong dialect is found before anything is written, and PINs that the server cannot read; what is not seen is not claimed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.backends.work.dialect import dialect_needs
from cicscenario.capabilities.cost import Need
from cicscenario.capabilities.descriptor import Survey
from cicscenario.errors import UnavailableError
from cicscenario.services.ussd_screens import Dialect
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written

NEW, OLD = Dialect.CURRENT, Dialect.OF_2021


class Services:
    """``table`` and ``interface`` are the dialects that show, or None where nothing can be seen."""

    def __init__(self, table: Dialect | None, interface: Dialect | None, schemes: tuple[str, ...] = ()) -> None:
        self.environment = SimpleNamespace(accounts="there", ussd="there")
        self.ussd = SimpleNamespace(dialect=lambda: interface, address="http://127.0.0.1:1/")
        self.accounts = self
        self.name = "127.0.0.1:5432/cic_ussd"
        self._table = table
        self._schemes = set(schemes)

    def has_guardians(self) -> bool:
        if self._table is None:
            raise UnavailableError("the database does not answer")
        return self._table is NEW

    def pin_schemes(self) -> set[str]:
        return self._schemes


def found(folder: Path, services: Any, *, dialect: str = "current", pins: str | None = None) -> list[Need]:
    more = {"pins": f"{{scheme: {pins}}}"} if pins else {}
    languages = "{size: 2, languages: {en: 1, sw: 1}}"
    path = written(folder, backend=f"{{kind: cic_ussd, dialect: '{dialect}'}}", population=languages, **more)
    nothing: Any = None
    return dialect_needs(Survey(load_scenario(path), services, nothing, 2))


@pytest.mark.parametrize(("table", "interface"), [(NEW, NEW), (NEW, None), (None, NEW), (None, None), (NEW, OLD)])
def test_the_current_dialect_fits_what_shows_nothing_else(
    tmp_path: Path, table: Dialect | None, interface: Dialect | None
) -> None:
    """Versions of early 2022 have the table of today, and no health check yet."""
    assert found(tmp_path, Services(table, interface)) == []


@pytest.mark.parametrize(("table", "interface"), [(OLD, OLD), (OLD, None), (None, OLD)])
def test_a_server_of_2021_is_told_with_what_shows_it(
    tmp_path: Path, table: Dialect | None, interface: Dialect | None
) -> None:
    (need,) = found(tmp_path, Services(table, interface))
    assert not need.ok
    assert (need.what, need.needs) == ("backend.dialect", "cic-ussd of 2022")
    sign = "has no column `guardians`" if table else "http://127.0.0.1:1/ has no /health-check"
    assert need.has.startswith("cic-ussd of 2021: ")
    assert sign in need.has
    assert need.hint == 'set `dialect: "2021"` in `backend` of the scenario'
    assert found(tmp_path, Services(table, interface), dialect="2021") == []


def test_a_server_of_today_is_told_to_a_scenario_for_2021(tmp_path: Path) -> None:
    (need,) = found(tmp_path, Services(NEW, NEW), dialect="2021")
    assert not need.ok
    assert need.hint == "set `dialect: current` in `backend` of the scenario"


def test_a_table_of_another_server_is_told(tmp_path: Path) -> None:
    (need,) = found(tmp_path, Services(OLD, NEW))
    assert not need.ok
    assert "is `accounts` in the environment file the database of this phone interface?" in need.hint


@pytest.mark.parametrize(("table", "interface"), [(NEW, OLD), (None, OLD)])
def test_pins_of_today_are_refused_for_a_server_without_a_health_check(
    tmp_path: Path, table: Dialect | None, interface: Dialect
) -> None:
    pins = [need for need in found(tmp_path, Services(table, interface), pins="bcrypt") if need.what == "pins.scheme"]
    assert [need.ok for need in pins] == [False]
    assert "reads fernet only" in pins[0].has
    assert not [
        need for need in found(tmp_path, Services(table, interface), pins="fernet") if need.what == "pins.scheme"
    ]


@pytest.mark.parametrize(
    ("held", "scheme", "warned"),
    [((), "bcrypt", False), (("bcrypt",), "bcrypt", False), (("bcrypt", "fernet"), "fernet", False),
     (("bcrypt",), "fernet", True), (("fernet",), "bcrypt", True)],
)  # fmt: skip
def test_pins_of_another_scheme_than_those_of_the_table_are_warned_of(
    tmp_path: Path, held: tuple[str, ...], scheme: str, warned: bool
) -> None:
    needs = found(tmp_path, Services(NEW, NEW, held), pins=scheme)
    assert [(need.ok, need.warns) for need in needs] == ([(True, True)] if warned else [])


def test_services_that_the_environment_does_not_have_are_not_asked(tmp_path: Path) -> None:
    services = Services(OLD, OLD)
    services.environment = SimpleNamespace(accounts=None, ussd=None)
    assert found(tmp_path, services) == []
