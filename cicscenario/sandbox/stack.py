"""The sandbox: starts and stops daemons whose data is in one folder, and writes the environment file that names them."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cicscenario.errors import StateRefusedError, UnavailableError
from cicscenario.files import OWNER_ONLY, make_folder, open_in_place, write_whole
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.guard import watchdog_of, watched
from cicscenario.sandbox.pacing import settle
from cicscenario.sandbox.ports import free_port, is_free, require_free
from cicscenario.sandbox.process import HOLD
from cicscenario.sandbox.record import ENVIRONMENT, RECORD, Record, choose, read_record, write_record
from cicscenario.sandbox.request import StartRequest, start_request
from cicscenario.sandbox.services import SERVICES, with_needs
from cicscenario.sandbox.services.base import Site
from cicscenario.sandbox.snapshot.place import delete_sandbox, finish, is_decided
from cicscenario.sandbox.space import full_disk_told
from cicscenario.sandbox.starting import Progress, Starting, silent
from cicscenario.sandbox.users import Users

__all__ = ["ServiceStatus", "StackInfo", "down", "running_environment", "sandbox", "status", "up", "used"]

_PORT_TRIES = 3  # how often all is started again when a port was taken before its service started

CHAIN_ONLY = ("node",)  #: services of a run with sovereign accounts


@dataclass(frozen=True)
class StackInfo:
    """A running sandbox: its environment file, and whether this call started any service."""

    environment: Path
    started: bool


@dataclass(frozen=True)
class ServiceStatus:
    """One daemon; ``state`` is up, down, or silent when the process runs and does not answer."""

    name: str
    state: str
    pid: int | None
    address: str
    detail: str


def up(
    home: Path,
    *,
    services: Iterable[str] = CHAIN_ONLY,
    node: str | None = None,
    contracts: str | None = None,
    faults: Sequence[str] | None = None,
    dialect: str | None = None,
    pace: str | None = None,
    progress: Progress = silent,
    ports: Mapping[str, int] | None = None,
) -> StackInfo:
    """Starts the ``services`` of the sandbox in ``home``, and the services they need, unless they are up. They stay up.

    ``node`` is embedded or anvil, ``contracts`` is classic or latest. The default is the choice that the sandbox was made
    with; for a new sandbox, embedded and classic. ``faults`` are switches such as ``custodial.signer-down``; ``dialect``
    is the phone interface's. If either is given, a running service with other options is restarted; if neither is given,
    running services keep their options. ``progress`` is called as services start. ``ports`` are those of services by name,
    from now on; running services move to them. With an empty mapping, any that are free. ``pace`` is fast or real; services
    that run with the other one are started again. The default is that of those that run, or fast.

    Raises InvalidError for an unknown name, StateRefusedError when the sandbox was made with another node or other contracts or
    when a service would have to move or change its pace that a run uses, and UnavailableError when a port is taken or a service
    does not start.
    """
    request = start_request(services, node, contracts, faults, dialect, pace, temporary=False)
    request = replace(request, ports=ports, may_change_pace=True)
    stack = _Stack(home)
    with stack.locked():
        return StackInfo(stack.environment, stack.start(request, progress))


def down(home: Path, *, purge: bool = False) -> bool:
    """Stops the sandbox and, with ``purge``, deletes its data; says whether any service was up.

    Raises StateRefusedError when a run uses it, which is then as it was.
    """
    stack = _Stack(home)
    if not stack.folder.exists() and not is_decided(home):
        return False
    with stack.locked():
        stack.refuse_users()
        was_up = stack.stop_all()
        if purge:
            delete_sandbox(stack.folder)
    return bool(was_up)


def status(home: Path) -> list[ServiceStatus]:
    """Every daemon that was ever started in the sandbox; an empty list when there is no sandbox."""
    stack = _Stack(home)
    record = stack.record()
    return [] if record is None else [stack.status(name, record) for name in SERVICES if name in record.ports]


def running_environment(home: Path, services: Iterable[str] = CHAIN_ONLY) -> Path | None:
    """The environment file of the sandbox if ``services`` are up, else None. Starts nothing."""
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
    pace: str | None = None,
    keep: bool = False,
    progress: Progress = silent,
    user: str = "a program",
) -> Iterator[StackInfo]:
    """The sandbox with ``services``, which are up until the block ends.

    Several processes may use the sandbox at once. The last one to leave stops the services that were started by this
    function, unless one of the users asked to ``keep`` them. Services that were up before stay up. ``user`` describes this
    user to somebody who wants to stop the sandbox. ``progress`` is called as services start. The other parameters, and the
    errors, are those of ``up``; StateRefusedError, too, when services that run have another ``pace``.
    """
    request = start_request(services, node, contracts, faults, dialect, pace, temporary=not keep)
    stack = _Stack(home)
    with stack.locked():
        info = StackInfo(stack.environment, stack.start(request, progress))
        use = stack.users.join(user)
    try:
        yield info
    finally:
        stack.users.leave(use)
        stack.stop_temporary()


@contextmanager
def used(environment: Path, user: str) -> Iterator[None]:
    """Marks a sandbox as used by ``user`` until the block ends, if ``environment`` is the environment file of one.

    A sandbox in a folder that this process may not write to is not marked.
    """
    path = environment.resolve()
    stack = _Stack(path.parent.parent)
    if path != stack.environment or not stack.exists() or not os.access(path.parent.parent, os.W_OK):
        yield
        return
    with stack.locked():
        use = stack.users.join(user)
    try:
        yield
    finally:
        stack.users.leave(use)
        stack.stop_temporary()


@contextmanager
def held(home: Path) -> Iterator["_Stack"]:
    """The sandbox in ``home``, locked until the block ends, for a snapshot. Raises StateRefusedError when anybody uses it."""
    stack = _Stack(home)
    with stack.locked():
        stack.refuse_users()
        yield stack


@contextmanager
def locked(home: Path) -> Iterator["_Stack"]:
    """The sandbox in ``home``, which must be up, locked until the block ends. Raises UnavailableError when it is not."""
    stack = _Stack(home)
    if not stack.exists() or not stack.running():
        raise UnavailableError(f"the sandbox in {stack.folder} is not up", hint="start it: cicscenario stack up")
    with stack.locked():
        yield stack


def finish_restore(home: Path) -> None:
    """Completes a restore that was decided and whose process was then killed. Call it before a run's folder is used."""
    if is_decided(home):
        with _Stack(home).locked():
            pass


class _Stack:
    """The files and daemons of one sandbox."""

    def __init__(self, home: Path) -> None:
        self.folder = (home / "sandbox").absolute()
        self.environment = self.folder / ENVIRONMENT
        self.temporary = self.folder / "tmp"
        self._record = self.folder / RECORD
        self.users = Users(self.folder)
        self.watchdog = watchdog_of(self.folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the lock for starting and stopping; a second process waits here. Completes a restore that was decided.

        The lock file is beside the folder, not in it: deleting it together with the folder would let two processes in.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(open_in_place(self.folder.parent / "sandbox.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            finish(self.folder.parent)
            yield

    def exists(self) -> bool:
        return self._record.exists()

    def record(self) -> Record | None:
        return read_record(self._record)

    def daemon(self, name: str) -> Daemon:
        return Daemon(name, self.folder, SERVICES[name].stop_signal)

    def status(self, name: str, record: Record) -> ServiceStatus:
        service, site = SERVICES[name], Site(self.folder, record)
        pid = self.daemon(name).pid()
        state = "down" if pid is None else "up" if service.answers(site) else "silent"
        return ServiceStatus(name, state, pid, service.address(site), service.detail(site))

    def start(self, request: StartRequest, progress: Progress = silent) -> bool:
        """Starts the services that are not up, and completes an earlier start that was interrupted.

        Says whether it started any service. When it fails, it stops the services it has started.
        """
        record = choose(self.record(), request.node, request.contracts, self.folder)
        may_change = self.refuse_users if request.may_change_pace else None
        again = settle(record, request.pace, self.running(), may_change, self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        request = replace(request, services=with_needs({*request.services, *again}))
        for tries in range(_PORT_TRIES, -1, -1):
            request = self._settle_ports(record, request)
            starting = self._starting(record, request, progress)
            try:
                self._start_whole(starting, record)
                break
            except UnavailableError:
                if not tries or all(is_free(record.ports[name]) for name in starting.started):
                    raise
        return bool(starting.started)

    def _starting(self, record: Record, request: StartRequest, progress: Progress) -> Starting:
        return Starting(
            self.folder,
            request.services,
            record,
            self.daemon,
            lambda name, hold: self._launch(name, record, request, hold),
            progress,
        )

    def _start_whole(self, starting: Starting, record: Record) -> None:
        """Starts all, or leaves none of them running."""
        try:
            with watched(self.folder):
                starting.start()
                with full_disk_told(self.folder, "environment file"):
                    self._write_environment(record)
        except BaseException:
            starting.undo()
            if not self.running():
                self.watchdog.stop()
            raise

    def _settle_ports(self, record: Record, request: StartRequest) -> StartRequest:
        """Makes sure that all chosen ports are free; stops services that have to move. The request, with those, too."""
        running = self.running()
        if request.ports is not None:
            record.fixed = dict(request.ports)
            request = replace(request, services=with_needs({*request.services, *running}))
        staying = {name for name in running if record.fixed.get(name, record.ports[name]) == record.ports[name]}
        wanted = {name: record.fixed[name] for name in request.services if name in record.fixed.keys() - staying}
        moving = [name for name in reversed(tuple(SERVICES)) if name in running & wanted.keys()]
        require_free(wanted, [record.ports[name] for name in moving])
        if moving:
            self.refuse_users()
        for name in moving:
            self.daemon(name).stop()
        record.ports |= wanted
        return request

    def _launch(
        self, name: str, record: Record, request: StartRequest, hold: int | None
    ) -> "subprocess.Popen[bytes] | None":
        """Starts a service unless it is up with the requested options: then it gives None. For ``hold`` see Starting."""
        service, daemon = SERVICES[name], self.daemon(name)
        site = Site(self.folder, record, frozenset(self.running() | set(request.services)))
        if name in record.ports and daemon.find(lambda: service.answers(site)):
            if request.options is not None:
                record.options[name] = request.options.get(name, [])
            if service.command(site).command == record.commands.get(name):
                if not request.temporary and name in record.temporary:
                    record.temporary.remove(name)
                return None
            daemon.stop()  # it was started with other options, or with ports of other services that have changed
            temporary = request.temporary and name in record.temporary
        else:
            record.options[name] = (request.options or {}).get(name, [])
            temporary = request.temporary
        if name not in record.ports or not is_free(record.ports[name]):
            record.ports[name] = free_port()
        record.temporary = [other for other in record.temporary if other != name] + [name] * temporary
        make_folder(self.temporary)
        service.prepare(site)
        command = service.command(site)
        record.commands[name] = command.command
        write_record(self._record, record)
        held = {} if hold is None else {HOLD: str(hold)}
        return daemon.launch(
            command.command,
            # TMPDIR: when it is killed, it leaves nothing elsewhere
            command.environment | {"TMPDIR": str(self.temporary)} | held,
            folder=command.folder,
            user=command.user,
            inherited=() if hold is None else (hold,),
        )

    def stop_all(self) -> list[str]:
        """Stops all services; gives the names of those that were up, in starting order."""
        stopped = [name for name in reversed(tuple(SERVICES)) if self.daemon(name).stop()]
        self.watchdog.stop()
        shutil.rmtree(self.temporary, ignore_errors=True)
        return stopped[::-1]

    def start_with(self, options: dict[str, list[str]]) -> None:
        """Starts running services again, each with other options; they are as temporary as they were."""
        self.start(
            StartRequest(tuple(name for name in SERVICES if name in options), None, None, options, temporary=True)
        )

    def start_again(self, names: Sequence[str]) -> None:
        """Starts services that ``stop_all`` has stopped, with the options that they had, and as temporary as they were."""
        if not names or (before := self.record()) is None:
            return
        options = dict(before.options)
        self.start(StartRequest(tuple(names), None, None, options, temporary=False, pace=before.pace))
        if record := self.record():
            record.temporary = before.temporary
            write_record(self._record, record)

    def running(self) -> set[str]:
        return {name for name in SERVICES if self.daemon(name).pid() is not None}

    def _write_environment(self, record: Record) -> None:
        """Writes the environment file with all running services; deletes it when the node is down."""
        write_record(self._record, record)
        running, site = self.running(), Site(self.folder, record)
        if "node" not in running:
            self.environment.unlink(missing_ok=True)
            return
        sections = "".join(service.section(site) for name, service in SERVICES.items() if name in running)
        write_whole(self.environment, f"version: 1\nname: sandbox\n{sections}", mode=OWNER_ONLY)

    def refuse_users(self) -> None:
        """Raises StateRefusedError if anybody uses the sandbox. The caller holds the lock."""
        if users := self.users.all():
            raise StateRefusedError(
                f"the sandbox in {self.folder} is in use by {'; and by '.join(users)}",
                hint="wait for it to end, or stop it with ^C; nothing was changed",
            )

    def stop_temporary(self) -> None:
        """Stops the temporary services if nobody uses the sandbox any more."""
        with self.locked():
            record = self.record()
            if record is None or not record.temporary or self.users.all():
                return
            for name in reversed(tuple(SERVICES)):
                if name in record.temporary:
                    self.daemon(name).stop()
            if self.running():
                record.temporary = []
                self._write_environment(record)
            else:
                self.watchdog.stop()
