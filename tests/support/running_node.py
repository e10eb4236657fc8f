"""A node in a process of its own: the embedded one, or anvil. ``start`` it, talk to it at ``url``, ``stop`` it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from cicscenario.sandbox.nodes import anvil_path
from cicscenario.sandbox.ports import free_port

CHAIN_ID = 8996
GAS_LIMIT = 30_000_000
#: The first account of the development mnemonic "test test ... junk", rich on both nodes.
RICH: LocalAccount = Account.from_key("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")

# No storms of blocks by the clock: an interval longer than any test leaves mining to evm_mine.
_NEVER = "86400"


class RpcFailure(Exception):  # noqa: N818  # an answer, not a bug
    """The node answered with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: Any = error.get("data")


@dataclass
class RunningNode:
    """``kind`` is "embedded" or "anvil"; with ``manual`` only evm_mine mines, else every request's transactions are."""

    kind: str
    home: Path
    manual: bool = True
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "RunningNode":
        self.home.mkdir(parents=True, exist_ok=True)
        environment = dict(os.environ) | {"HOME": str(self.home)}
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(self._command(), stdout=log, stderr=log, env=environment)
        for _ in range(300):
            if self.process.poll() is not None:
                break
            try:
                self.rpc("eth_chainId")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
            else:
                return self
        raise AssertionError(f"{self.kind} did not start: {(self.home / 'log').read_text()}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it with a signal; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=20)

    def post(self, body: bytes) -> Any:
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())

    def batch(self, *calls: tuple[Any, ...]) -> list[dict[str, Any]]:
        """Each call is a method and its parameters; answers come as they are."""
        requests = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, *params) in enumerate(calls)
        ]
        answers: list[dict[str, Any]] = self.post(json.dumps(requests).encode())
        return answers

    def rpc(self, method: str, *params: Any) -> Any:
        """The result; raises RpcFailure."""
        answer = self.post(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode())
        if "error" in answer:
            raise RpcFailure(answer["error"])
        return answer["result"]

    def _command(self) -> list[str]:
        if self.kind == "anvil":
            program = anvil_path()
            assert program is not None
            flags = f"--host 127.0.0.1 --port {self.port} --chain-id {CHAIN_ID} --gas-limit {GAS_LIMIT} --order fifo"
            mining = ["--no-mining"] if self.manual else []
            return [program, "--quiet", "--block-base-fee-per-gas", "0", *flags.split(), *mining]
        flags = f"--host 127.0.0.1 --port {self.port} --chain-id {CHAIN_ID} --gas-limit {GAS_LIMIT}"
        mining = ["--block-time", _NEVER] if self.manual else []
        rich = ["--rich", f"{RICH.address}={10_000 * 10**18}"]
        data = ["--data", str(self.home / "chain")]
        return [sys.executable, "-m", "cicscenario.sandbox.node", *flags.split(), *data, *rich, *mining]


@dataclass
class Wallet:
    """An account that counts its own nonces; ``send`` returns the transaction's hash."""

    node: RunningNode
    account: LocalAccount
    nonce: int = 0

    @property
    def address(self) -> str:
        return self.account.address

    def sign(self, **fields: Any) -> str:
        """A raw transaction; fields as eth_account names them, absent when None; the nonce counts up unless given."""
        if "nonce" not in fields:
            fields["nonce"] = self.nonce
            self.nonce += 1
        defaults = {"chainId": CHAIN_ID, "gas": 21_000, "gasPrice": 10**9, "value": 0}
        present = {name: value for name, value in (defaults | fields).items() if value is not None}
        if "to" in present:
            present["to"] = to_checksum_address(present["to"])
        return "0x" + self.account.sign_transaction(present).raw_transaction.hex().removeprefix("0x")

    def send(self, **fields: Any) -> str:
        tx_hash: str = self.node.rpc("eth_sendRawTransaction", self.sign(**fields))
        return tx_hash

    def run(self, **fields: Any) -> dict[str, Any]:
        """Send, mine, and return the receipt."""
        tx_hash = self.send(**fields)
        self.node.rpc("evm_mine")
        receipt: dict[str, Any] = self.node.rpc("eth_getTransactionReceipt", tx_hash)
        return receipt

    def deploy(self, runtime: bytes) -> dict[str, Any]:
        return self.run(data=creation(runtime), gas=1_000_000)


def creation(runtime: bytes) -> bytes:
    """Init code that installs ``runtime`` (at most 255 bytes): CODECOPY behind these 12 bytes, RETURN."""
    size = f"{len(runtime):02x}"
    return bytes.fromhex(f"60{size}600c60003960{size}6000f3") + runtime
