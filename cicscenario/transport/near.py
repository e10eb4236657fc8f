"""Connections to this machine, which are made at once or not at all.

Nobody has to be able to end the wait for one, so it needs no thread of its own.
"""

import errno
import select
import socket
from collections.abc import Iterable
from typing import Any

_FAMILIES = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}
_PATIENCE = 50  # milliseconds; a server whose queue is full takes longer


def connected_at_once(
    host: str, port: int, timeout: float | None, options: Iterable[tuple[Any, ...]] = ()
) -> socket.socket | None:
    """A connection to an address of this machine. None for any other address, and when it is not made at once.

    ``timeout`` (seconds) is that of the socket, ``options`` are arguments of ``setsockopt``.
    """
    if host not in _FAMILIES:
        return None
    made = socket.socket(_FAMILIES[host])
    try:
        for option in options:
            made.setsockopt(*option)
        made.setblocking(False)
        if made.connect_ex((host, port)) in (0, errno.EINPROGRESS) and _is_made(made):
            made.settimeout(timeout)
            return made
    except OSError:
        pass
    made.close()
    return None


def _is_made(opened: socket.socket) -> bool:
    poll = select.poll()
    poll.register(opened, select.POLLOUT)
    return bool(poll.poll(_PATIENCE)) and opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
