"""The check dials everybody, and does not wait for an interface that is dead once for every person."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from cicscenario.checks.ussd import CHECK
from cicscenario.people.person import Person
from cicscenario.services.ussd import UssdError
from cicscenario.services.ussd_screens import Screen, State

SILENT = UssdError("phone interface cannot be reached", taken=False, answered=False)
FAILED = UssdError("phone interface answered 500", taken=False)
START = Screen("CON Balance 1.0 GFT", State.START, "en")


class NoPauses:
    """An event that nobody sets, and for which nobody waits."""

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        return False


def people(first: int, stop: int) -> list[Person]:
    return [Person(n, "{}", f"+254711{n:06}", "en", (), b"", 1, bytes(20)) for n in range(first, stop)]


class Interface:
    """Shows the start menu to all but those for whom ``errors`` says otherwise, as often as it says."""

    def __init__(self, errors: dict[int, list[UssdError]]) -> None:
        self._errors = errors
        self.dialled: list[int] = []

    def dial(self, phone: str) -> Screen:
        person = int(phone[-6:])
        self.dialled.append(person)
        if self._errors.get(person):
            raise self._errors[person].pop(0)
        return START

    def verifier(self) -> Any:
        scenario = SimpleNamespace(pins=True, ussd_data=True)
        context: Any = SimpleNamespace(
            scenario=scenario,
            services=SimpleNamespace(ussd=self),
            stopping=NoPauses(),
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
    interface = Interface({person: [SILENT] * 5 for person in range(10, 1000)})
    verify = interface.verifier()
    found = verify(people(0, 500)) | verify(people(500, 1000))
    assert sorted(set(interface.dialled)) == list(range(13))
    assert sorted(found) == list(range(10, 1000)), "nobody is taken for right who was not dialled"
    assert found[10] == "phone interface cannot be reached"
    assert found[999] == "was not dialled: phone interface cannot be reached"


def test_silence_for_some_is_their_own_and_is_asked_again() -> None:
    interface = Interface({0: [SILENT] * 5, 1: [SILENT] * 5, 3: [SILENT] * 4, 5: [SILENT] * 5, 6: [SILENT] * 5})
    assert sorted(interface.verifier()(people(0, 20))) == [0, 1, 5, 6]


def test_an_interface_that_fails_for_many_is_asked_for_each() -> None:
    interface = Interface({person: [FAILED] * 5 for person in range(10)})
    assert sorted(interface.verifier()(people(0, 20))) == list(range(10))
    assert set(interface.dialled) == set(range(20))
