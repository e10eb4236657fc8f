"""The sandbox: daemons with their data in one folder, described by an ordinary environment file."""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cicscenario.errors import StateRefusedError
from cicscenario.sandbox import nodes
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.record import Record, agree, read_record, write, write_record
from cicscenario.sandbox.services import SERVICES, options_of, with_needs
from cicscenario.sandbox.services.base import Site
from cicscenario.sandbox.services.node import private_key

__all__ = ["ServiceStatus", "StackInfo", "down", "running_environment", "sandbox", "status", "up"]

CHAIN_ONLY = ("node",)  #: what a run needs that keeps its own keys


@dataclass(frozen=True)
class StackInfo:
    """A sandbox that is up: its environment file, and whether this call started one of its services."""

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


@dataclass(frozen=True)
class _Wish:
    """What is asked of a sandbox. ``options`` None leaves a running service's as they are."""

    services: tuple[str, ...]
    node: str | None
    contracts: str | None
    options: dict[str, list[str]] | None
    temporary: bool = field(kw_only=True)


def _wish(
    services: Iterable[str],
    node: str | None,
    contracts: str | None,
    faults: Sequence[str] | None,
    dialect: str | None,
    *,
    temporary: bool,
) -> _Wish:
    names = with_needs(services)
    options = None if faults is None and dialect is None else options_of(faults or (), dialect)
    return _Wish(names, node, contracts, options, temporary=temporary)


def up(
    home: Path,
    *,
    services: Iterable[str] = CHAIN_ONLY,
    node: str | None = None,
    contracts: str | None = None,
    faults: Sequence[str] | None = None,
    dialect: str | None = None,
) -> StackInfo:
    """Starts the ``services`` of the sandbox of ``home`` and what they need, or finds them; they stay up.

    ``node`` is embedded or anvil, ``contracts`` classic or latest; by default what the sandbox was made with, else the
    first of each. ``faults`` are switches such as ``custodial.signer-down``, ``dialect`` is the phone interface's; with
    either, a service that runs with others is started again, and without, it is left as it is. Raises InvalidError for a
    name that there is not, StateRefusedError when the sandbox was made with another node or other contracts, and
    UnavailableError when something does not start.
    """
    wish = _wish(services, node, contracts, faults, dialect, temporary=False)
    stack = _Stack(home)
    with stack.alone():
        return StackInfo(stack.environment, stack.start(wish))


def down(home: Path, *, purge: bool = False) -> bool:
    """Stops the sandbox and, with ``purge``, deletes its data; says whether anything was up."""
    stack = _Stack(home)
    if not stack.folder.exists():
        return False
    with stack.alone():
        was_up = [stack.daemon(name).stop() for name in reversed(tuple(SERVICES))]
        if purge:
            for service in SERVICES.values():
                service.purge(Site(stack.folder, stack.remembered()))
            shutil.rmtree(stack.folder)
    return any(was_up)


def status(home: Path) -> list[ServiceStatus]:
    """Every daemon that was ever part of the sandbox; none when there is no sandbox."""
    stack = _Stack(home)
    record = stack.record()
    return [] if record is None else [stack.status(name, record) for name in SERVICES if name in record.ports]


def running_environment(home: Path, services: Iterable[str] = CHAIN_ONLY) -> Path | None:
    """The environment file of a sandbox in which ``services`` are up, or None. Starts nothing."""
    stack = _Stack(home)
    record = stack.record()
    if record is None or not stack.environment.exists():
        return None
    up = all(name in record.ports and stack.status(name, record).state == "up" for name in services)
    return stack.environment if up else None


@contextmanager
def sandbox(
    home: Path,
    *,
    services: Iterable[str] = CHAIN_ONLY,
    node: str | None = None,
    contracts: str | None = None,
    faults: Sequence[str] | None = None,
    dialect: str | None = None,
    keep: bool = False,
) -> Iterator[StackInfo]:
    """The sandbox with ``services``, up for as long as this lasts.

    Services that were started in this way are ended by the last of those who use the sandbox, unless one of them asked to
    ``keep`` them; services that were up before stay up. Parameters and errors are those of ``up``.
    """
    wish = _wish(services, node, contracts, faults, dialect, temporary=not keep)
    stack = _Stack(home)
    with stack.alone():
        info = StackInfo(stack.environment, stack.start(wish))
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
        self._record = self.folder / "stack.json"
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

    def remembered(self) -> Record:
        """The record; an empty one where there is none that can be read, for what is to be deleted anyway."""
        try:
            return self.record() or Record("", "")
        except StateRefusedError:
            return Record("", "")

    def daemon(self, name: str) -> Daemon:
        return Daemon(name, self.folder, SERVICES[name].end)

    def status(self, name: str, record: Record) -> ServiceStatus:
        service, site = SERVICES[name], Site(self.folder, record)
        pid = self.daemon(name).pid()
        state = "down" if pid is None else "up" if service.answers(site) else "silent"
        return ServiceStatus(name, state, pid, service.address(site), service.detail(site))

    def start(self, wish: _Wish) -> bool:
        """Brings up what is not up and makes what is not made, wherever an earlier start was cut off.

        Says whether it started a service. What it started it ends again when it fails.
        """
        record = agree(self.record(), wish.node, wish.contracts, self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        started: list[str] = []
        try:
            for name in wish.services:
                if self._start(name, record, wish):
                    started.append(name)
                SERVICES[name].furnish(Site(self.folder, record))
            self._describe(record)
        except BaseException:
            for name in reversed(started):
                self.daemon(name).stop()
            raise
        return bool(started)

    def _start(self, name: str, record: Record, wish: _Wish) -> bool:
        """Starts a service unless it is up as it is wished; says whether it did."""
        service, daemon = SERVICES[name], self.daemon(name)
        site = Site(self.folder, record, frozenset(self._running() | set(wish.services)))
        if name in record.ports and daemon.find(lambda: service.answers(site)):
            if wish.options is not None:
                record.options[name] = wish.options.get(name, [])
            if service.command(site).command == record.commands.get(name):
                if not wish.temporary and name in record.temporary:
                    record.temporary.remove(name)
                return False
            daemon.stop()  # it runs with other options, or knows others by ports at which they are no more
            temporary = wish.temporary and name in record.temporary
        else:
            record.options[name] = (wish.options or {}).get(name, [])
            temporary = wish.temporary
        if name not in record.ports or not nodes.is_free(record.ports[name]):
            record.ports[name] = nodes.free_port()
        record.temporary = [other for other in record.temporary if other != name] + [name] * temporary
        service.prepare(site)
        command = service.command(site)
        record.commands[name] = command.command
        write_record(self._record, record)
        daemon.start(
            command.command,
            command.environment,
            lambda: service.answers(site),
            folder=command.folder,
            user=command.user,
        )
        return True

    def _running(self) -> set[str]:
        return {name for name in SERVICES if self.daemon(name).pid() is not None}

    def _private_key(self) -> bytes:
        return private_key(Site(self.folder, Record("", "")))

    def _describe(self, record: Record) -> None:
        """Writes the environment file, of all that is up; without a chain there is none."""
        write_record(self._record, record)
        running, site = self._running(), Site(self.folder, record)
        if "node" not in running:
            self.environment.unlink(missing_ok=True)
            return
        sections = "".join(service.section(site) for name, service in SERVICES.items() if name in running)
        write(self.environment, f"version: 1\nname: sandbox\n{sections}")

    def use(self) -> int:
        """A descriptor that says, for as long as it is open, that somebody uses the sandbox."""
        descriptor = os.open(self._users, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor

    def leave(self) -> None:
        """Stops what is temporary of a sandbox that nobody else uses."""
        with self.alone():
            record = self.record()
            if record is None or not record.temporary or self._is_used():
                return
            for name in reversed(tuple(SERVICES)):
                if name in record.temporary:
                    self.daemon(name).stop()
            if self._running():
                record.temporary = []
                self._describe(record)

    def _is_used(self) -> bool:
        with self._users.open("w") as users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False
