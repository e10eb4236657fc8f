"""Sandboxes that are up, runs in them, and what the chain says happened there."""

import json
import os
import signal
import sqlite3
import subprocess
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cicscenario.chain.abi import to_hex
from cicscenario.chain.session import ChainSession, connect
from cicscenario.chain.signer import Signer
from cicscenario.language import load_environment
from cicscenario.resources import load_schema
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.nodes import anvil_path
from tests.support.commands import cicscenario, command_environment, command_line
from tests.support.waiting import eventually

needs_anvil = pytest.mark.skipif(not anvil_path(), reason="no anvil here")
NODES = ["embedded", pytest.param("anvil", marks=needs_anvil)]
GENERATIONS = ["classic", "latest"]
CLASSIC_AT_ONCE = ["classic", pytest.param("latest", marks=pytest.mark.slow)]  #: for what takes long with both
#: The twelve people of the fixture ``scenario`` have keystore files.
with_keystore = pytest.mark.parametrize("kdf", ["light"])


def small_scenario(kdf: str) -> str:
    """Twelve people with keys of their own, whose keystore files are made with ``kdf``: none are, when it is ``none``."""
    return f"""
version: 1
name: small
population: {{size: 12, seed: 5}}
gift: {{threshold: 200}}
backend: {{kind: eth, keystore: {{kdf: {kdf}}}}}
environment: sandbox
"""


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that is up."""

    home: Path
    environment: Path

    def session(self, token: str | None = None) -> ChainSession:
        return connect(load_environment(self.environment).chain, token)

    @property
    def owner(self) -> bytes:
        """The key of the contracts' owner, for breaking the world with the rights that scenarios' signer has not."""
        return bytes.fromhex((self.home / "sandbox" / "owner.key").read_text())

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the command line as a user would, in a process of its own."""
        return cicscenario(self.home, *arguments)

    def kill(self, service: str) -> None:
        """Ends a daemon with SIGKILL, and waits until the last of its processes is gone."""
        daemon = Daemon(service, self.home / "sandbox")
        pid = daemon.pid()
        assert pid, f"{service} is not up"
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: daemon.pid() is None)

    def block(self) -> int:
        return int(self.session().rpc.call("eth_blockNumber"), 16)

    def ask_engine(self, task: str, *arguments: Any) -> Any:
        """The result of a task of the custodial engine; what it raised fails the test."""
        from cicscenario.services.custodial.broker import Broker
        from cicscenario.services.custodial.messages import Messages
        from cicscenario.services.custodial.results import Results

        where = load_environment(self.environment)
        assert where.custodial
        assert where.chain_spec
        broker, task_id = Broker(where.custodial.broker, where.custodial.queue), str(uuid.uuid4())
        broker.push([Messages(where.custodial.queue, where.chain_spec).call(task_id, task, arguments)])
        results = Results(broker)
        eventually(lambda: any(entry.done for entry in results.read([task_id]).values()))
        entry = results.read([task_id])[task_id]
        assert not entry.failed, entry.result
        return entry.result


@dataclass(frozen=True)
class Run:
    """A run of a scenario in a sandbox, in a directory of its own."""

    box: Sandbox
    scenario: Path
    place: Path

    def arguments(self, *more: str) -> list[str]:
        """The sandbox is named as an environment like any other, so that the command starts nothing in it."""
        env = () if "--env" in more else ("--env", str(self.box.environment))
        return ["run", str(self.scenario), "--dir", str(self.place), *env, *more]

    def command(self, *more: str) -> subprocess.CompletedProcess[str]:
        return self.box.command(*self.arguments(*more))

    def start(self, *more: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command_line(*self.arguments(*more)),
            env=command_environment(self.box.home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def report(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.place / "report.json").read_text())
        Draft202012Validator(load_schema("report-v1")).validate(document)
        return document

    def errors(self) -> dict[str, tuple[int, int]]:
        """Errors and total by check."""
        return {check["name"]: (check["errors"], check["total"]) for check in self.report()["checks"]}

    def steps(self) -> dict[str, tuple[int, int]]:
        """People done and failed by step."""
        return {step["name"]: (step["ok"], step["failed"]) for step in self.report()["steps"]}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the state says; nothing while there is none."""
        path = self.place / "state.sqlite"
        if not path.exists():
            return []
        db = sqlite3.connect(path, timeout=10)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def addresses(self) -> list[str]:
        return [f"0x{address.hex()}" for (address,) in self.rows("SELECT address FROM people ORDER BY id")]

    def given(self) -> Counter[str]:
        """How many gifts each account is to get: one, or none where it is of zero tokens."""
        rows = self.rows("SELECT address FROM people WHERE gift > 0")
        return Counter(f"0x{address.hex()}" for (address,) in rows)

    def when(self, sql: str) -> None:
        """Waits until the state has an answer to a question."""
        eventually(lambda: bool(self.rows(sql)))


def gifts_since(box: Sandbox, block: int) -> Counter[str]:
    """Transfers of the token that the scenario's signer made after ``block``, by recipient, as the chain tells."""
    return _logged(box, block, "token", ["Transfer(address,address,uint256)", box.session().signer.address], 2)


def registered_since(box: Sandbox, block: int) -> Counter[str]:
    """Accounts added to the classic accounts index after ``block``."""
    return _logged(box, block, "accounts_index", ["AddressAdded(address,uint256)"], 1)


def _logged(box: Sandbox, block: int, contract: str, topics: Sequence[Any], topic: int) -> Counter[str]:
    from eth_hash.auto import keccak

    session = box.session()
    place = session.contracts.token.address if contract == "token" else session.contracts.accounts_index
    wanted = [to_hex(keccak(topics[0].encode())), *(to_hex(bytes(12) + address) for address in topics[1:])]
    asked = {"fromBlock": hex(block + 1), "toBlock": "latest", "address": to_hex(place), "topics": wanted}
    return Counter("0x" + log["topics"][topic][-40:] for log in session.rpc.call("eth_getLogs", asked))


def send_from(
    session: ChainSession, key: bytes, to: bytes, data: bytes = b"", value: int = 0, gas: int = 200_000
) -> None:
    """A transaction that no ledger knows of, for breaking the world."""
    signer = Signer(key, session.chain_id)
    nonce = int(session.rpc.call("eth_getTransactionCount", to_hex(signer.address), "latest"), 16)
    signed = signer.sign(nonce=nonce, gas_price=10**9, gas=gas, to=to, value=value, data=data)
    session.rpc.call("eth_sendRawTransaction", to_hex(signed.raw))
    receipt: dict[str, Any] = eventually(lambda: session.rpc.call("eth_getTransactionReceipt", to_hex(signed.hash)))
    assert int(receipt["status"], 16) == 1
