"""The check dials everybody, waits for an interface that is held up, and gives a dead one up once for all people."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.capabilities.check import NotKnown
from cicscenario.checks.ussd import CHECK
from cicscenario.checks.work.ussd_calls import ROUNDS
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
        behind: dict[int, Screen] | None = None,
    ) -> None:
        """``behind`` is what a person is shown whose session was left."""
        self._errors = errors or {}
        self._shows = shows or {}
        self._rows = rows
        self._states = states or {}
        self._behind = behind or {}
        self.is_away = False
        self.repeats_itself = False
        self.left: list[str] = []
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

    def leave(self, phone: str, session: str) -> None:
        self.left.append(session)
        person = int(phone[-6:])
        self._errors.pop(person, None)
        self._shows[person] = self._behind.get(person, START)

    def check(self) -> None:
        if self.is_away:
            raise SILENT

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


def test_a_number_that_the_account_table_lacks_is_not_dialled() -> None:
    """The interface would make another account for it: a check changes nothing."""
    there = AccountRow("", 2, "hash", "en", 0)
    interface = Interface(rows={0: there, 2: there}, states={0: "exit", 2: "exit"})
    assert interface.verifier()(people(0, 3)) == {
        1: "was not dialled, because the account table has no phone number +254711000001"
    }
    assert interface.dialled == [0, 2]


def test_an_interface_that_answers_nobody_is_given_up_for_all_that_are_left() -> None:
    interface = Interface({person: [SILENT] * 50 for person in range(10, 1000)})
    verify = interface.verifier()
    found = verify(people(0, 500)) | verify(people(500, 1000))
    assert sorted(set(interface.dialled)) == list(range(13))
    assert sorted(found) == list(range(10, 1000)), "nobody is taken for right who was not dialled"
    assert found[10] == "phone interface cannot be reached"
    assert found[999] == "was not dialled: phone interface cannot be reached"


def test_where_the_client_repeats_by_itself_nobody_is_dialled_again_for_want_of_an_answer() -> None:
    interface = Interface({0: [SILENT]})
    interface.repeats_itself = True
    assert list(interface.verifier()(people(0, 3))) == [0]
    assert interface.dialled == [0, 1, 2]


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
    return Screen(text, state, "en", "a session")


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
    interface = Interface(shows={0: ENTER_NAME}, rows={0: row}, states={0: state}, behind={0: ENTER_NAME})
    assert (interface.verifier()(people(0, 1)) == {}) is is_right


def test_a_500_for_an_active_account_without_a_session_is_explained() -> None:
    interface = Interface({0: [FAILED] * 50, 1: [FAILED] * 50}, rows={0: ACTIVE, 1: ACTIVE}, states={1: "exit"})
    found = interface.verifier()(people(0, 3))
    assert "there is no row of +254711000000 in table `ussd_session`" in found[0]
    assert "ussd_session" not in found[1]


# --- sessions that are left -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state", [State.PIN_ENTRY, State.PIN_CONFIRMATION, State.LANGUAGE_MENU, State.ACCOUNT_CREATION, State.UNKNOWN]
)
def test_a_session_that_stopped_before_the_account_was_active_is_left(state: State) -> None:
    """What is shown then depends on the account, and not on who dialled last."""
    interface = Interface(shows={0: screen(state)}, rows={0: ACTIVE}, states={0: "initial_pin_entry"})
    assert interface.verifier()(people(0, 1)) == {}
    assert interface.left == ["a session"]


def test_a_session_that_the_interface_cannot_resume_is_left() -> None:
    error = UssdError("phone interface answered 500", taken=False, session="another session")
    interface = Interface({0: [error] * 50}, rows={0: ACTIVE}, states={0: "transaction_pin_authorization"})
    assert interface.verifier()(people(0, 1)) == {}
    assert interface.left == ["another session"]


def test_a_session_that_is_stored_late_is_left_again() -> None:
    """The interface stores a session after its answer, so the next dial may still find the one before."""
    shown = screen(State.PIN_ENTRY)
    interface = Interface(shows={0: shown}, rows={0: ACTIVE}, states={0: "initial_pin_entry"}, behind={0: shown})
    verify = interface.verifier()
    (problem,) = verify(people(0, 1)).values()
    assert "is shown pin_entry" in problem
    assert 1 < len(interface.left) < 5


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (None, "initial_language_selection"),
        (AccountRow("00" * 20, 1, "a hash", "en", 0), "initial_pin_entry"),
        (AccountRow("00" * 20, 2, None, "en", 0), "initial_pin_entry"),
        (ACTIVE, None),
    ],
)
def test_no_session_is_left_of_a_number_that_may_not_be_registered_or_has_no_session_to_resume(
    row: AccountRow | None, state: str | None
) -> None:
    """There 0 would choose a language, which makes an account; and who is not active is shown what they are."""
    interface = Interface(shows={0: screen(State.PIN_ENTRY)}, rows={0: row} if row else {}, states={0: state})
    assert len(interface.verifier()(people(0, 1))) == 1
    assert interface.left == []


def test_without_an_account_table_no_session_is_left() -> None:
    interface = Interface(shows={0: screen(State.LANGUAGE_MENU)})
    assert len(interface.verifier()(people(0, 1))) == 1
    assert interface.left == []


def test_who_blocked_their_pin_is_told_and_nothing_is_entered_for_them() -> None:
    blocked = Screen("END Your PIN has been blocked.", State.BLOCKED, "en", "a session")
    interface = Interface(shows={0: blocked}, rows={0: ACTIVE}, states={0: "exit_pin_blocked"})
    assert len(interface.verifier()(people(0, 1))) == 1
    assert interface.left == []


# --- an interface that is away --------------------------------------------------------------------------------------


def test_who_could_not_be_asked_about_is_not_said_to_be_wrong() -> None:
    interface = Interface({person: [SILENT] * 50 for person in range(10)})
    interface.is_away = True
    assert {type(problem) for problem in interface.verifier()(people(0, 10)).values()} == {NotKnown}


@pytest.mark.parametrize("away", [True, False])
def test_a_dial_that_is_not_answered_while_others_are_is_that_persons_problem(away: bool) -> None:
    """cic-ussd of 2021 closes the connection where it fails. Whether it is there is asked with a number that cannot be."""
    interface = Interface({3: [SILENT] * 50})
    interface.is_away = away
    (problem,) = interface.verifier()(people(0, 10)).values()
    assert isinstance(problem, NotKnown) == away
    assert problem == "phone interface cannot be reached"
