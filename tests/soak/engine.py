"""The custodial engine: its workers take tasks from Redis, and its tracker and dispatcher act on the chain.

Its database outlives everything: keys, reserved nonces and sent transactions. Task names, arguments, results and the tree of
results are those of cic-eth; see ``cicscenario.services.custodial.tasks``.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import rlp

from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.contracts import ADD, GIVE_TO, TRANSFER
from cicscenario.services.custodial import tasks
from tests.soak.chain import SimChain, SimTransaction
from tests.soak.contracts import FAUCET, INDEX, REGISTRY, TOKEN, Message
from tests.soak.drawn import uuid_text
from tests.soak.kept import keccak
from tests.soak.redis import Message as TaskMessage
from tests.soak.redis import SimRedis
from tests.soak.workers import Workers
from tests.soak.world import World

QUEUE = "cic-eth"
WRITER, GIFTER = b"\xe1" * 20, b"\xe2" * 20
GAS = 10**16
_TASK = 0.03  # seconds that a task takes
_ROUND = 1.0  # seconds between two rounds of tracker and dispatcher
_IDLE_ROUND = 10.0  # the same while everything is mined
_STANDSTILL = 240.0  # seconds after which an operator mends a nonce that was never used
_AGAIN = 10.0  # seconds after which a transaction that is not mined is sent again


class SimEngine:
    """One engine."""

    def __init__(self, world: World, redis: SimRedis, chain: SimChain, random: Random) -> None:
        self._world, self._redis, self.chain, self._random = world, redis, chain, random
        self.keys: list[bytes] = []
        self._nonces: dict[bytes, int] = {}
        self._reserved: dict[str, int] = {}  # nonce by root task
        self._sent: dict[str, tuple[SimTransaction, float]] = {}
        self._used: set[tuple[bytes, int]] = set()  # nonces with which it has sent something
        self._holes: dict[tuple[bytes, int], float] = {}  # nonces without a transaction, and since when
        self._registrations: dict[str, bytes] = {}  # account by hash of its registration
        self._gas: dict[str, bytes] = {}  # account by hash of its gas
        self.workers = Workers(world, redis, QUEUE, _TASK, self._take)
        self._tracking = False
        self._drops = self._doubles = 0
        self.reports: dict[str, Callable[..., None]] = {}  #: tasks of other programs that it calls
        redis.pushed = lambda queue: self.workers.wake()

    def sending(self, payer: bytes) -> int:
        """Base units that it sends for somebody, and of which it does not know that they are mined."""
        own = [one for one, _ in self._sent.values() if (one.message.sender, one.message.to) == (payer, TOKEN)]
        known = self.chain.receipts([one.hash for one in own])
        open_ = [one.message for one, receipt in zip(own, known, strict=True) if receipt is None]
        return sum(int.from_bytes(message.argument(1), "big") for message in open_)

    # --- what happens to it ---------------------------------------------------------------------------------------

    def drop_callbacks(self, number: int) -> None:
        self._drops += number

    def double_callbacks(self, number: int) -> None:
        self._doubles += number

    # --- workers --------------------------------------------------------------------------------------------------

    def _take(self, message: TaskMessage) -> None:
        task = message.headers["id"]
        self._begin(task, task, None, message.headers["task"], message.arguments, message.callbacks)

    def _begin(
        self, task: str, root: str, parent: str | None, name: str, arguments: list[Any], links: list[dict[str, Any]]
    ) -> None:
        self.workers.running.add(task)
        self.workers.later(_TASK, lambda: self._end(task, root, parent, name, arguments, links))

    def _end(
        self, task: str, root: str, parent: str | None, name: str, arguments: list[Any], links: list[dict[str, Any]]
    ) -> None:
        self.workers.running.discard(task)
        if self.workers.is_lost(task, name):
            return
        if self.workers.waits(lambda: self._end(task, root, parent, name, arguments, links)):
            self.workers.running.add(task)
            return
        result = self.reports[name](*arguments) if name in self.reports else _TASKS[name](self, root, *arguments)
        children = []
        for link in links:
            child = uuid_text(self._random)
            children.append([[child, task], None])
            more = link["options"].get("link") or []
            self._begin(child, root, task, link["task"], [result, *link["args"]], more)
        record = {"status": "SUCCESS", "result": result, "children": children, "parent_id": parent, "task_id": task}
        self._redis.values[f"celery-task-meta-{task}"] = record

    # --- tasks ----------------------------------------------------------------------------------------------------

    def _create(self, root: str, password: str, spec: Any) -> str:
        account = keccak(b"account %d" % len(self.keys))[12:]
        self.keys.append(account)
        self._world.tell(f"account {account.hex()}")
        return account.hex()

    def _callback(self, root: str, result: Any, destination: str, status: int) -> None:
        times = 1
        if self._drops:
            self._drops, times = self._drops - 1, 0
        elif self._doubles:
            self._doubles, times = self._doubles - 1, 2
        text = json.dumps({"root_id": root, "status": status, "result": result}).encode()
        for _ in range(times):
            self._redis.publish(destination.rpartition(":")[2], text)

    def _reserve_nonce(self, root: str, chained: Any, spec: Any, whose: str | None = None) -> Any:
        sender = WRITER if whose == tasks.WRITER_ROLE else bytes.fromhex(whose or chained)
        self._reserved[root] = self._reserve(sender)
        return chained

    def _register(self, root: str, account: str, spec: Any) -> str:
        address = bytes.fromhex(account)
        sent = self._send(WRITER, self._reserved[root], Message(WRITER, INDEX, 0, pack(ADD, address)))
        self._registrations[sent] = address
        return account

    def _gift(self, root: str, account: str, spec: Any) -> list[str]:
        """The faucet; and gas before it, if the account has none."""
        address = bytes.fromhex(account)
        self._send(address, self._reserved[root], Message(address, FAUCET, 0, pack(GIVE_TO, address)))
        return [account]

    def _transfer(self, root: str, tokens: list[Any], payer: str, payee: str, units: int, spec: Any) -> str:
        sender = bytes.fromhex(payer)
        data = pack(TRANSFER, bytes.fromhex(payee), units)
        return self._send(sender, self._reserved[root], Message(sender, TOKEN, 0, data))

    def _transactions(self, root: str, spec: Any, account: str) -> dict[str, str]:
        """What was sent by an account, or pays it, by hash. It is as signed, but for the signature."""
        address = bytes.fromhex(account)
        return {
            sent: to_hex(rlp.encode([one.nonce, 1, 1, message.to, message.value, message.data, 0, 0, 0]))
            for sent, (one, _) in self._sent.items()
            if address in ((message := one.message).sender, message.data[16:36])
        }

    # --- tracker and dispatcher -------------------------------------------------------------------------------------

    def _send(self, sender: bytes, nonce: int, message: Message) -> str:
        text = b"%s %d %s" % (sender, nonce, message.to + message.data)
        one = SimTransaction(to_hex(keccak(text)), message, nonce, 1)
        self._sent[one.hash] = (one, self._world.now)
        self._used.add((sender, nonce))
        self.chain.take(one)
        if not self._tracking:
            self._tracking = True
            self.workers.later(_ROUND, self._round)
        return one.hash

    def _round(self) -> None:
        """Gives gas to registered accounts and triggers the faucet for those that have it; sends again what is not mined.

        All that was ever sent is looked at, so that a chain that went back is filled again: what an engine does that cannot
        is for a person to mend, and no fault of a run.
        """
        is_open = False
        every = list(self._sent.items())
        for (sent, (one, since)), receipt in zip(every, self.chain.receipts(self._sent), strict=True):
            if receipt is not None:
                self._follow(sent)
                continue
            is_open = True
            if self._world.now - since > _AGAIN:
                self._sent[sent] = (one, self._world.now)
                self.chain.take(one)
        self._operator()
        pause = _ROUND if is_open else _IDLE_ROUND
        self.workers.later(pause, self._round)

    def _operator(self) -> None:
        """A person uses up a nonce for which there has been no transaction for minutes, as
        ``docs/engine-standstill.md`` tells: workers that are killed between reserving a nonce and signing leave it unused.
        """
        for sender, following in list(self._nonces.items()):
            nonce = self.chain.count(sender)
            hole = nonce < following and (sender, nonce) not in self._used
            since = self._holes.setdefault((sender, nonce), self._world.now) if hole else self._world.now
            if self._world.now - since > _STANDSTILL:
                self._send(sender, nonce, Message(sender, sender, 0, b""))

    def _follow(self, sent: str) -> None:
        """What comes after a mined transaction."""
        if account := self._registrations.pop(sent, None):
            self._gas[self._send(GIFTER, self._reserve(GIFTER), Message(GIFTER, account, GAS, b""))] = account
        elif account := self._gas.pop(sent, None):
            self._send(account, self._reserve(account), Message(account, FAUCET, 0, pack(GIVE_TO, account)))

    def _reserve(self, sender: bytes) -> int:
        nonce = self._nonces.get(sender, 0)
        self._nonces[sender] = nonce + 1
        return nonce


def _role(engine: SimEngine, root: str, role: str, spec: Any) -> list[list[str]]:
    return [[(WRITER if role == tasks.WRITER_ROLE else GIFTER).hex(), role]]


_TASKS: dict[str, Callable[..., Any]] = {
    tasks.CHECK_LOCK: lambda engine, root, chained, spec, flags, *account: chained,
    tasks.CREATE: SimEngine._create,
    tasks.CALLBACK: SimEngine._callback,
    tasks.RESERVE_NONCE: SimEngine._reserve_nonce,
    tasks.REGISTER: SimEngine._register,
    tasks.GIFT: SimEngine._gift,
    tasks.RESOLVE_TOKENS: lambda engine, root, symbols, spec: [{"symbol": "GFT", "address": TOKEN.hex(), "converters": []}],
    tasks.TRANSFER: SimEngine._transfer,
    tasks.ACCOUNT_TRANSACTIONS: SimEngine._transactions,
    tasks.HAVE: lambda engine, root, account, spec: account if bytes.fromhex(account) in engine.keys else None,
    tasks.ROLE_ACCOUNT: _role,
    tasks.DEFAULT_TOKEN: lambda engine, root: {
        "symbol": "GFT", "name": "Giftable", "address": TOKEN.hex(), "decimals": 6,
    },
    tasks.REGISTRY: lambda engine, root: to_hex(REGISTRY),
}  # fmt: skip
