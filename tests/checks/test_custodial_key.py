"""The check finds keys that the custodial engine does not hold, and does not take silence for a yes."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.checks.custodial_key import CHECK
from cicscenario.errors import UnavailableError
from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import Failed, Lost, Trace

SIGNER = Failed("cic_eth.eth.account.have", "RPCException", "URLError", "it cannot reach its signer", unsigned=True)
FAILED = Failed("cic_eth.eth.account.have", "KeyError", "x", "the task failed")
SILENT = Lost(Trace.QUEUED, "no worker takes tasks from the queue")


def problems(
    answers: Mapping[int, bool | Failed | Lost], size: int, asked: list[int] | None = None
) -> tuple[dict[int, str], list[int]]:
    """What the check says of people, and how many addresses it asked of at a time; the engine holds all other keys."""
    asked = [] if asked is None else asked

    def have(addresses: Sequence[bytes], deadline: float) -> dict[bytes, bool | Failed | Lost]:
        asked.append(len(addresses))
        return {address: answers.get(int.from_bytes(address), True) for address in addresses}

    context: Any = SimpleNamespace(
        services=SimpleNamespace(custodial=SimpleNamespace(have=have, address="queue of Redis"))
    )
    people = [Person(i, "{}", "", "en", (), b"", 1, i.to_bytes(20)) for i in range(size)]
    return CHECK.verifier(context)(people), asked


def test_all_keys_that_are_held_are_no_problem_and_are_asked_for_in_parts_that_can_be_answered_in_time() -> None:
    assert problems({}, 250) == ({}, [100, 100, 50])


def test_a_key_that_is_not_held_is_told_from_one_that_the_engine_fails_for() -> None:
    found, _ = problems({1: False, 2: FAILED}, 5)
    assert found == {
        1: "the custodial engine does not hold the key",
        2: "not known: the task failed (cic_eth.eth.account.have: KeyError: x)",
    }


@pytest.mark.parametrize("no_answer", [SIGNER, SILENT])
@pytest.mark.parametrize("people", [[3], [0, 1, 2, 3, 4], [200], range(250)])
def test_no_answer_is_an_engine_that_is_away_and_says_nothing_about_anybody(
    no_answer: Failed | Lost, people: Sequence[int]
) -> None:
    """Exit code 3: before, it was 1, as if the keys were missing."""
    with pytest.raises(UnavailableError, match=r"queue of Redis.* the key of \d+ or more of 250 people: ") as caught:
        problems(dict.fromkeys(people, no_answer), 250)
    assert str(no_answer) in caught.value.message


def test_an_engine_that_answers_nobody_is_not_asked_for_everybody() -> None:
    asked: list[int] = []
    with pytest.raises(UnavailableError):
        problems(dict.fromkeys(range(250), SILENT), 250, asked)
    assert asked == [100]
