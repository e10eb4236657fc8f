"""What a service of the sandbox is: how it is started, whether it answers, and how an environment file names it."""

import importlib.util
import secrets
import signal
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cicscenario.sandbox.daemon import Command
from cicscenario.sandbox.nodes import HOST
from cicscenario.sandbox.record import Record, write


@dataclass(frozen=True)
class Site:
    """Where a sandbox is, and what its services have settled: all that one of them needs to know of the others."""

    folder: Path
    record: Record
    running: frozenset[str] = frozenset()  #: services that are up, or asked for together with this one

    def port(self, service: str) -> int:
        return self.record.ports[service]

    def url(self, service: str) -> str:
        """The address of a service that speaks HTTP."""
        return f"http://{HOST}:{self.port(service)}"

    def secret(self, name: str) -> str:
        """A secret in a file of that name, 64 hexadecimal digits, made at the first call."""
        path = self.folder / name
        if not path.exists():
            write(path, secrets.token_hex(32) + "\n")
        return path.read_text("ascii").strip()


class ServiceDaemon(ABC):
    """One daemon. ``needs`` are services that must be up before it; ``end`` is the signal that it ends at."""

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    modules: ClassVar[tuple[str, ...]] = ()  #: without these it cannot be started
    end: ClassVar[signal.Signals] = signal.SIGTERM

    def is_available(self) -> bool:
        """Says whether all that it is made of is installed."""
        return all(_is_installed(module) for module in self.modules)

    @abstractmethod
    def command(self, site: Site) -> Command:
        """How to start it. Raises UnavailableError when that is impossible."""

    @abstractmethod
    def answers(self, site: Site) -> bool:
        """Asks it, briefly, whether it does its work."""

    def prepare(self, site: Site) -> None:  # noqa: B027
        """Makes what has to be there before it is started; called when it is certainly down."""

    def furnish(self, site: Site) -> None:  # noqa: B027
        """Makes what has to be in it once it answers; called at every start, and does nothing that is done."""

    def purge(self, site: Site) -> None:  # noqa: B027
        """Deletes what it keeps outside of the sandbox's folder."""

    def address(self, site: Site) -> str:
        return site.url(self.name)

    def detail(self, site: Site) -> str:
        """More for ``stack status``."""
        return " ".join(site.record.options.get(self.name, []))

    def section(self, site: Site) -> str:
        """Its part of the environment file, YAML."""
        return ""


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it would be in
        return False
