"""A small real Celery worker with the custodial engine's task names, for the tests of its client.

Run as a program it is the worker: ``celery_engine.py BROKER CONCURRENCY READY``, which says on the descriptor READY that it
is. What goes wrong is said by the Redis hash ``faults``.
"""

import contextlib
import functools
import json
import os
import secrets
import subprocess
import sys
import time
import types
import uuid
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import redis
from celery import Celery, current_task
from celery.signals import worker_ready
from redis.backoff import NoBackoff
from redis.retry import Retry

CHAIN = "evm:byzantium:8996:bloxberg"
ROLES = {"ACCOUNT_REGISTRY_WRITER": "aa" * 20, "GAS_GIFTER": "bb" * 20}
ENGINE_REGISTRY = "0xea6225212005E86a4490018Ded4bf37F3E772161"
TOKEN = {
    "symbol": "GFT",
    "address": "32E860c2A0645d1B7B005273696905F5D6DC5D05",
    "name": "Giftable Token",
    "decimals": 6,
}


@contextlib.contextmanager
def worker(broker: str, concurrency: int = 2) -> Iterator[subprocess.Popen[bytes]]:
    """The engine's worker, ready to take tasks; ended with the block."""
    reader, writer = os.pipe()
    command = [sys.executable, __file__, broker, str(concurrency), str(writer)]
    process = subprocess.Popen(command, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writer)
    try:
        with os.fdopen(reader) as ready:
            assert ready.read(1) == "!", "the worker does not start"
        yield process
    finally:
        process.kill()
        process.wait(20)


def roots(number: int) -> list[str]:
    """New ids for first tasks."""
    return [str(uuid.uuid4()) for _ in range(number)]


class EngineTasks:
    """What the worker does."""

    def __init__(self, broker: str) -> None:
        self._redis = redis.Redis.from_url(broker, decode_responses=True)

    def check_lock(self, password: str, spec: dict[str, Any], flags: int) -> str:
        locked = int(self._fault("locked") or 0) & flags
        if locked:
            raise errors("cic_eth.error").LockedError(locked)
        return password

    def create(self, password: str, spec: dict[str, Any]) -> str:
        self._signer(spec)
        self._redis.sadd("begun", current_task.request.root_id)
        time.sleep(float(self._fault("delay") or 0))
        address = secrets.token_hex(20)
        self._redis.hset("keys", address, current_task.request.root_id)
        return address

    def callback(self, result: Any, destination: str, status: int) -> None:
        host, port, database, channel = destination.split(":")
        if self._befalls("drop-callback"):
            return
        with redis.Redis(host=host, port=int(port), db=int(database), retry=Retry(NoBackoff(), 0)) as client:
            text = json.dumps({"root_id": current_task.request.root_id, "status": status, "result": result})
            for _ in range(2 if self._befalls("duplicate-callback") else 1):
                client.publish(channel, text)

    def reserve_nonce(self, address: str, spec: dict[str, Any], role: str) -> str:
        return address

    def register(self, address: str, spec: dict[str, Any]) -> str:
        if self._fault("no-writer"):
            raise errors("cic_eth.error").IntegrityError('"release" called on key None')
        self._redis.sadd("registered", address)
        return address

    def have(self, address: str, spec: dict[str, Any]) -> str | None:
        self._signer(spec)
        time.sleep(float(self._fault("slow-have") or 0))
        return address if self._redis.hexists("keys", address) else None

    def role_account(self, role: str, spec: dict[str, Any]) -> list[tuple[str, str]]:
        missing = {"ACCOUNT_REGISTRY_WRITER": "no-writer", "GAS_GIFTER": "no-gifter"}
        return [("0x" + "00" * 20 if self._fault(missing[role]) else ROLES[role], role)]

    def default_token(self) -> dict[str, Any]:
        return TOKEN

    def registry(self) -> str:
        return ENGINE_REGISTRY

    def _fault(self, name: str) -> str | None:
        return self._redis.hget("faults", name)

    def _befalls(self, name: str) -> bool:
        """Whether this tree is among the share of trees (percent) that the fault befalls."""
        share = int(self._fault(name) or 0)
        return zlib.crc32(current_task.request.root_id.encode()) % 100 < share

    def _signer(self, spec: dict[str, Any]) -> None:
        name = f"{spec['arch']}:{spec['fork']}:{spec['network_id']}:{spec['common_name']}"
        if name != (self._fault("chain") or CHAIN):
            raise KeyError(name)
        if self._fault("signer-down"):
            raise errors("chainlib.error").RPCException("URLError(ConnectionRefusedError(111, 'Connection refused'))")


def errors(module: str) -> Any:
    """Exceptions with the engine's names, where a result entry says they are from."""
    if module not in sys.modules:
        made = types.ModuleType(module)
        for name in ("LockedError", "IntegrityError", "RPCException"):
            setattr(made, name, type(name, (Exception,), {"__module__": module}))
        sys.modules.setdefault(module.partition(".")[0], types.ModuleType(module.partition(".")[0]))
        sys.modules[module] = made
    return sys.modules[module]


def plain(method: Callable[..., Any]) -> Callable[..., Any]:
    """A function of its own for Celery, which cannot make a task of a bound method."""

    @functools.wraps(method)
    def task(*arguments: Any) -> Any:
        return method(*arguments)

    return task


def main(broker: str, concurrency: str, ready: str) -> None:
    @worker_ready.connect
    def say(**_: Any) -> None:
        os.write(int(ready), b"!")

    application = Celery("engine", broker=broker, backend=broker)
    old = redis.Redis.from_url(broker, decode_responses=True).hget("faults", "older-version")
    application.conf.update(task_default_queue="cic-eth", broker_connection_retry_on_startup=True)
    engine = EngineTasks(broker)
    for name, task in {
        "cic_eth.admin.ctrl.check_lock": engine.check_lock,
        "cic_eth.eth.account.create": engine.create,
        "cic_eth.callbacks.redis.redis": engine.callback,
        "cic_eth.eth.nonce.reserve_nonce": engine.reserve_nonce,
        "cic_eth.eth.account.register": engine.register,
        "cic_eth.eth.account.have": engine.have,
        "cic_eth.eth.account.role_account": engine.role_account,
        "cic_eth.eth.erc20.default_token": engine.default_token,
        "cic_eth.task.registry": engine.registry,
    }.items():
        if old and name in old.split():
            continue  # an older version has no such task
        application.task(name=name)(plain(task))
    options = ["--pool=threads", f"--concurrency={concurrency}", "-Q", "cic-eth", "--loglevel=critical"]
    application.worker_main(["worker", *options, "--without-gossip", "--without-mingle"])


if __name__ == "__main__":
    main(*sys.argv[1:])
