"""Where commands find things: the home folder, run directories, environments; and how they open a run."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cicscenario.backends.eth import keyfile_path
from cicscenario.chain.abi import to_hex
from cicscenario.chain.session import ChainSession, connect
from cicscenario.checks.base import CheckContext
from cicscenario.errors import InvalidError, StateRefusedError
from cicscenario.language import Environment, Scenario, load_environment
from cicscenario.people.generator import Generator
from cicscenario.sandbox.stack import sandbox
from cicscenario.state.lock import FileLock
from cicscenario.state.store import Store

STATE = "state.sqlite"


@dataclass(frozen=True)
class SandboxChoice:
    """Which sandbox to start when a scenario runs in one; ``keep`` leaves it up."""

    node: str | None = None
    contracts: str | None = None
    keep: bool = False


def home() -> Path:
    """``CICSCENARIO_HOME``, else ``.cicscenario`` in the current folder."""
    return Path(os.environ.get("CICSCENARIO_HOME") or ".cicscenario").absolute()


def run_directory(scenario: Scenario, directory: Path | None) -> Path:
    return (directory or home() / "runs" / scenario.name).absolute()


@contextmanager
def environment(scenario: Scenario, override: str | None, choice: SandboxChoice) -> Iterator[Environment]:
    """The environment that the command line or the scenario names; a sandbox is up for as long as this lasts."""
    named = override or scenario.environment
    if named is None:
        raise InvalidError(
            f"{scenario.path} names no environment", hint="add `environment: sandbox` to it, or give --env"
        )
    if named == "sandbox":
        with sandbox(home(), node=choice.node, contracts=choice.contracts, keep=choice.keep) as info:
            yield load_environment(info.environment)
    else:
        yield load_environment(Path(named))


def generator(scenario: Scenario) -> Generator:
    people = scenario.population
    return Generator(
        seed=people.seed,
        locales=people.locales,
        region=people.region,
        languages=people.languages,
        tags=people.tags,
        gift_threshold=scenario.gift.threshold,
    )


def existing_store(directory: Path) -> Store | None:
    """The state in ``directory``, or None when nothing has been run there."""
    path = directory / STATE
    damaged = sorted(directory.glob(f"{STATE}.damaged-*"))
    if damaged and not path.exists():
        raise StateRefusedError(
            f"{directory} has a damaged state, {damaged[-1].name}, and no whole one",
            hint=f"restore a copy as {path}, or set the folder aside with --fresh",
        )
    return Store(path) if path.exists() else None


def set_aside(directory: Path) -> Path | None:
    """Renames a run directory out of the way; nothing is deleted."""
    if not directory.exists():
        return None
    kept = directory.with_name(f"{directory.name}.{datetime.now(UTC).strftime('%Y%m%dT%H%M%S')}")
    directory.rename(kept)
    return kept


def check_context(scenario: Scenario, session: ChainSession, directory: Path, store: Store) -> CheckContext:
    return CheckContext(scenario, session, lambda address: keyfile_path(directory, address), since(store))


def since(store: Store) -> int:
    """The chain's time when the run began."""
    return int(store.meta()["since"])


@contextmanager
def exclusive(directory: Path, session: ChainSession) -> Iterator[None]:
    """Nobody else uses this run directory, nor this signer on this chain, from this machine."""
    shared = Path(tempfile.gettempdir()) / f"cicscenario-{os.getuid()}"
    signer = f"signer-{session.chain_id}-{session.genesis[2:18]}-{session.signer.address.hex()}.lock"
    with ExitStack() as stack:
        stack.enter_context(FileLock(directory / "lock", f"the run directory {directory}"))
        stack.enter_context(FileLock(shared / signer, f"the signer {to_hex(session.signer.address)}"))
        yield


def open_session(scenario: Scenario, where: Environment) -> ChainSession:
    return connect(where.chain, scenario.gift.token)
