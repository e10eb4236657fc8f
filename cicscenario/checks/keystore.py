"""The check keystore: the account has a complete V3 keystore file, readable by its owner only."""

from collections.abc import Sequence

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.chain.keyfile import problem_of
from cicscenario.language import Condition
from cicscenario.people.person import Person


def _verifier(context: RunContext) -> Verifier:
    def verify(people: Sequence[Person]) -> dict[int, str]:
        found = {person.id: problem_of(context.keyfile(person.account), person.account) for person in people}
        return {person: problem for person, problem in found.items() if problem}

    return verify


CHECK = Check(
    "keystore",
    "the account's V3 keystore file is there",
    (
        Condition(
            lambda s: s.backend.traits.sovereign and s.backend.option("keystore.kdf") not in (None, "none"),
            ("backend.keystore.kdf", "backend.kind"),
            "when no keystore files are written",
            "choose the backend eth with the kdf light or standard",
        ),
    ),
    _verifier,
)
