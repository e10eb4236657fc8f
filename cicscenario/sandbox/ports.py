"""Ports of the sandbox: any that are free, or those that the user has chosen; and who holds one that is taken."""

import contextlib
import secrets
import socket
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from cicscenario.errors import UnavailableError
from cicscenario.printable import one_line
from cicscenario.sandbox.nodes import HOST

#: The services that listen, each with its port in the upstream stack's docker-compose.yml with RUN_MASK=63.
#: Source: docs/docker-compose.md. The custodial engine has none: it listens to Redis.
UPSTREAM: Mapping[str, int] = {"node": 63545, "redis": 63379, "postgres": 63432, "meta": 63380, "ussd": 63315}

#: Where free ports are looked for. The kernel gives none of these to an outgoing connection, which would hold it between the
#: choice and the start of the service. By default it gives those from 32768 up; ``_OUTGOING`` has the first and the last.
_FIRST, _END = 20_000, 32_768
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 100

_NOBODY = "0"  # inode of a socket whose program has ended


def from_base(base: int) -> dict[str, int]:
    """The ports from ``base`` up, one for each service that listens."""
    return {name: base + number for number, name in enumerate(UPSTREAM)}


def free_port() -> int:
    """A free port of the loopback interface; no outgoing connection will take it, as far as the kernel's settings allow."""
    end = _END
    with contextlib.suppress(OSError, ValueError, IndexError):  # a system without /proc
        end = min(end, int(_OUTGOING.read_text("ascii").split()[0]))
    for _ in range(_TRIES if end - _FIRST > _TRIES else 0):
        if is_free(port := _FIRST + secrets.randbelow(end - _FIRST)):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        any_port: int = probe.getsockname()[1]
        return any_port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def require_free(wanted: Mapping[str, int], leaving: Collection[int] = ()) -> None:
    """Raises UnavailableError that names each service whose port is taken, and by whom. ``leaving`` are about to be free."""
    taken = {name: port for name, port in wanted.items() if port not in leaving and not is_free(port)}
    if taken:
        said = ", ".join(f"{port} for {name}{_by(port)}" for name, port in taken.items())
        raise UnavailableError(
            f"the sandbox's ports are taken: {said}; nothing was started",
            hint="end what holds them, or choose others: `cicscenario stack up --port-base N` (0 for any that are free)",
        )


def _by(port: int) -> str:
    holder = holder_of(port)
    return f" (by {holder})" if holder else ""


def holder_of(port: int) -> str | None:
    """The program that has a port of this machine, with its process id; None when the kernel does not tell this user."""
    sockets = set(_sockets_at(port))
    for process in Path("/proc").glob("[0-9]*") if sockets else ():
        try:
            if any(str(link.readlink()) in sockets for link in (process / "fd").iterdir()):
                return f"{one_line((process / 'comm').read_text('utf-8', 'replace').strip())}, process {process.name}"
        except OSError:  # another user's, or it has ended
            continue
    return None


def _sockets_at(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text("ascii").splitlines()[1:]
        except OSError:  # a system without /proc
            continue
        for row in map(str.split, lines):
            if row[9] != _NOBODY and int(row[1].rpartition(":")[2], 16) == port:
                yield f"socket:[{row[9]}]"
