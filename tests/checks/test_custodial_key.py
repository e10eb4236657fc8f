"""The check finds keys that the custodial engine does not hold, and does not take silence for a yes."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from cicscenario.capabilities.check import NotKnown
from cicscenario.checks.custodial_key import CHECK
from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import Failed, Lost, Trace

SIGNER = Failed("cic_eth.eth.account.have", "RPCException", "URLError", "the custodial engine cannot reach its signer")
SILENT = Lost(Trace.QUEUED, "no worker takes tasks from the queue")


def problems(answers: dict[int, bool | Failed | Lost], size: int) -> tuple[dict[int, str], list[int]]:
    """What the check says of people, and how many addresses it asked of at a time; the engine holds all other keys."""
    asked: list[int] = []

    def have(addresses: Sequence[bytes], deadline: float) -> dict[bytes, bool | Failed | Lost]:
        asked.append(len(addresses))
        return {address: answers.get(int.from_bytes(address), True) for address in addresses}

    context: Any = SimpleNamespace(services=SimpleNamespace(custodial=SimpleNamespace(have=have)))
    people = [Person(i, "{}", "", "en", (), b"", 1, i.to_bytes(20)) for i in range(size)]
    return CHECK.verifier(context)(people), asked


def test_all_keys_that_are_held_are_no_problem_and_are_asked_for_in_parts_that_can_be_answered_in_time() -> None:
    assert problems({}, 250) == ({}, [100, 100, 50])


def test_a_key_that_is_not_held_is_told_from_one_that_nobody_could_ask_for() -> None:
    found, _ = problems({1: False, 2: SIGNER, 3: SILENT}, 5)
    assert found == {
        1: "the custodial engine does not hold the key",
        2: "not known: the custodial engine cannot reach its signer (cic_eth.eth.account.have: RPCException: URLError)",
        3: "not known: no worker takes tasks from the queue",
    }


def test_an_engine_that_answers_nobody_is_not_asked_for_everybody() -> None:
    found, asked = problems(dict.fromkeys(range(250), SILENT), 250)
    assert asked == [100]
    assert found[0] == "not known: no worker takes tasks from the queue"
    assert found[249] == "not asked: not known: no worker takes tasks from the queue"
    assert len(found) == 250
    assert {type(problem) for problem in found.values()} == {NotKnown}


def test_only_a_key_that_is_not_held_is_known_to_be_missing() -> None:
    found, _ = problems({1: False, 2: SIGNER, 3: SILENT}, 5)
    assert {person: type(problem) for person, problem in found.items()} == {1: str, 2: NotKnown, 3: NotKnown}
