"""The check keystore: the account has a complete V3 keystore file, readable by its owner only."""

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.keyfiles import keyfile_verifier, writes_keyfiles
from cicscenario.language import Condition

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
)
