"""The check dials everybody, waits for an interface that is held up, and gives a dead one up once for all people."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.checks.ussd import CHECK
from cicscenario.checks.ussd_calls import ROUNDS
from cicscenario.errors import UnavailableError
from cicscenario.people.person import Person
from cicscenario.services.accounts import AccountRow
from cicscenario.services.ussd import UssdError
from cicscenario.services.ussd_screens import IN_ACCOUNT, Screen, State

SILENT = UssdError("phone interface cannot be reached", taken=False, answered=False)
FAILED = UssdError("phone interface answered 500", taken=False)
START = Screen("CON Balance 1.0 GFT", State.START, "en")


def people(first: int, stop: int) -> list[Person]:
    return [Person(n, "{}", f"+254711{n:06}", "en", (), b"", 1, bytes(20)) for n in range(first, stop)]


class Interface:
    """Shows the start menu to all but those for whom ``shows`` or ``errors`` says otherwise, as often as it says."""

    def __init__(
        self,
        errors: dict[int, list[UssdError]] | None = None,
        shows: dict[int, Screen] | None = None,
        *,
        rows: dict[int, AccountRow] | None = None,
        states: dict[int, str | None] | None = None,
    ) -> None:
        self._errors = errors or {}
        self._shows = shows or {}
        self._rows = rows
        self._states = states or {}
        self.dialled: list[int] = []
        self.waits: list[float] = []

    # the event that pauses: nobody sets it, and nobody waits for it
    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return False

    # the phone interface
    def dial(self, phone: str) -> Screen:
        person = int(phone[-6:])
        self.dialled.append(person)
        if self._errors.get(person):
            raise self._errors[person].pop(0)
        return self._shows.get(person, START)

    # the account database
    def read(self, phones: Sequence[str]) -> dict[str, AccountRow]:
        return {phone: row for phone in phones if (row := (self._rows or {}).get(int(phone[-6:])))}

    def last_states(self, phones: Sequence[str]) -> dict[str, str | None]:
        return {phone: self._states.get(int(phone[-6:])) for phone in self.read(phones)}

    def verifier(self, *, pins: bool = True) -> Any:
        environment = SimpleNamespace(accounts=None if self._rows is None else "where the table is")
        context: Any = SimpleNamespace(
            scenario=SimpleNamespace(pins=pins, ussd_data=pins),
            services=SimpleNamespace(ussd=self, accounts=self, environment=environment),
            stopping=self,
            accounts_written=lambda first, stop: set(range(first, stop)),
        )
        return CHECK.verifier(context)


def test_a_number_that_the_interface_does_not_take_is_that_persons_problem() -> None:
    interface = Interface({})
    who = people(0, 3)
    who[1] = replace(who[1], phone="+2348031234567")
    assert interface.verifier()(who) == {
        1: "the phone interface does not take the number '+2348031234567': it takes + and 10 to 12 digits"
    }
    assert interface.dialled == [0, 2]


def test_an_interface_that_answers_nobody_is_given_up_for_all_that_are_left() -> None:
    interface = Interface({person: [SILENT] * 50 for person in range(10, 1000)})
    verify = interface.verifier()
    for first in (0, 500):
        with pytest.raises(UnavailableError, match="phone interface cannot be reached"):
            verify(people(first, first + 500))
    assert sorted(set(interface.dialled)) == list(range(13))


def test_an_interface_that_one_dial_holds_is_waited_for() -> None:
    """Every request times out meanwhile; nobody else is given up for that."""
    held = {0: [SILENT], 1: [SILENT], 2: [SILENT] * 3}
    interface = Interface(held)
    assert interface.verifier()(people(0, 20)) == {}


@pytest.mark.parametrize("error", [SILENT, FAILED])
def test_who_fails_goes_behind_the_others(error: UssdError) -> None:
    interface = Interface({3: [error] * 2, 7: [error]})
    assert interface.verifier()(people(0, 10)) == {}
    assert interface.dialled == [*range(10), 3, 7, 3]


def test_nobody_is_judged_while_anybody_moves() -> None:
    """One after the other gets their tokens, the last long after the first has been dialled five times."""
    interface = Interface({person: [FAILED] * (person + 1) for person in range(12)})
    assert interface.verifier()(people(0, 12)) == {}


def test_who_is_refused_when_nobody_moves_any_more_is_judged() -> None:
    interface = Interface({person: [FAILED] * 50 for person in range(10)})
    assert sorted(interface.verifier()(people(0, 20))) == list(range(10))
    assert set(interface.dialled) == set(range(20))
    assert interface.waits == list(ROUNDS)


def screen(state: State, text: str = "CON Something") -> Screen:
    return Screen(text, state, "en")


@pytest.mark.parametrize("state", sorted(IN_ACCOUNT))
@pytest.mark.parametrize("pins", [True, False])
def test_who_has_used_their_phone_since_is_no_error(state: State, pins: bool) -> None:
    """They are shown the menu where they stopped, or the start menu with a PIN of their own."""
    assert Interface(shows={0: screen(state)}).verifier(pins=pins)(people(0, 1)) == {}


@pytest.mark.parametrize(
    "state", [State.LANGUAGE_MENU, State.PIN_ENTRY, State.BLOCKED, State.INVALID_REQUEST, State.UNKNOWN]
)
def test_a_screen_that_does_not_show_an_active_account_is_an_error(state: State) -> None:
    (problem,) = Interface(shows={0: screen(state)}).verifier()(people(0, 1)).values()
    assert problem == f"is shown {state} ('CON Something'), expected start"


ACTIVE = AccountRow("00" * 20, 2, "a hash", "en", 0)
ENTER_NAME = screen(State.UNKNOWN, "CON Enter first name\n0. Back")


@pytest.mark.parametrize(
    ("row", "state", "is_right"),
    [
        (ACTIVE, "enter_given_name", True),
        (ACTIVE, "middle_account_tokens_set", True),
        (ACTIVE, "start", False),  # the start menu in other words
        (ACTIVE, "initial_pin_entry", False),
        (ACTIVE, None, False),
        (AccountRow("00" * 20, 1, "a hash", "en", 0), "enter_given_name", False),
        (AccountRow("00" * 20, 2, None, "en", 0), "enter_given_name", False),
    ],
)
def test_an_unknown_screen_is_right_for_an_active_account_whose_session_stopped_in_a_menu(
    row: AccountRow, state: str | None, is_right: bool
) -> None:
    interface = Interface(shows={0: ENTER_NAME}, rows={0: row}, states={0: state})
    assert (interface.verifier()(people(0, 1)) == {}) is is_right


def test_a_500_for_an_active_account_without_a_session_is_explained() -> None:
    interface = Interface({0: [FAILED] * 50, 1: [FAILED] * 50}, rows={0: ACTIVE, 1: ACTIVE}, states={1: "exit"})
    found = interface.verifier()(people(0, 3))
    assert "there is no row of +254711000000 in table `ussd_session`" in found[0]
    assert "ussd_session" not in found[1]
