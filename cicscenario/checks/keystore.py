"""Is there a whole V3 keystore file for the account, readable by its owner only?"""

import json
import stat
from collections.abc import Sequence
from pathlib import Path

from cicscenario.checks.base import Check, CheckContext, Verifier, account
from cicscenario.state.store import PersonRow


def _verifier(context: CheckContext) -> Verifier:
    def verify(people: Sequence[PersonRow]) -> dict[int, str]:
        found = {p.id: _problem(context.keyfile(account(p)), account(p)) for p in people}
        return {person: problem for person, problem in found.items() if problem}

    return verify


def _problem(path: Path, address: bytes) -> str | None:
    try:
        mode = path.stat().st_mode
        held = json.loads(path.read_bytes())
        named = held["address"].lower().removeprefix("0x")
        complete = held["version"] == 3 and held["crypto"]["ciphertext"] and held["crypto"]["mac"]
    except FileNotFoundError:
        return f"keystore file {path.name} is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"keystore file {path.name} cannot be read: {error!r}"
    if not complete or named != address.hex():
        return f"keystore file {path.name} is not a V3 file of this account"
    if stat.S_IMODE(mode) & 0o077:
        return f"keystore file {path.name} can be read by others (mode {stat.S_IMODE(mode):o})"
    return None


CHECK = Check(
    "keystore",
    "the account's V3 keystore file is there",
    lambda scenario: scenario.backend.kind == "eth" and scenario.backend.keystore.kdf != "none",
    _verifier,
    (),
)
