"""The step keystore: writes V3 keystore files when the run holds the keys. In the background, as scrypt is slow."""

from cicscenario.capabilities.keyfiles import keyfile_verifier, writes_keyfiles
from cicscenario.capabilities.step import Lane, Part, Step
from cicscenario.language import Scenario
from cicscenario.steps import accounts, work


def _part(scenario: Scenario) -> Part | None:
    return _PART if writes_keyfiles(scenario) else None


_PART = Part("write the keystore files", Lane.BACKGROUND, lambda run, step: work.keystore.executor(run))
STEP = Step(
    "keystore",
    _part,
    after=(accounts.STEP.name,),
    repeatable=True,
    lost=keyfile_verifier,
    lacking="no keystore file",
)
