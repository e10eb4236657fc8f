"""Redis: keys, queues and channels in memory, behind simulated connections. It forgets all when it restarts empty."""

import base64
import fnmatch
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from redis.exceptions import ConnectionError, TimeoutError

from tests.soak.scheduler import present
from tests.soak.world import AnswerTimeoutError, ConnectionLostError, NoConnectionError, World

TIMEOUT = 5.0  # seconds, of the product's client


@dataclass
class Message:
    """A Celery message. What a program of the simulation sends to another is only written out if the product looks at it."""

    headers: dict[str, Any]
    arguments: list[Any]
    callbacks: list[Any]

    @classmethod
    def of(cls, text: bytes) -> "Message":
        message = json.loads(text)
        arguments, _, links = json.loads(base64.b64decode(message["body"]))
        return cls(message["headers"], arguments, links["callbacks"] or [])

    @cached_property
    def text(self) -> bytes:
        body = base64.b64encode(json.dumps([self.arguments, {}, {"callbacks": self.callbacks}]).encode()).decode()
        return json.dumps({"headers": self.headers, "body": body}).encode()


class SimRedis:
    """The server. ``pushed`` is called after messages were put on a queue. A value may be an object yet to be written as JSON."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lists: dict[str, list[bytes | Message]] = {}
        self.values: dict[str, bytes | dict[str, Any]] = {}
        self.begun = 0  #: tasks that workers have begun
        self.pushed: Callable[[str], None] = lambda queue: None
        self._subscriptions: list[SimSubscription] = []

    def push(self, queue: str, message: Message) -> None:
        """Another program puts a message on a queue."""
        self.lists.setdefault(queue, []).insert(0, message)
        self.pushed(queue)

    def take(self, queue: str) -> Message | None:
        """Another program takes the oldest message of a queue."""
        waiting = self.lists.get(queue)
        message = waiting.pop() if waiting else None
        return Message.of(message) if isinstance(message, bytes) else message

    def value(self, name: str) -> bytes | None:
        value = self.values.get(name)
        if isinstance(value, dict):
            value = self.values[name] = json.dumps(value).encode()
        return value

    def forget(self, name: str) -> None:
        """A key expires."""
        self.values.pop(name, None)

    def publish(self, channel: str, text: bytes) -> int:
        heard = [one for one in self._subscriptions if one.channel == channel]
        for one in heard:
            one.messages.append({"type": "message", "data": text})
        return len(heard)

    def subscribe(self, one: "SimSubscription") -> None:
        self._subscriptions.append(one)

    def unsubscribe(self, one: "SimSubscription") -> None:
        if one in self._subscriptions:
            self._subscriptions.remove(one)

    def drop_connections(self) -> None:
        """Every subscriber loses its connection, and what is published until it is back."""
        for one in self._subscriptions:
            one.broken = True
        self._subscriptions.clear()

    def empty(self) -> None:
        """It is restarted without its data."""
        self.lists.clear()
        declared = {name: value for name, value in self.values.items() if name.startswith("_kombu.binding.")}
        self.values.clear()
        self.values |= declared  # by the programs that find their queues gone
        self.begun = 0
        self.drop_connections()


class SimRedisClient:
    """What the product uses of ``redis.Redis``. Every command is a request."""

    def __init__(self, server: SimRedis) -> None:
        self._server = server
        self.connection_pool = self
        self.connection_kwargs = {"db": 0}

    def disconnect(self, **options: Any) -> None:
        pass

    def close(self) -> None:
        pass

    def _do(self, what: str, carry_out: Callable[[], Any]) -> Any:
        try:
            return self._server.world.exchange(f"redis {what}", carry_out, TIMEOUT, once=True)
        except (NoConnectionError, ConnectionLostError) as error:
            raise ConnectionError(str(error)) from None
        except AnswerTimeoutError:
            raise TimeoutError("Timeout reading from socket") from None

    def _list(self, name: str) -> list[bytes]:
        return [one if isinstance(one, bytes) else one.text for one in self._server.lists.get(name, [])]

    def ping(self) -> bool:
        return bool(self._do("PING", lambda: True))

    def lpush(self, name: str, *messages: bytes) -> int:
        def push() -> int:
            self._server.lists.setdefault(name, [])[:0] = reversed(messages)
            self._server.pushed(name)
            return len(self._server.lists[name])

        return int(self._do("LPUSH", push))

    def llen(self, name: str) -> int:
        return int(self._do("LLEN", lambda: len(self._server.lists.get(name, []))))

    def lindex(self, name: str, index: int) -> bytes | None:
        found: bytes | None = self._do("LINDEX", lambda: self._list(name)[index] if self._list(name) else None)
        return found

    def lrange(self, name: str, first: int, last: int) -> list[bytes]:
        def page() -> list[bytes]:
            items = self._list(name)
            number = len(items)
            start = max(0, number + first) if first < 0 else first
            stop = number + last if last < 0 else last
            return items[start : stop + 1]

        return list(self._do("LRANGE", page))

    def lrem(self, name: str, count: int, message: bytes) -> int:
        def remove() -> int:
            items = self._list(name)
            if message in items:
                del self._server.lists[name][items.index(message)]
                return 1
            return 0

        return int(self._do("LREM", remove))

    def mget(self, names: Sequence[str | bytes]) -> list[bytes | None]:
        def found() -> list[bytes | None]:
            return [self._server.value(name) if name in self._server.values else None for name in wanted]

        wanted = [name.decode() if isinstance(name, bytes) else name for name in names]
        return list(self._do("MGET", found))

    def exists(self, name: str) -> int:
        return int(self._do("EXISTS", lambda: int(name in self._server.values)))

    def get(self, name: str) -> bytes | None:
        found: bytes | None = self._do("GET", lambda: self._server.value(name))
        return found

    def hlen(self, name: str) -> int:
        return int(self._do("HLEN", lambda: 0))

    def hscan_iter(self, name: str, count: int) -> Iterator[tuple[bytes, bytes]]:
        self._do("HSCAN", lambda: None)
        return iter(())

    def scan_iter(self, match: str, count: int = 0, _type: str = "string") -> Iterator[bytes]:
        names = self._server.values if _type.lower() == "string" else {}
        found: list[bytes] = self._do(
            "SCAN", lambda: [name.encode() for name in names if fnmatch.fnmatchcase(name, match)]
        )
        return iter(found)

    def info(self, section: str) -> dict[str, Any]:
        return dict(self._do("INFO", lambda: {"cmdstat_zrem": {"calls": self._server.begun}}))

    def pipeline(self, **options: Any) -> "_Pipeline":
        return _Pipeline()

    def sadd(self, name: str, *members: str) -> int:
        return int(self._do("SADD", lambda: 1))

    srem = sadd

    def delete(self, name: str) -> int:
        return int(self._do("DEL", lambda: 1))

    def publish(self, channel: str, text: str) -> int:
        return int(self._do("PUBLISH", lambda: self._server.publish(channel, text.encode())))

    def pubsub(self) -> "SimSubscription":
        return SimSubscription(self._server, self)


class SimSubscription:
    """One client's subscription to one channel."""

    def __init__(self, server: SimRedis, client: SimRedisClient) -> None:
        self._server, self._client = server, client
        self.channel = ""
        self.broken = False
        self.messages: deque[dict[str, Any]] = deque()

    def subscribe(self, channel: str) -> None:
        self.channel = channel

        def add() -> None:
            self._server.subscribe(self)
            self.messages.append({"type": "subscribe"})

        self._client._do("SUBSCRIBE", add)

    def get_message(self, timeout: float) -> dict[str, Any] | None:
        present().block(lambda: self.broken or bool(self.messages), timeout)
        if self.broken:
            raise ConnectionError("Connection closed by server.")
        return self.messages.popleft() if self.messages else None

    def close(self) -> None:
        self._server.unsubscribe(self)


class _Pipeline:
    """A pipeline in which nothing is found: nothing is ever fetched and not begun here."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def zscore(self, name: str, member: str) -> None:
        pass

    def execute(self, **options: Any) -> list[Any]:
        return []
