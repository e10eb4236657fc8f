"""The sandbox: daemons with their data in one folder, described by an ordinary environment file."""

import fcntl
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cicscenario.chain.abi import to_hex
from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import address_of
from cicscenario.errors import InvalidError, StateRefusedError, UnavailableError
from cicscenario.sandbox import nodes
from cicscenario.sandbox.contracts import deploy
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.packages import PACKAGES

_NODES = {"embedded": nodes.embedded, "anvil": nodes.anvil}


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


@dataclass
class _Record:
    """``stack.json``: what the folder's data was made with. The registry is empty until the contracts are there."""

    node: str
    contracts: str
    port: int
    registry: str = ""


class _Stack:
    def __init__(self, home: Path) -> None:
        self.folder = home / "sandbox"
        self._file = self.folder / "stack.json"
        self.environment = self.folder / "environment.yaml"
        self._key = self.folder / "signer.key"
        self.node = Daemon("node", self.folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One starter or stopper at a time; whoever comes second waits and finds the work done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "stack.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def record(self) -> _Record | None:
        return _Record(**json.loads(self._file.read_text("utf-8"))) if self._file.exists() else None

    def _save(self, record: _Record) -> None:
        passing = self._file.with_suffix(".new")
        passing.write_text(json.dumps(asdict(record), indent=2) + "\n", "utf-8")
        passing.rename(self._file)

    def private_key(self) -> bytes:
        """The signer's key, made at the first call, readable by its owner only."""
        if not self._key.exists():
            descriptor = os.open(self._key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
        return bytes.fromhex(self._key.read_text("ascii"))

    def url(self, record: _Record) -> str:
        return f"http://127.0.0.1:{record.port}"

    def answers(self, record: _Record) -> bool:
        try:
            return int(Rpc(self.url(record), timeout=5).call("eth_chainId"), 16) == nodes.CHAIN_ID
        except UnavailableError:
            return False

    def start(self, node: str | None, contracts: str | None) -> bool:
        """Brings everything up; says whether it had to. What is already there decides what is not asked for."""
        held = self.record()
        record = _agree(held, node, contracts, self.folder)
        if self.node.pid() and self.answers(record):
            return False
        if not _is_free(record.port):
            record.port = _free_port()
        key = self.private_key()
        start = _NODES[record.node](self.folder / "chain", record.port, address_of(key))
        self._save(record)
        self.node.start(start.command, lambda: self.answers(record), start.environment)
        if not record.registry:
            if record.node == "anvil":
                Rpc(self.url(record)).call("anvil_setBalance", to_hex(address_of(key)), hex(nodes.WEALTH))
            record.registry = to_hex(deploy(self.url(record), key, nodes.CHAIN_ID, record.contracts).registry)
            self._save(record)
        self._describe(record)
        return True

    def _describe(self, record: _Record) -> None:
        self.environment.write_text(
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
            "utf-8",
        )


def _agree(held: _Record | None, node: str | None, contracts: str | None, folder: Path) -> _Record:
    for asked, known, what in ((node, _NODES, "node"), (contracts, PACKAGES, "contract generation")):
        if asked is not None and asked not in known:
            raise InvalidError(f"unknown {what}: {asked}", hint=f"one of: {', '.join(known)}")
    if held is None:
        return _Record(node or "embedded", contracts or "classic", _free_port())
    for asked, has, what in ((node, held.node, "node"), (contracts, held.contracts, "contracts")):
        if asked is not None and asked != has:
            raise StateRefusedError(
                f"the sandbox in {folder} was made with {what} {has!r}, not {asked!r}",
                hint="`cicscenario stack down --purge` deletes it; or name another folder in CICSCENARIO_HOME",
            )
    return held


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def up(home: Path, *, node: str | None = None, contracts: str | None = None) -> StackInfo:
    """Starts the sandbox of ``home``, or finds it; raises StateRefusedError when its data was made with other options."""
    stack = _Stack(home)
    with stack.locked():
        try:
            started = stack.start(node, contracts)
        except BaseException:
            stack.node.stop()
            raise
    return StackInfo(stack.environment, started)


def down(home: Path, *, purge: bool = False) -> bool:
    """Stops the sandbox and, with ``purge``, deletes its data; says whether it was up."""
    stack = _Stack(home)
    if not stack.folder.exists():
        return False
    with stack.locked():
        was_up = stack.node.stop()
        if purge:
            shutil.rmtree(stack.folder)
    return was_up


def status(home: Path) -> list[ServiceStatus]:
    """Every daemon of the sandbox."""
    stack = _Stack(home)
    record = stack.record()
    if record is None:
        return []
    pid = stack.node.pid()
    state = "down" if not pid else "up" if stack.answers(record) else "silent"
    detail = f"{record.node} node, {record.contracts} contracts, registry {record.registry or 'not deployed'}"
    return [ServiceStatus("node", state, pid, stack.url(record), detail)]


def running_environment(home: Path) -> Path | None:
    """The environment file of a sandbox that is up, or None. Starts nothing."""
    stack = _Stack(home)
    record = stack.record()
    if record and record.registry and stack.node.pid() and stack.answers(record):
        return stack.environment
    return None


@contextmanager
def sandbox(
    home: Path, *, node: str | None = None, contracts: str | None = None, keep: bool = False
) -> Iterator[StackInfo]:
    """The sandbox, up for as long as this lasts; it is ended on leaving if this started it, unless ``keep``."""
    info = up(home, node=node, contracts=contracts)
    try:
        yield info
    finally:
        if info.started and not keep:
            down(home)
