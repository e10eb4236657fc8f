"""Servers that accept connections and never answer, and a measure of how soon a call ends when the run is stopped."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from cicscenario.errors import InterruptedRunError

STOP_AFTER = 0.2  # seconds
ENDS_WITHIN = 3.0  # seconds after the stop; the promise is one second, which a machine that is busy may not keep to


@contextmanager
def silent_server(greeting: bytes = b"") -> Iterator[int]:
    """Its port on 127.0.0.1. It sends ``greeting`` to whoever connects."""
    kept: list[socket.socket] = []

    def serve(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                kept.append(listening.accept()[0])
                kept[-1].sendall(greeting)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in kept:
                connection.close()


def assert_ends_with_the_run(call: Callable[[], object], stopping: threading.Event) -> None:
    """The call waits for a server, and raises InterruptedRunError soon after the stop."""
    stopped: list[float] = []

    def stop() -> None:
        stopped.append(time.monotonic())
        stopping.set()

    timer = threading.Timer(STOP_AFTER, stop)
    timer.start()
    with pytest.raises(InterruptedRunError):
        call()
    ended = time.monotonic()
    timer.join()
    assert 0 <= ended - stopped[0] < ENDS_WITHIN
