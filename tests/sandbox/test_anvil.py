"""anvil in the sandbox makes blocks of what waits, and of nothing else; it keeps few states, and leaves nobody behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest
import requests

from cicscenario.chain.abi import to_hex
from cicscenario.chain.rpc import Rpc, RpcError
from cicscenario.chain.signer import Signer
from cicscenario.sandbox import nodes, stack
from tests.support.sandboxes import needs_anvil
from tests.support.waiting import eventually


@pytest.fixture
def rpc(home: Path) -> Rpc:
    stack.up(home, node="anvil")
    return Rpc(stack.status(home)[0].address)


def block_number(rpc: Rpc) -> int:
    return int(rpc.call("eth_blockNumber"), 16)


@needs_anvil
def test_no_block_is_made_while_nothing_waits(rpc: Rpc) -> None:
    before = block_number(rpc)
    time.sleep(1)
    assert block_number(rpc) == before


@needs_anvil
def test_transactions_that_wait_share_the_next_block(home: Path, rpc: Rpc) -> None:
    signer = Signer(bytes.fromhex((home / "sandbox" / "signer.key").read_text()), nodes.CHAIN_ID)
    first = int(rpc.call("eth_getTransactionCount", to_hex(signer.address), "latest"), 16)
    sent = [
        signer.sign(nonce=first + n, gas_price=10**9, gas=21_000, to=bytes([7] * 20), value=1, data=b"")
        for n in range(50)
    ]
    before = block_number(rpc)
    rpc.calls([("eth_sendRawTransaction", [to_hex(tx.raw)]) for tx in sent])
    eventually(lambda: int(rpc.call("eth_getBalance", to_hex(bytes([7] * 20)), "latest"), 16) == 50, 10)
    assert block_number(rpc) - before <= 3


MINE = b'{"jsonrpc": "2.0", "id": 1, "method": "evm_mine", "params": []}'
ELSEWHERE = "https://evil.example"


@pytest.mark.slow
@needs_anvil
def test_a_page_of_another_site_cannot_post_to_it(rpc: Rpc) -> None:
    """A browser sends these types of body without asking the server, and any other only when the server allows it."""
    before = block_number(rpc)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None):
        said = requests.post(rpc.url, data=MINE, headers={"Content-Type": kind, "Origin": ELSEWHERE}, timeout=20)
        assert "error" in said.json(), kind
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    preflight = requests.options(rpc.url, headers={"Origin": ELSEWHERE, **asked}, timeout=20)
    assert not [name for name in preflight.headers if name.lower().startswith("access-control")]
    assert block_number(rpc) == before


@pytest.mark.slow
@needs_anvil
def test_the_doors_of_anvil_that_stay_open_are_those_of_the_page(rpc: Rpc) -> None:
    """If anvil closes one, docs/guarantees.md has to change: it names both as not promised."""
    page = (Path(__file__).parents[2] / "docs" / "guarantees.md").read_text("utf-8")
    assert "by WebSocket, and one whose name is bound" in " ".join(page.split())
    json_type = {"Content-Type": "application/json"}
    asked = requests.post(rpc.url, data=MINE, headers=json_type | {"Host": "evil.example"}, timeout=20)
    assert "result" in asked.json()

    async def by_websocket() -> str:
        address = rpc.url.replace("http", "ws", 1)
        async with aiohttp.ClientSession() as session, session.ws_connect(address, origin=ELSEWHERE) as socket:
            await socket.send_bytes(MINE)
            return str((await socket.receive(20)).data)

    assert "result" in asyncio.run(by_websocket())


@needs_anvil
def test_only_the_newest_states_are_kept(rpc: Rpc) -> None:
    rpc.call("anvil_mine", 40)
    newest = block_number(rpc)
    rpc.call("eth_getBalance", to_hex(bytes(20)), hex(newest - 5))
    with pytest.raises(RpcError, match="BlockOutOfRange"):
        rpc.call("eth_getBalance", to_hex(bytes(20)), hex(newest - 30))


@needs_anvil
@pytest.mark.usefixtures("rpc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_has_blocks_made_ends_with_it(home: Path, number: signal.Signals) -> None:
    anvil = stack.status(home)[0].pid
    assert anvil is not None
    (miner,) = (int(text) for text in Path(f"/proc/{anvil}/task/{anvil}/children").read_text().split())
    os.kill(anvil, number)
    eventually(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in (anvil, miner)), 20)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--host", "0.0.0.0"], 2, "loopback only"),
        (["--program", "/nowhere/anvil"], 3, "cannot start /nowhere/anvil: No such file or directory"),
    ],
)
def test_what_it_cannot_do_is_said(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    options = ["--program", "anvil", "--port", "1", "--chain-id", "1", "--data"]
    command = [sys.executable, "-m", "cicscenario.sandbox.anvil", *options, str(tmp_path), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == code, ended.stderr
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
