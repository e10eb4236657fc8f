"""What a check is: a question about every person that only the services can answer."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cicscenario.connections import Connections, Service
from cicscenario.language import Scenario
from cicscenario.state.store import PersonRow


@dataclass(frozen=True)
class CheckContext:
    """What checks may use. ``since`` is the chain's time when the run began, in Unix seconds."""

    scenario: Scenario
    services: Connections
    keyfile: Callable[[bytes], Path]  #: where the keystore file of an address is
    since: int
    done: Callable[[str, int, int], Collection[int]]  #: who in a range of people is through a step


class Verifier(Protocol):
    """Looks at a batch: what is wrong, by person; nobody is named who is right. Only people with an account come here."""

    def __call__(self, people: Sequence[PersonRow]) -> dict[int, str]: ...


@dataclass(frozen=True)
class Check:
    """One verification. ``allowed`` says what a bounded comparison lets pass, or None when it is exact."""

    name: str
    summary: str
    applies: Callable[[Scenario], bool]
    verifier: Callable[[CheckContext], Verifier]
    services: tuple[Service, ...]
    allowed: Callable[[CheckContext], str | None] = lambda context: None


def account(person: PersonRow) -> bytes:
    """The person's account; the engine reports people without one by itself."""
    if person.address is None:
        raise AssertionError(f"person {person.id} came to a check without an account")
    return person.address


def on_chain(scenario: Scenario) -> bool:
    """Whether the scenario does anything on the chain that could be looked for there."""
    return scenario.backend.makes_accounts
