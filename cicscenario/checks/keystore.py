"""The check keystore: the account has a complete V3 keystore file, readable by its owner only."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.keyfiles import keyfile_verifier, writes_keyfiles
from cicscenario.capabilities.remedy import Decision, LeftAlone, MadeAgain, Remedy
from cicscenario.language import Condition

if TYPE_CHECKING:
    from cicscenario.people.person import Person

_AGAIN = MadeAgain("keystore", "the file is written again, from the secret of the run")
_GONE = LeftAlone("the file `secret` of the run directory is gone, so the keys cannot be made again: put it back")


def _judge(context: RunContext, people: Sequence["Person"], problems: Mapping[int, str]) -> dict[int, Decision]:
    decision = _AGAIN if (context.directory / "secret").exists() else _GONE
    return dict.fromkeys((person.id for person in people), decision)


CHECK = Check(
    "keystore",
    "the account's V3 keystore file is there",
    (
        Condition(
            writes_keyfiles,
            ("backend.keystore.kdf", "backend.kind"),
            "when no keystore files are written",
            "choose the backend eth with the kdf light or standard",
        ),
    ),
    keyfile_verifier,
    remedy=Remedy(_judge, ("keystore",)),
)
