"""What many tests need: sandboxes on free ports in temporary folders, ended with the test."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import eth_account  # noqa: F401  # the tests' oracle; see below
import pytest

from cicscenario.invocation import name_run
from cicscenario.sandbox import stack
from tests.support.engine_repair import repair
from tests.support.running_engine import RunningEngine
from tests.support.sandboxes import Run, Sandbox, small_scenario

# Tests begin thousands of processes, and each would compile the whole package again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A library below eth_account raises the interpreter's recursion limit a hundredfold when it is imported, and what should
# be refused as nested too deeply would then crash the interpreter. The commands and servers do not import it.
sys.setrecursionlimit(1000)


collect_ignore = ["outside"]  # a project of its own, which test_outside.py runs


@pytest.fixture(autouse=True)
def _unnamed() -> Iterator[None]:
    """What a test's commands in this process have said of their run is not said in the messages of the next test."""
    yield
    name_run(None)


@pytest.fixture
def sandbox_of(tmp_path: Path) -> Iterator[Callable[..., Sandbox]]:
    """Makes sandboxes of a node and a contract generation, of a node alone unless ``services`` says more."""
    homes: list[Path] = []

    def make(
        node: str = "embedded",
        contracts: str = "classic",
        *,
        services: Sequence[str] = stack.CHAIN_ONLY,
        faults: Sequence[str] | None = None,
    ) -> Sandbox:
        home = tmp_path / f"home{len(homes)}"
        homes.append(home)
        info = stack.up(home, services=services, node=node, contracts=contracts, faults=faults)
        return Sandbox(home, info.environment)

    yield make
    for home in homes:
        stack.down(home, purge=True)


@pytest.fixture
def sandbox(sandbox_of: Callable[..., Sandbox]) -> Sandbox:
    """A sandbox with the embedded node and the classic contracts."""
    return sandbox_of()


@pytest.fixture
def kdf() -> str:
    """How the keys of the scenario's people are kept: not at all, for twelve files take longer than all the rest of it.

    Tests that look at keystore files, or at the step and the check of that name, have it ``light``: see ``with_keystore``.
    """
    return "none"


@pytest.fixture
def scenario(tmp_path: Path, kdf: str) -> Path:
    """A scenario of twelve people."""
    path = tmp_path / "small.yaml"
    path.write_text(small_scenario(kdf))
    return path


@pytest.fixture(scope="session")
def _engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One for all tests: it takes longer to start than most of them do."""
    home = tmp_path_factory.mktemp("engine")
    try:
        yield Sandbox(home, stack.up(home, services=["custodial"]).environment)
    finally:
        stack.down(home, purge=True)


@pytest.fixture
def faults() -> list[str]:
    """Those that the engine lives with in a test; parametrize it to have some."""
    return []


@pytest.fixture
def engine(_engine: Sandbox, faults: list[str]) -> Sandbox:
    """A sandbox with the custodial engine. What an earlier test broke is mended; other tests' accounts are there."""
    stack.up(_engine.home, services=["custodial"], faults=faults)
    repair(RunningEngine(_engine.home))
    return _engine


CUSTODIAL = """
version: 1
name: custodial
population: {size: 12, seed: 5}
gift: {threshold: 200}
backend: {kind: cic_eth, patience: 60}
environment: sandbox
"""


@pytest.fixture
def custodial(tmp_path: Path) -> Path:
    """A scenario of twelve people whose keys the custodial engine holds."""
    path = tmp_path / "custodial.yaml"
    path.write_text(CUSTODIAL)
    return path


@pytest.fixture
def run(engine: Sandbox, custodial: Path, tmp_path: Path) -> Run:
    """A run of the custodial scenario that has not begun."""
    return Run(engine, custodial, tmp_path / "run")


#: Files that take longest, longest first, so that no worker is left alone with one at the end.
LONG = (
    "test_run_custodial.py",
    "test_run_engine_trouble.py",
    "test_hostile_chain.py",
    "test_simulated_runs.py",
    "test_every_boundary.py",
    "test_walkthroughs.py",
    "test_run_phone.py",
    "test_readme.py",
    "test_outside.py",
    "test_run_phone_trouble.py",
    "test_run_killed.py",
    "test_nonces.py",
    "test_hostile_world.py",
    "test_chain_went_back.py",
    "test_state_repair.py",
    "test_rude_runs.py",
    "test_rude_answers.py",
    "test_repair_phone.py",
    "test_kills.py",
    "test_stacks.py",
    "test_secrets.py",
    "test_repair.py",
    "test_verify_again.py",
    "test_run.py",
    "test_html_in_a_browser.py",
    "test_acknowledgement.py",
    "test_snapshot_phone.py",
    "test_surroundings.py",
    "test_snapshot.py",
    "test_commands.py",
    "test_sandbox.py",
    "test_checks.py",
    "test_batches.py",
    "test_run_again.py",
    "test_faults.py",
    "test_ledger.py",
    "test_ledger_failed.py",
    "test_node_away.py",
    "test_custodial_accounts.py",
    "test_stopping.py",
    "test_ussd_recordings.py",
    "test_report.py",
    "test_run_files.py",
    "test_ci_recipes.py",
    "test_plugins.py",
    "test_run_people_by_name.py",
    "test_quiet.py",
    "test_watch.py",
    "test_python.py",
    "test_creation.py",
    "test_clock_moves.py",
    "test_oracle.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    names = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: names.get(item.path.name, len(LONG)))
