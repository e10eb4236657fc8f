"""The keystore files of a run: whether it writes them, and what is wrong with them. Used by the step and the check."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.language import Scenario

if TYPE_CHECKING:
    from cicscenario.people.person import Person


def writes_keyfiles(scenario: Scenario) -> bool:
    """Whether the scenario holds its keys and asks for keystore files."""
    return scenario.backend.traits.sovereign and scenario.backend.option("keystore.kdf") not in (None, "none")


def keyfile_verifier(context: RunContext) -> Verifier:
    """Verifies that each account has a complete keystore file, readable by its owner only."""
    from cicscenario.chain.keyfile import problem_of  # not at the top: declarations refer to this function

    def verify(people: Sequence["Person"]) -> dict[int, str]:
        found = {person.id: problem_of(context.keyfile(person.account), person.account) for person in people}
        return {person: problem for person, problem in found.items() if problem}

    return verify
