"""Ports that the user has chosen, instead of any that are free; and who holds one that is taken."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from cicscenario.errors import UnavailableError
from cicscenario.printable import one_line
from cicscenario.sandbox.nodes import is_free

#: The services that listen, each with its port in the upstream stack's docker-compose.yml with RUN_MASK=63.
#: Source: docs/docker-compose.md. The custodial engine has none: it listens to Redis.
UPSTREAM: Mapping[str, int] = {"node": 63545, "redis": 63379, "postgres": 63432, "meta": 63380, "ussd": 63315}

_NOBODY = "0"  # inode of a socket whose program has ended


def from_base(base: int) -> dict[str, int]:
    """The ports from ``base`` up, one for each service that listens."""
    return {name: base + number for number, name in enumerate(UPSTREAM)}


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
