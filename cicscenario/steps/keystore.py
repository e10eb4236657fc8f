"""The step keystore: writes V3 keystore files when the run holds the keys. In the background, as scrypt is slow."""

import secrets
from collections.abc import Sequence

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.executor import Batch, Executor, Result
from cicscenario.capabilities.step import Lane, Part, Step
from cicscenario.chain.keyfile import encrypt, problem_of, write_keyfile
from cicscenario.errors import StateRefusedError
from cicscenario.files import write_once
from cicscenario.language import Scenario
from cicscenario.people.person import Person
from cicscenario.state.rows import Outcome
from cicscenario.steps import accounts


def _executor(context: RunContext, step: str) -> Executor:
    kdf: str = context.scenario.backend.option("keystore.kdf")
    password = _password(context)

    def run(batch: Batch) -> Result:
        result = Result()
        for person in batch.people:
            if context.stopping.is_set():
                break
            path = context.keyfile(person.account)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            write_keyfile(path, encrypt(context.backend.private_key(person), password, kdf))
            result.outcomes.append(Outcome(person.id, ok=True))
        return result

    return run


def _password(context: RunContext) -> str:
    """The scenario's password, or one that is created once in the run directory, readable by the owner only."""
    if given := context.scenario.backend.option("keystore.password"):
        return str(given.reveal())
    path = context.directory / "keystore.password"
    if not path.exists():
        write_once(path, secrets.token_hex(32))
    text = path.read_text("utf-8")
    if len(text) != 64:
        raise StateRefusedError(f"{path} is damaged: expected 64 hexadecimal digits, found {len(text)} characters")
    return text


def _lost(context: RunContext) -> Verifier:
    def verify(people: Sequence[Person]) -> dict[int, str]:
        found = {person.id: problem_of(context.keyfile(person.account), person.account) for person in people}
        return {person: problem for person, problem in found.items() if problem}

    return verify


def _part(scenario: Scenario) -> Part | None:
    wanted = scenario.backend.traits.sovereign and scenario.backend.option("keystore.kdf") not in (None, "none")
    return _PART if wanted else None


_PART = Part("write the keystore files", Lane.BACKGROUND, _executor)
STEP = Step("keystore", _part, after=(accounts.STEP.name,), repeatable=True, lost=_lost)
