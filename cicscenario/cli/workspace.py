"""Where commands find things: the home folder, run directories, environments; and how they open a run."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cicscenario.backends.eth import keyfile_path
from cicscenario.chain.abi import to_hex
from cicscenario.chain.session import ChainSession
from cicscenario.checks.base import CheckContext
from cicscenario.connections import Connections, Service
from cicscenario.errors import InvalidError, StateRefusedError
from cicscenario.language import Environment, Scenario, load_environment
from cicscenario.plan.compile import Plan
from cicscenario.sandbox.stack import sandbox
from cicscenario.state.lock import FileLock, user_lock
from cicscenario.state.store import STATE, Store


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
def connections(plan: Plan, override: str | None, choice: SandboxChoice) -> Iterator[Connections]:
    """The services of the environment that the command line or the scenario names; a sandbox is up as long as this lasts."""
    with _environment(plan, override, choice) as where:
        services = open_services(plan.scenario, where)
        try:
            yield services
        finally:
            services.close()


def open_services(scenario: Scenario, where: Environment) -> Connections:
    return Connections(where, token=scenario.gift.token, dialect=scenario.backend.dialect)


@contextmanager
def _environment(plan: Plan, override: str | None, choice: SandboxChoice) -> Iterator[Environment]:
    scenario = plan.scenario
    named = override or scenario.environment
    if named is None:
        raise InvalidError(
            f"{scenario.path} names no environment", hint="add `environment: sandbox` to it, or give --env"
        )
    if named == "sandbox":
        dialect = "2021" if scenario.backend.dialect == "2021" else None
        with sandbox(
            home(),
            services=sandbox_services(plan),
            node=choice.node,
            contracts=choice.contracts,
            dialect=dialect,
            keep=choice.keep,
        ) as info:
            yield load_environment(info.environment)
    else:
        yield load_environment(Path(named))


def sandbox_services(plan: Plan) -> list[str]:
    """The sandbox's daemons that a plan needs. The environment always says where the chain is, so the node is one."""
    daemons = {Service.CHAIN: "node", Service.ACCOUNTS: "ussd"}
    return ["node", *(daemons.get(service, service.value) for service in plan.services)]


def existing_store(directory: Path, *, set_aside: bool = False) -> Store | None:
    """The state in ``directory``, or None when nothing has been run there; see Store for ``set_aside``."""
    path = directory / STATE
    damaged = sorted(directory.glob(f"{STATE}.damaged-*"))
    if damaged and not path.exists():
        raise StateRefusedError(
            f"{directory} has a damaged state, {damaged[-1].name}, and no whole one",
            hint=f"restore a copy as {path}; without it nobody knows who was paid, and a new run pays everybody anew",
        )
    return Store(path, set_aside=set_aside) if path.exists() else None


def store_of_a_run(directory: Path, scenario: Path) -> Store:
    """The state in ``directory``, which a run has begun; raises InvalidError when none has."""
    store = existing_store(directory)
    if store and store.meta():
        return store
    if store:
        store.close()
    raise InvalidError(f"nothing has been run in {directory}", hint=f"cicscenario run {scenario}")


def set_aside(directory: Path) -> Path | None:
    """Renames the directory of a run out of the way, damaged or not; nothing is deleted."""
    if not any(directory.glob(f"{STATE}*")):
        return None
    kept = directory.with_name(f"{directory.name}.{datetime.now(UTC).strftime('%Y%m%dT%H%M%S')}")
    directory.rename(kept)
    return kept


def check_context(scenario: Scenario, services: Connections, directory: Path, store: Store) -> CheckContext:
    since = int(store.meta()["since"])
    return CheckContext(scenario, services, lambda address: keyfile_path(directory, address), since, store.done)


def directory_lock(directory: Path) -> FileLock:
    """Nobody else runs in this directory while it is held."""
    return FileLock(directory / "lock", f"the run directory {directory}")


def signer_lock(session: ChainSession) -> AbstractContextManager[None]:
    """Nobody else uses this signer on this chain, from this machine, while it is held."""
    name = f"signer-{session.chain_id}-{session.genesis[2:18]}-{session.signer.address.hex()}.lock"
    return user_lock(name, f"the signer {to_hex(session.signer.address)}")
