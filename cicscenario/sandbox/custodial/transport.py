"""Celery's own transport over Redis, with fewer Redis clients.

Kombu makes a client object for each command, which takes as long as the command. Here a channel keeps one. The keys in
Redis, and what happens with messages, are kombu's own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

SCHEME = "cicsandbox"
TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"


def broker_url(url: str) -> str:
    """Turns a ``redis://`` URL into one for which Celery uses this transport."""
    return url.replace("redis://", f"{SCHEME}://", 1)


class Channel(redis.Channel):
    """Keeps one client for all commands that do not block."""

    @cached_property
    def _kept_client(self) -> Any:
        return self._create_client()

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        yield client or self._kept_client


class Transport(redis.Transport):
    Channel = Channel
