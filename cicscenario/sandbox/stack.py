"""The sandbox: daemons with their data in one folder, described by an ordinary environment file."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import address_of
from cicscenario.errors import CicScenarioError, StateRefusedError
from cicscenario.sandbox import nodes
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.record import Record, agree, read_record, write, write_record


@dataclass(frozen=True)
class StackInfo:
    """A sandbox that is up: its environment file, and whether this call started it."""

    environment: Path
    started: bool


@dataclass(frozen=True)
class ServiceStatus:
    """One daemon: ``state`` is up, down or silent (a process that does not answer)."""

    name: str
    state: str
    pid: int | None
    address: str
    detail: str


def up(home: Path, *, node: str | None = None, contracts: str | None = None) -> StackInfo:
    """Starts the sandbox of ``home``, or finds it; it stays up.

    ``node`` is embedded or anvil, ``contracts`` classic or latest; by default what the sandbox was made with, else the
    first of each. Raises StateRefusedError when it was made with others, and UnavailableError when it does not start.
    """
    stack = _Stack(home)
    with stack.alone():
        return StackInfo(stack.environment, stack.start(node, contracts, temporary=False))


def down(home: Path, *, purge: bool = False) -> bool:
    """Stops the sandbox and, with ``purge``, deletes its data; says whether it was up."""
    stack = _Stack(home)
    if not stack.folder.exists():
        return False
    with stack.alone():
        was_up = stack.node.stop()
        if purge:
            shutil.rmtree(stack.folder)
    return was_up


def status(home: Path) -> list[ServiceStatus]:
    """Every daemon of the sandbox; none when there is no sandbox."""
    stack = _Stack(home)
    record = stack.record()
    if record is None:
        return []
    pid = stack.node.pid()
    state = "down" if pid is None else "up" if stack.answers(record) else "silent"
    detail = f"{record.node} node, {record.contracts} contracts, registry {record.registry or 'not deployed'}"
    return [ServiceStatus(stack.node.name, state, pid, stack.url(record), detail)]


def running_environment(home: Path) -> Path | None:
    """The environment file of a sandbox that is up, or None. Starts nothing."""
    stack = _Stack(home)
    record = stack.record()
    if record and stack.node.pid() and stack.environment.exists() and stack.answers(record):
        return stack.environment
    return None


@contextmanager
def sandbox(
    home: Path, *, node: str | None = None, contracts: str | None = None, keep: bool = False
) -> Iterator[StackInfo]:
    """The sandbox, up for as long as this lasts.

    One that was started in this way is ended by the last of those who use it, unless one of them asked to ``keep`` it.
    Parameters and errors are those of ``up``.
    """
    stack = _Stack(home)
    with stack.alone():
        info = StackInfo(stack.environment, stack.start(node, contracts, temporary=not keep))
        use = stack.use()
    try:
        yield info
    finally:
        os.close(use)
        stack.leave()


class _Stack:
    def __init__(self, home: Path) -> None:
        self.folder = (home / "sandbox").absolute()
        self.environment = self.folder / "environment.yaml"
        self.node = Daemon("node", self.folder)
        self._record = self.folder / "stack.json"
        self._key = self.folder / "signer.key"
        self._users = self.folder / "users.lock"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One starter or stopper at a time; whoever comes second waits and finds the work done.

        The lock is beside the folder, not in it: a lock that is deleted with the folder would let two in.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with (self.folder.parent / "sandbox.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def record(self) -> Record | None:
        return read_record(self._record)

    def url(self, record: Record) -> str:
        return f"http://{nodes.HOST}:{record.port}"

    def answers(self, record: Record) -> bool:
        try:
            return int(Rpc(self.url(record), timeout=5).call("eth_chainId"), 16) == nodes.CHAIN_ID
        except CicScenarioError:
            return False

    def start(self, node: str | None, contracts: str | None, *, temporary: bool) -> bool:
        """Brings up what is not up and makes what is not made, wherever an earlier start was cut off.

        Says whether it started the node. What it started it ends again when it fails.
        """
        record = agree(self.record(), node, contracts, self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        started = not self.node.find(lambda: self.answers(record))
        record.temporary = temporary and (started or record.temporary)
        try:
            if started:
                self._start_node(record)
            self._have_contracts(record)
            self._describe(record)
        except BaseException:
            if started:
                self.node.stop()
            raise
        return started

    def _start_node(self, record: Record) -> None:
        if not nodes.is_free(record.port):
            record.port = nodes.free_port()
        node = nodes.NODES[record.node](self.folder / "chain", record.port, address_of(self._private_key()))
        write_record(self._record, record)
        self.node.start(node.command, node.environment, lambda: self.answers(record))

    def _private_key(self) -> bytes:
        """The signer's key, made at the first call."""
        if not self._key.exists():
            write(self._key, secrets.token_hex(32) + "\n")
        return bytes.fromhex(self._key.read_text("ascii"))

    def _have_contracts(self, record: Record) -> None:
        rpc = Rpc(self.url(record))
        if not record.registry:
            from cicscenario.sandbox.contracts import deploy  # its encoder takes long to load, and is needed once

            nodes.enrich(rpc, address_of(self._private_key()))
            made = deploy(rpc.url, self._private_key(), nodes.CHAIN_ID, record.contracts)
            record.registry = f"0x{made.registry.hex()}"
        elif rpc.call("eth_getCode", record.registry, "latest") == "0x":
            raise StateRefusedError(
                f"the chain in {self.folder} has lost the contracts: there is nothing at the registry's address"
                f" {record.registry}; was the {record.node} node killed before it saved its chain?",
                hint="`cicscenario stack down --purge` deletes what is left of it; then start again",
            )

    def _describe(self, record: Record) -> None:
        write_record(self._record, record)
        write(
            self.environment,
            f"""version: 1
name: sandbox
chain:
  rpc: {self.url(record)}
  spec: {nodes.CHAIN_SPEC}
  registry: "{record.registry}"
  signer:
    private_key: "file:{self._key.name}"
  batch: 200
""",
        )

    def use(self) -> int:
        """A descriptor that says, for as long as it is open, that somebody uses the sandbox."""
        descriptor = os.open(self._users, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor

    def leave(self) -> None:
        """Stops a temporary sandbox that nobody else uses."""
        with self.alone():
            record = self.record()
            if record and record.temporary and not self._is_used():
                self.node.stop()

    def _is_used(self) -> bool:
        with self._users.open("w") as users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False
