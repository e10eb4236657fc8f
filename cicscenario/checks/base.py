"""What a check is: a question about every person that only the services can answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cicscenario.chain.session import ChainSession
from cicscenario.language import Scenario
from cicscenario.state.store import PersonRow


@dataclass(frozen=True)
class CheckContext:
    """What checks may use. ``since`` is the chain's time when the run began, in Unix seconds."""

    scenario: Scenario
    chain: ChainSession
    keyfile: Callable[[bytes], Path]  #: where the keystore file of an address is
    since: int


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
    allowed: Callable[[CheckContext], str | None] = lambda context: None


def account(person: PersonRow) -> bytes:
    """The person's account; the engine reports people without one by itself."""
    if person.address is None:
        raise AssertionError(f"person {person.id} came to a check without an account")
    return person.address
