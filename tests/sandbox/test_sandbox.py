"""The sandbox as a whole: up, down, found again, gone on with, and never in anybody's way."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import address_of
from cicscenario.errors import InvalidError, StateRefusedError, UnavailableError
from cicscenario.language import load_environment
from cicscenario.sandbox import nodes, stack
from cicscenario.sandbox.packages import cache_folder
from cicscenario.sandbox.record import Record, write_record
from cicscenario.sandbox.services.base import Site
from cicscenario.sandbox.services.node import private_key
from tests.support.processes import listens_at
from tests.support.sandboxes import NODES

anvil = pytest.mark.parametrize("node", NODES[1:], indirect=True)
embedded = pytest.mark.parametrize("node", NODES[:1], indirect=True)


def rpc(home: Path) -> Rpc:
    return Rpc(stack.status(home)[0].address)


def pid(home: Path) -> int:
    found = stack.status(home)[0].pid
    assert found is not None
    return found


def state(home: Path) -> str:
    return stack.status(home)[0].state


def test_it_is_described_by_an_ordinary_environment_file(home: Path, node: str) -> None:
    info = stack.up(home, node=node)
    assert info.started
    assert info.environment == home / "sandbox" / "environment.yaml"
    chain = load_environment(info.environment).chain
    client = Rpc(chain.rpc)
    assert int(client.call("eth_chainId"), 16) == chain.spec.network_id == 8996
    assert str(chain.spec) == "evm:byzantium:8996:bloxberg"
    assert len(client.call("eth_getCode", chain.registry, "latest")) > 2000
    signer = address_of(bytes.fromhex((home / "sandbox" / "signer.key").read_text()))
    assert int(client.call("eth_getBalance", f"0x{signer.hex()}", "latest"), 16) == nodes.FUNDS
    assert int(client.call("eth_getBlockByNumber", "latest", False).get("baseFeePerGas", "0x0"), 16) == 0


def test_up_and_down_and_what_status_says(home: Path, node: str) -> None:
    assert stack.status(home) == []
    assert not stack.down(home)
    assert stack.running_environment(home) is None
    info = stack.up(home, node=node, contracts="latest")
    (service,) = stack.status(home)
    assert (service.name, service.state) == ("node", "up")
    assert service.detail.startswith(f"{node} node, latest contracts, registry 0x")
    assert stack.running_environment(home) == info.environment
    assert not stack.up(home).started, "the second up uses what is there"
    assert pid(home) == service.pid
    assert stack.down(home)
    assert state(home) == "down"
    assert stack.running_environment(home) is None
    assert not Path(f"/proc/{service.pid}/exe").exists()
    with pytest.raises(UnavailableError, match="does not answer"):
        rpc(home).call("eth_chainId")


def _memory(home: Path) -> dict[str, Any]:
    """What a run needs the chain to remember."""
    client = rpc(home)
    logs = client.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})
    sent = logs[0]["transactionHash"]
    signer = address_of(bytes.fromhex((home / "sandbox" / "signer.key").read_text()))
    return {
        "genesis": client.call("eth_getBlockByNumber", "0x0", False)["hash"],
        "logs": logs,
        "receipt": client.call("eth_getTransactionReceipt", sent)["blockHash"],
        "transaction": client.call("eth_getTransactionByHash", sent)["nonce"],
        "balance": client.call("eth_getBalance", f"0x{signer.hex()}", "latest"),
        "nonce": client.call("eth_getTransactionCount", f"0x{signer.hex()}", "latest"),
        "environment": (home / "sandbox" / "environment.yaml").read_text(),
    }


def test_started_again_it_goes_on_where_it_was(home: Path, node: str) -> None:
    stack.up(home, node=node)
    before = _memory(home)
    assert len(before["logs"]) >= 5
    stack.down(home)
    assert stack.up(home).started
    assert _memory(home) == before


def _sent_by_the_signer(home: Path) -> int:
    """How many transactions, those that wait among them: the next nonce."""
    signer = address_of(bytes.fromhex((home / "sandbox" / "signer.key").read_text()))
    return int(rpc(home).call("eth_getTransactionCount", f"0x{signer.hex()}", "pending"), 16)


@pytest.mark.slow
def test_nobody_but_a_run_sends_with_its_signer(home: Path) -> None:
    """A run counts its signer's nonces itself: of one that somebody else drew it never recovers."""
    stack.up(home)
    stack.up(home, services=["custodial"])
    assert _sent_by_the_signer(home) == 0


@pytest.mark.slow
def test_a_sandbox_whose_contracts_are_its_signers_goes_on_as_it_was(home: Path, node: str) -> None:
    """Before the owner had a key of its own, the signer's was the only one."""
    folder = home / "sandbox"
    folder.mkdir(parents=True)
    for name in ("signer.key", "owner.key"):
        (folder / name).write_text("5a" * 32 + "\n")
    stack.up(home, node=node)
    (folder / "owner.key").unlink()
    before = _memory(home)
    assert not stack.up(home).started
    stack.down(home)
    stack.up(home)
    assert _memory(home) == before
    stack.up(home, services=["custodial"])
    assert _sent_by_the_signer(home) == int(before["nonce"], 16) + 3, "it sets the engine's roles up"


def test_two_sandboxes_do_not_share_a_chain(home: Path, tmp_path: Path) -> None:
    stack.up(home)
    try:
        stack.up(tmp_path / "other")
        assert _memory(home)["genesis"] != _memory(tmp_path / "other")["genesis"]
    finally:
        stack.down(tmp_path / "other")


@embedded
def test_a_killed_embedded_node_loses_nothing(home: Path, node: str) -> None:
    stack.up(home, node=node)
    before = _memory(home)
    os.kill(pid(home), signal.SIGKILL)
    assert stack.up(home).started
    assert _memory(home) == before


@pytest.mark.slow
@anvil
def test_an_anvil_killed_before_it_saved_is_refused(home: Path, node: str) -> None:
    stack.up(home, node=node)
    os.kill(pid(home), signal.SIGKILL)
    with pytest.raises(StateRefusedError, match="lost the contracts") as refused:
        stack.up(home)
    assert "--purge" in (refused.value.hint or "")
    assert state(home) == "down", "what a failed start has started, it ends"
    stack.down(home, purge=True)
    assert stack.up(home, node=node).started


@anvil
def test_anvil_leaves_no_files_elsewhere(
    home: Path, node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CICSCENARIO_CACHE", str(cache_folder()))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    (tmp_path / "user").mkdir()
    stack.up(home, node=node)
    surroundings = Path(f"/proc/{pid(home)}/environ").read_bytes().split(b"\0")
    assert not [variable for variable in surroundings if variable.startswith(b"CICSCENARIO")]
    for name in ("HOME", "TMPDIR"):
        assert f"{name}={home}/sandbox/chain".encode() in surroundings
    stack.down(home)
    assert list((tmp_path / "user").iterdir()) == []


def test_two_at_once_start_one(home: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cicscenario.sandbox import stack\n"
        "print(stack.up(Path(sys.argv[1])).started)"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, home], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(one.communicate(timeout=60)[0].strip() for one in both) == ["False", "True"]
    assert state(home) == "up"


def test_what_a_killed_starter_left_half_done_is_finished(home: Path) -> None:
    """Killed between starting the node and describing it: the node is up, without contracts and environment file."""
    stack.up(home)
    first = pid(home)
    held = stack._Stack(home)
    record = held.record()
    assert record is not None
    record.registry = ""
    write_record(held._record, record)
    held.environment.unlink()
    assert stack.running_environment(home) is None
    assert not stack.up(home).started
    assert pid(home) == first
    assert load_environment(held.environment).chain.registry


@pytest.mark.parametrize(
    ("asked", "named"),
    [({"node": "anvil"}, "--node embedded, not anvil"), ({"contracts": "latest"}, "classic, not latest")],
)
def test_data_made_with_other_options_is_refused(home: Path, asked: dict[str, str], named: str) -> None:
    stack.up(home, node="embedded", contracts="classic")
    with pytest.raises(StateRefusedError, match=named) as refused:
        stack.up(home, **asked)
    assert "--purge" in (refused.value.hint or "")
    assert "CICSCENARIO_HOME" in (refused.value.hint or "")
    assert state(home) == "up", "the one that runs is left alone"


def test_unknown_options_are_named_with_those_there_are(home: Path) -> None:
    with pytest.raises(InvalidError, match="unknown node: geth") as invalid:
        stack.up(home, node="geth")
    assert "embedded, anvil" in (invalid.value.hint or "")
    assert not (home / "sandbox").exists()


def test_purge_leaves_no_data(home: Path) -> None:
    stack.up(home)
    assert stack.down(home, purge=True)
    assert not (home / "sandbox").exists()
    assert stack.status(home) == []


def test_secrets_are_their_owners_alone_and_shown_nowhere(home: Path, node: str) -> None:
    stack.up(home, node=node)
    folder = home / "sandbox"
    names = ("signer.key", "owner.key")
    keys = [(folder / name).read_text().strip() for name in names]
    assert len(set(keys)) == 2
    assert {(folder / name).stat().st_mode & 0o777 for name in names} == {0o600}
    stack.down(home)
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in names:
            assert not any(key.encode() in path.read_bytes() for key in keys), path
    assert not any(key in repr(stack.status(home)) for key in keys)


def test_each_sandbox_has_a_key_of_its_own(home: Path) -> None:
    first = Site(home / "a", Record("", ""))
    second = Site(home / "b", Record("", ""))
    for one in (first, second):
        one.folder.mkdir(parents=True)
    assert private_key(first) == private_key(first) != private_key(second)


def test_nothing_listens_beyond_loopback(home: Path, node: str) -> None:
    stack.up(home, node=node)
    assert listens_at(pid(home)) == ["0100007F"], "127.0.0.1, and nothing else"


def test_a_taken_port_is_left_for_another(home: Path) -> None:
    stack.up(home)
    before = load_environment(home / "sandbox" / "environment.yaml").chain.rpc[0]
    stack.down(home)
    with socket.create_server(("127.0.0.1", int(before.rpartition(":")[2]))):
        stack.up(home)
        after = load_environment(home / "sandbox" / "environment.yaml").chain.rpc
        assert after != before
        assert int(Rpc(after).call("eth_chainId"), 16) == 8996


def test_without_anvil_the_message_says_where_it_is_had(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CICSCENARIO_ANVIL", "/nowhere/anvil")
    with pytest.raises(UnavailableError, match="/nowhere/anvil") as absent:
        stack.up(home, node="anvil")
    assert "@foundry-rs/anvil-linux-amd64" in (absent.value.hint or "")


def test_a_node_that_does_not_start_shows_the_end_of_its_log(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "anvil"
    broken.write_text("#!/bin/sh\necho I am not well >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CICSCENARIO_ANVIL", str(broken))
    with pytest.raises(UnavailableError, match=r"node ended with 3 .*\n  I am not well"):
        stack.up(home, node="anvil")
    assert state(home) == "down"


def test_a_damaged_record_does_not_keep_the_rest_from_being_deleted(home: Path) -> None:
    stack.up(home)
    (home / "sandbox" / "stack.json").write_text("{")
    assert stack.down(home, purge=True)
    assert not (home / "sandbox").exists()


def test_a_damaged_record_is_refused(home: Path) -> None:
    (home / "sandbox").mkdir(parents=True)
    (home / "sandbox" / "stack.json").write_text("{")
    with pytest.raises(StateRefusedError, match="does not describe a sandbox"):
        stack.up(home)
