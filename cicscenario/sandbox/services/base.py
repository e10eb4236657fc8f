"""The interface of a sandbox service: its start command, its health check and its section of the environment file."""

import hashlib
import importlib.util
import secrets
import signal
import socket
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cicscenario.files import write_once
from cicscenario.sandbox.daemon import Command
from cicscenario.sandbox.nodes import HOST
from cicscenario.sandbox.pace import FAST
from cicscenario.sandbox.record import Record

_PATIENCE = 2.0  # seconds to connect


@dataclass(frozen=True)
class Site:
    """The sandbox as a service sees it: the data folder, and the record with the ports of all services."""

    folder: Path
    record: Record
    running: frozenset[str] = frozenset()  #: services that are up, or are being started together with this one

    def port(self, service: str) -> int:
        return self.record.ports[service]

    def url(self, service: str) -> str:
        """The URL of an HTTP service."""
        return f"http://{HOST}:{self.port(service)}"

    def listens(self, service: str) -> bool:
        """Whether anything listens on the service's port: a look that costs nothing while a service starts."""
        try:
            with socket.create_connection((HOST, self.port(service)), timeout=_PATIENCE):
                return True
        except OSError:
            return False

    def secret(self, name: str) -> str:
        """The secret in file ``name``, 64 hexadecimal digits; the first call makes it."""
        path = self.folder / name
        if not path.exists():
            write_once(path, secrets.token_hex(32) + "\n")
        return path.read_text("ascii").strip()


class ServiceDaemon(ABC):
    """How one service is started and checked. It keeps no state of its own: ``site`` has it."""

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()  #: services without which this one is of no use
    after: ClassVar[tuple[str, ...]] = ()  #: those of them that must be up before this one is started
    modules: ClassVar[tuple[str, ...]] = ()  #: Python modules that must be installed
    has_pace: ClassVar[bool] = False  #: whether it can be as slow as the real service
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM  #: makes the process save its data and exit
    abandon_signal: ClassVar[signal.Signals] = signal.SIGKILL  #: ends it when its data has been deleted
    #: Its data, for snapshots: files in the sandbox's folder, and folders with all that is in them. Whatever names a port or a
    #: path of this sandbox must not be in it, for it is used in others.
    kept: ClassVar[tuple[str, ...]] = ()
    made_anew: ClassVar[
        tuple[str, ...]
    ] = ()  #: what of ``kept`` is left out, since each start makes it: patterns of paths
    #: What of ``kept`` is not saved, since the service does without it; older snapshots may have it: patterns of paths.
    dispensable: ClassVar[tuple[str, ...]] = ()

    def is_available(self) -> bool:
        """Whether all its modules are installed."""
        return all(_is_installed(module) for module in self.modules)

    @abstractmethod
    def command(self, site: Site) -> Command:
        """The command that starts the service. Raises UnavailableError when its program is missing."""

    @abstractmethod
    def answers(self, site: Site) -> bool:
        """A short health check: whether the service answers requests."""

    def prepare(self, site: Site) -> None:  # noqa: B027
        """Creates what the service needs on disk before it starts. The service is down when this is called."""

    def provision(self, site: Site) -> None:  # noqa: B027
        """Creates what must exist inside the running service. Called at every start; what exists is left as it is."""

    def form(self, record: Record) -> str:
        """The form of its data. A snapshot is refused by an installation in which it is another one."""
        return "1"

    def receive(self, folder: Path) -> None:
        """Makes the place for its data in ``folder``, a new sandbox's, into which a snapshot is then unpacked."""
        for path in self.kept:
            (folder / path).parent.mkdir(mode=0o700, exist_ok=True)

    def received(self, folder: Path) -> None:  # noqa: B027
        """Called when its data is unpacked in ``folder``."""

    def purge(self, site: Site) -> None:  # noqa: B027
        """Deletes the service's data outside the sandbox's folder."""

    def address(self, site: Site) -> str:
        """The service's URL."""
        return site.url(self.name)

    def detail(self, site: Site) -> str:
        """The last column of ``stack status``: the options of the last start."""
        return " ".join(self.options(site))

    def options(self, site: Site) -> list[str]:
        """The options of its start that a user has chosen, such as faults, and a pace that is not the fast one."""
        pace = ["--pace", site.record.pace] if self.has_pace and site.record.pace != FAST else []
        return site.record.options.get(self.name, []) + pace

    def variables(self, site: Site) -> dict[str, str]:
        """Its addresses, users, and files of secrets, for ``stack env``. Never a secret itself."""
        return {}

    def section(self, site: Site) -> str:
        """The service's section of the environment file, as YAML."""
        return ""


def form_of(tables: str) -> str:
    """Names the form of data that is in these tables, given as SQL."""
    return f"tables {hashlib.sha256(tables.encode()).hexdigest()[:12]}"


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the parent package is not installed
        return False
