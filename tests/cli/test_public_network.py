"""A node with the chain id of a public network: nobody is paid without a word, and all are with it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cicscenario.errors import ExitCode
from cicscenario.sandbox import nodes
from tests.support.sandboxes import Run, Sandbox

pytestmark = pytest.mark.slow


def test_a_run_on_chain_1_needs_the_word(
    monkeypatch: pytest.MonkeyPatch, sandbox_of: Callable[..., Sandbox], scenario: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(nodes, "CHAIN_ID", 1)
    monkeypatch.setattr(nodes, "CHAIN_SPEC", "evm:london:1:ethereum")
    box = sandbox_of()
    environment = box.environment.read_text()
    run = Run(box, scenario, tmp_path / "run")
    refused = run.command()
    assert refused.returncode == ExitCode.INVALID
    assert "chain 1 is a public network, Ethereum Mainnet" in refused.stderr
    assert "public_network: 1" in refused.stderr
    assert not run.place.exists() or not run.rows("SELECT * FROM ledger")

    box.environment.write_text(environment + "public_network: 1\n")
    before = box.block()
    planned = box.command("plan", str(scenario), "--env", str(box.environment))
    assert planned.returncode == ExitCode.OK, planned.stderr
    assert box.block() == before
    done = run.command()
    assert done.returncode == ExitCode.OK, done.stderr
    assert box.block() > before
