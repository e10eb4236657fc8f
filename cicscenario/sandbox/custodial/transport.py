"""Celery's own transport over Redis, with fewer Redis clients.

Kombu makes a client object for each command, which takes as long as the command. Here a channel keeps one, and what is done
for each message, which is to note it and to acknowledge it, goes out without a pipeline object. The keys in Redis, and what
happens with messages, are kombu's own.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis, virtual
from kombu.utils.json import dumps

from cicscenario.sandbox.leanredis import Command, round_trip

SCHEME = "cicsandbox"
TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"


def broker_url(url: str) -> str:
    """Turns a ``redis://`` URL into one for which Celery uses this transport."""
    return url.replace("redis://", f"{SCHEME}://", 1)


class QoS(redis.QoS):  # type: ignore[misc]
    """Notes each message that was fetched, until it is acknowledged. Both are transactions, as kombu's are."""

    def append(self, message: Any, delivery_tag: str) -> None:
        delivery = message.delivery_info
        noted = dumps([message._raw, delivery["exchange"], delivery["routing_key"]])  # type: ignore[no-untyped-call]
        self._transaction(
            ("ZADD", self.unacked_index_key, time.time(), delivery_tag), ("HSET", self.unacked_key, delivery_tag, noted)
        )
        virtual.QoS.append(self, message, delivery_tag)  # type: ignore[no-untyped-call]

    def ack(self, delivery_tag: str) -> None:
        self._transaction(("ZREM", self.unacked_index_key, delivery_tag), ("HDEL", self.unacked_key, delivery_tag))
        virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call]

    def _transaction(self, *commands: Command) -> None:
        with self.channel.conn_or_acquire() as client:
            round_trip(client, [("MULTI",), *commands, ("EXEC",)])


class Channel(redis.Channel):
    """Keeps one client for all commands that do not block."""

    QoS = QoS

    @cached_property
    def _kept_client(self) -> Any:
        return self._create_client()

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        yield client or self._kept_client


class Transport(redis.Transport):
    Channel = Channel
