"""Verification as a whole: it can be stopped, and what it could not finish leaves no trace."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cicscenario.checks.base import Check
from cicscenario.engine.verify import verify
from cicscenario.errors import InterruptedRunError, UnavailableError
from cicscenario.state.store import Outcome, PersonRow, Store

PEOPLE = 5000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "state.sqlite")
    people = [PersonRow(n, "{}", f"+2547{n:08d}", "en", (), b"", 1, n.to_bytes(20, "big")) for n in range(PEOPLE)]
    store.commit("population", [Outcome(person.id, ok=True) for person in people], people=people)
    return store


def asking(verifier: Any) -> Check:
    return Check("asking", "asks", lambda scenario: True, lambda context: verifier, ())


class Context:
    scenario = None


def test_it_stops_when_it_is_asked_to(store: Store) -> None:
    stopping = threading.Event()
    asked: list[int] = []

    def verifier(people: Sequence[PersonRow]) -> dict[int, str]:
        asked.append(len(people))
        assert stopping.wait(30)
        return {}

    threading.Timer(0.2, stopping.set).start()
    with pytest.raises(InterruptedRunError, match="while checking asking"):
        verify([asking(verifier)], Context(), store, PEOPLE, print, stopping)  # type: ignore[arg-type]
    assert store.checks() == {}
    assert sum(asked) < PEOPLE, "nobody else is asked about"


def test_a_service_that_is_gone_is_not_asked_about_everybody(store: Store) -> None:
    asked: list[int] = []

    def verifier(people: Sequence[PersonRow]) -> dict[int, str]:
        asked.append(len(people))
        threading.Event().wait(0.1)
        raise UnavailableError("the service is gone")

    with pytest.raises(UnavailableError, match="gone"):
        verify([asking(verifier)], Context(), store, PEOPLE, print, threading.Event())  # type: ignore[arg-type]
    assert sum(asked) < PEOPLE
