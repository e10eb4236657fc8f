"""A client of a running engine that knows nothing but what cic-eth's clients know: task names, arguments, Redis."""

import base64
import json
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import celery
import psycopg2
import yaml
from redis import Redis

from cicscenario.chain.abi import pack, selector, to_hex, word
from cicscenario.chain.contracts import BALANCE_OF, HAVE, Contracts, eth_call
from cicscenario.chain.discovery import discover
from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import Signer
from cicscenario.sandbox import stack
from cicscenario.sandbox.daemon import Daemon
from tests.support.sandboxes import Sandbox
from tests.support.waiting import PATIENCE, eventually

CHAIN_SPEC = {"arch": "evm", "fork": "byzantium", "network_id": 8996, "common_name": "bloxberg", "custom": []}
QUEUE = "cic-eth"
GAS_GIFT = 232_700_000  # wei; source: recordings of cic-eth 0.12.10


@dataclass
class RunningEngine:
    """The engine of a sandbox. ``channel`` is where its callbacks go."""

    home: Path
    channel: str = field(default_factory=lambda: str(uuid.uuid4()))

    def start(self, *faults: str, node: str | None = None) -> None:
        named = [f"custodial.{fault}" for fault in faults]
        stack.up(self.home, services=["custodial"], node=node, faults=named)

    def close(self) -> None:
        """Ends the sandbox, and the connection to Redis if anybody asked for it."""
        stack.down(self.home, purge=True)
        if "redis" in self.__dict__:
            self.redis.close()

    @cached_property
    def environment(self) -> dict[str, Any]:
        document: dict[str, Any] = yaml.safe_load((self.home / "sandbox" / "environment.yaml").read_text())
        return document

    @cached_property
    def redis(self) -> Redis:
        return Redis.from_url(self.environment["custodial"]["broker"])

    @property
    def port(self) -> int:
        return int(self.redis.connection_pool.connection_kwargs["port"])

    @cached_property
    def app(self) -> celery.Celery:
        return celery.Celery(broker=self.environment["custodial"]["broker"])

    @cached_property
    def rpc(self) -> Rpc:
        return Rpc(self.environment["chain"]["rpc"])

    @cached_property
    def contracts(self) -> Contracts:
        return discover(self.rpc, bytes.fromhex(self.environment["chain"]["registry"][2:]), None)

    @property
    def box(self) -> Sandbox:
        return Sandbox(self.home, self.home / "sandbox" / "environment.yaml")

    @property
    def signer(self) -> Signer:
        return Signer(bytes.fromhex((self.home / "sandbox" / "signer.key").read_text()), 8996)

    def database(self, name: str) -> Any:
        accounts = self.environment["accounts"]
        password = (self.home / "sandbox" / "postgres.password").read_text().strip()
        return psycopg2.connect(
            host=accounts["host"], port=accounts["port"], user=accounts["user"], password=password, dbname=name
        )

    def rows(self, query: str, name: str = "cic_eth") -> list[tuple[Any, ...]]:
        connection = self.database(name)
        try:
            with connection.cursor() as cursor:
                cursor.execute(query)
                found: list[tuple[Any, ...]] = cursor.fetchall()
                return found
        finally:
            connection.close()

    @contextmanager
    def started_with(self, *words: str) -> Iterator[None]:
        """The engine with more words in its command line, for as long as this lasts."""
        Daemon("custodial", self.home / "sandbox").stop()
        command = json.loads((self.home / "sandbox" / "stack.json").read_text())["commands"]["custodial"]
        process = subprocess.Popen([*command, *words])
        try:
            eventually(lambda: self.redis.get(f"{QUEUE}.engine.alive") == str(process.pid).encode())
            yield
        finally:
            process.terminate()
            process.wait(30)
            self.start()

    def queued(self, queue: str) -> list[list[Any]]:
        """Arguments of the tasks in a queue that nobody takes them from, oldest first."""
        messages = [json.loads(text) for text in reversed(self.redis.lrange(queue, 0, -1))]
        return [json.loads(base64.b64decode(message["body"]))[0] for message in messages]

    def listen(self) -> "Listener":
        return Listener(self)

    def signature(self, name: str, *arguments: Any) -> celery.Signature:
        return celery.signature(name, args=arguments, queue=QUEUE, app=self.app)

    def ask(self, name: str, *arguments: Any) -> dict[str, Any]:
        """Sends one task and gives its entry in the result backend."""
        return self.entry(self.signature(name, *arguments).apply_async().id)

    def entry(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(eventually(lambda: self.redis.get(f"celery-task-meta-{task_id}")))
        return found

    def create(self, *, error_link: bool = False, root_id: str | None = None) -> str:
        """cic-eth's ``create_account``; gives the root id."""
        destination = f"127.0.0.1:{self.port}:0:{self.channel}"
        root = self.signature("cic_eth.admin.ctrl.check_lock", "", CHAIN_SPEC, 4)
        create = self.signature("cic_eth.eth.account.create", CHAIN_SPEC)
        reserve = self.signature("cic_eth.eth.nonce.reserve_nonce", CHAIN_SPEC, "ACCOUNT_REGISTRY_WRITER")
        register = self.signature("cic_eth.eth.account.register", CHAIN_SPEC)
        for each in (root, create, reserve, register) if error_link else ():
            each.link_error(self.signature("cic_eth.callbacks.redis.redis", destination, 1))
        reserve.link(register)
        create.link(self.signature("cic_eth.callbacks.redis.redis", destination, 0))
        create.link(reserve)
        root.link(create)
        return str(root.apply_async(task_id=root_id or str(uuid.uuid4())).id)

    def ask_again(self, name: str, account: str, *nonce_of: str) -> dict[str, Any]:
        """A task about an account, with the one before it that draws its nonce; gives its entry."""
        reserve = self.signature("cic_eth.eth.nonce.reserve_nonce", account, CHAIN_SPEC, *nonce_of)
        reserve.link(self.signature(name, CHAIN_SPEC))
        (child,) = self.entry(str(reserve.apply_async().id))["children"]
        return self.entry(child[0][0])

    def role(self, tag: str) -> str:
        """The address of one of the engine's own accounts."""
        ((address, _),) = self.ask("cic_eth.eth.account.role_account", tag, CHAIN_SPEC)["result"]
        return str(address).removeprefix("0x")

    def nonce_of(self, address: str) -> int:
        """How many transactions of an account are mined."""
        return int(self.rpc.call("eth_getTransactionCount", f"0x{address}", "latest"), 16)

    def holes(self, address: str) -> list[int]:
        """Nonces that the engine reserved for a transaction which was never signed."""
        reserved = self.rows(f"SELECT nonce FROM nonce WHERE address_hex = '{address}'")
        signed = {nonce for (nonce,) in self.rows(f"SELECT nonce FROM otx WHERE sender = '{address}'")}
        return [nonce for nonce in range(reserved[0][0] if reserved else 0) if nonce not in signed]

    def is_at_rest(self) -> bool:
        """Says whether no task waits or runs, twice in a row: in between, the engine's loop has looked at the chain."""

        def idle() -> bool:
            if self.redis.llen(QUEUE) or self.redis.hlen("unacked"):
                return False
            with self.app.connection_for_write() as fresh:  # Redis may have been started again since the last
                inspect = self.app.control.inspect(timeout=5, limit=1, connection=fresh)
                answers = inspect.active() or {"nobody": ["has answered"]}
            return not any(answers.values()) and not self.redis.llen(QUEUE)

        if not idle():
            return False
        time.sleep(1)
        return idle()

    def fill(self, address: str, nonce: int) -> None:
        """What an operator does: has the account send nothing to itself, with the nonce that is missing."""
        sent = self.ask("cic_eth.eth.tx.custom", nonce, address, address, 0, "", 1, 21_000, CHAIN_SPEC)
        assert sent["status"] == "SUCCESS", sent
        eventually(lambda: self.nonce_of(address) > nonce)

    def mend(self) -> None:
        """What an operator does for the engine's own accounts: sends what was signed and forgotten, and fills every hole.

        A transaction is forgotten when the task that would have marked it as ready was lost. Only an engine at rest has
        holes: a nonce may be reserved whose transaction is about to be signed. So all are found before the first is mended:
        what is sent then has the engine do more, and reserve more nonces.
        """
        eventually(self.is_at_rest)
        addresses = [self.role(tag) for tag in ("ACCOUNT_REGISTRY_WRITER", "GAS_GIFTER")]
        pending = "SELECT tx_hash FROM otx WHERE sender = '%s' AND status = 'pending' ORDER BY nonce"
        forgotten = [tx_hash for address in addresses for (tx_hash,) in self.rows(pending % address)]
        holes = [(address, nonce) for address in addresses for nonce in self.holes(address)]
        for tx_hash in forgotten:
            self.ask("cic_eth.queue.state.set_ready", CHAIN_SPEC, tx_hash)
        for address, nonce in holes:
            self.fill(address, nonce)

    def replay(self, recording: dict[str, Any]) -> str:
        """Pushes the recorded message, with a root id, channel and port of now; gives the root id."""
        root = str(uuid.uuid4())

        def current(text: str) -> str:
            text = text.replace(recording["root_id"], root).replace("127.0.0.1:6390", f"127.0.0.1:{self.port}")
            return text.replace(recording["channel"], self.channel) if recording["channel"] else text

        message = json.loads(current(recording["payload"]))
        body = current(base64.b64decode(message["body"]).decode())
        message["body"] = base64.b64encode(body.encode()).decode()
        self.redis.lpush(QUEUE, json.dumps(message))
        return root

    def counts(self, accounts: Iterable[str]) -> dict[str, list[int]]:
        """What the chain says of each account: in the accounts index, gas, tokens."""
        calls = []
        listed = list(accounts)
        for account in listed:
            raw = bytes.fromhex(account)
            calls += [
                eth_call(self.contracts.accounts_index, pack(HAVE, raw)),
                ("eth_getBalance", [to_hex(raw), "latest"]),
                eth_call(self.contracts.token.address, pack(BALANCE_OF, raw)),
            ]
        answers = [word(answer) if len(answer) > 60 else int(answer, 16) for answer in self.rpc.calls(calls)]
        return {account: answers[3 * n : 3 * n + 3] for n, account in enumerate(listed)}

    def are_done(self, accounts: Iterable[str]) -> bool:
        """Says whether all are registered, have gas and were paid by the faucet."""
        assert self.contracts.faucet is not None
        amount = self.contracts.faucet.amount
        return all(have and gas and tokens >= amount for have, gas, tokens in self.counts(accounts).values())

    def transactions(self, since: int) -> list[dict[str, Any]]:
        """All transactions after block ``since``, in block order, with their receipts' status."""
        newest = int(self.rpc.call("eth_blockNumber"), 16)
        blocks = self.rpc.calls([("eth_getBlockByNumber", [hex(n), True]) for n in range(since + 1, newest + 1)])
        sent = [transaction for block in blocks for transaction in block["transactions"]]
        receipts = self.rpc.calls([("eth_getTransactionReceipt", [each["hash"]]) for each in sent])
        return [each | {"receipt": receipt} for each, receipt in zip(sent, receipts, strict=True)]


class Listener:
    """A subscription to the engine's channel."""

    def __init__(self, engine: RunningEngine) -> None:
        self._subscription = engine.redis.pubsub()
        self._subscription.subscribe(engine.channel)
        eventually(lambda: (self._subscription.get_message(timeout=1) or {}).get("type") == "subscribe")
        self.texts: list[str] = []

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self._subscription.close()

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.texts]

    def wait(self, count: int, patience: float = PATIENCE) -> list[dict[str, Any]]:
        """All messages once there are ``count``, or once nobody has the patience any more."""
        deadline = time.monotonic() + patience
        while len(self.texts) < count and time.monotonic() < deadline:
            message = self._subscription.get_message(timeout=0.1)
            if message and message["type"] == "message":
                self.texts.append(message["data"].decode())
        return self.messages


TRANSFER = selector("transfer(address,uint256)")
