"""Reads messages from Redis lists, so that no message is lost when the reader is killed.

Celery's own consumer returns the messages of a killed reader only after an hour, and delivers one message at a time. Here,
taking a message moves it to a second list. It is deleted there when it is done; after a crash it is found there.
"""

import base64
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
from redis.exceptions import RedisError

from cicscenario.errors import UnavailableError
from cicscenario.jsontext import parse_json
from cicscenario.sandbox.leanredis import LeanRedis, round_trip

_log = logging.getLogger(__name__)

_BATCH = 100  # messages handled at once
_MOST_HELD = 5000  # limit of delayed messages
_PATIENCE = 30.0  # seconds to wait for a message; then it is waited for again
_SLACK = 10.0  # seconds that Redis may be late
_POLL = 0.05  # seconds between attempts to end a wait
_PAUSE = 0.5  # seconds after a failure
#: Moves up to ARGV[1] messages, and gives them. It goes out together with the command that waits for the first.
_TAKE = """
local taken = {}
for number = 1, ARGV[1] do
    local message = redis.call('LMOVE', KEYS[1], KEYS[2], 'RIGHT', 'LEFT')
    if not message then break end
    taken[number] = message
end
return taken
"""


@dataclass(frozen=True)
class Task:
    """A Celery message. ``root`` is the id of the first task of its tree."""

    name: str
    root: str
    arguments: list[Any]


def decode(message: str) -> Task:
    """Decodes a message of Celery's protocol 2, as kombu writes it to Redis. Raises ValueError for anything else."""
    try:
        envelope = parse_json(message)
        headers = envelope["headers"]
        arguments, *_ = parse_json(base64.b64decode(envelope["body"]))
        return Task(headers["task"], headers["root_id"] or headers["id"], list(arguments))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a task message: {error!r}") from None


class Inbox:
    """The Redis list ``name`` of the Redis at ``broker``; senders push messages at its left end."""

    def __init__(self, broker: str, name: str) -> None:
        self._client_name = f"inbox-{secrets.token_hex(8)}"
        self._redis = LeanRedis.from_url(
            broker, decode_responses=True, client_name=self._client_name, socket_timeout=_PATIENCE + _SLACK
        )
        self.name = name
        self._taken = f"{name}:sandbox-taken"

    @property
    def is_empty(self) -> bool:
        """Whether there are no messages, neither waiting nor taken."""
        return not self._redis.exists(self.name, self._taken)

    def take(self, most: int, patience: float) -> list[str]:
        """Up to ``most`` messages, oldest first; waits ``patience`` seconds for the first."""
        wait = ("BLMOVE", self.name, self._taken, "RIGHT", "LEFT", patience)
        first, others = round_trip(self._redis, [wait, ("EVAL", _TAKE, 2, self.name, self._taken, most - 1)])
        return [message.decode() for message in (first, *others) if message is not None]

    def end_wait(self) -> None:
        """Lets a ``take`` in another thread return without a message."""
        with suppress(RedisError):
            clients: Any = self._redis.client_list()
            for client in clients:
                if client["name"] == self._client_name:
                    self._redis.client_unblock(int(client["id"]))

    def close(self) -> None:
        self._redis.close()

    def unfinished(self) -> list[str]:
        """Messages that were taken and are not done, oldest first."""
        messages: list[str] = self._redis.lrange(self._taken, 0, -1)  # type: ignore[assignment]
        return messages[::-1]

    def done(self, messages: Sequence[str]) -> None:
        """Deletes messages that were taken."""
        round_trip(self._redis, [("LREM", self._taken, -1, message) for message in messages])


#: Arguments: messages, and whether they may have been handled before. When it raises, it is called with them again.
Handler = Callable[[list[str], bool], None]


class Reader(threading.Thread):
    """A thread that passes messages to ``handle``, each ``delay`` seconds after it was taken, until ``stop`` is set.

    When ``handle`` raises, the same messages are passed again after a pause, without a limit.
    """

    def __init__(self, inbox: Inbox, delay: float, handle: Handler, stop: threading.Event) -> None:
        super().__init__(name=inbox.name, daemon=True)
        self.inbox = inbox
        self._delay = delay
        self._handle = handle
        self._stop_asked = stop
        self._held: deque[tuple[float, str]] = deque()
        self._must_redo = True

    def run(self) -> None:
        while not self._stop_asked.is_set():
            try:
                self._step()
            except (RedisError, psycopg2.Error, UnavailableError, OSError) as error:
                _log.warning("%s: %s; trying again", self.inbox.name, str(error).strip())
                self._back_off()
            except Exception:
                _log.exception("%s: unexpected; trying again", self.inbox.name)
                self._back_off()

    def end(self) -> None:
        """Waits until the thread has ended, after ``stop`` was set."""
        while self.is_alive():
            self.inbox.end_wait()  # again: it may begin to wait just now
            self.join(_POLL)
        self.inbox.close()

    def _back_off(self) -> None:
        self._held.clear()
        self._must_redo = True
        self._stop_asked.wait(_PAUSE)

    def _step(self) -> None:
        if self._must_redo:
            old = self.inbox.unfinished()
            for start in range(0, len(old), _BATCH):
                self._finish(old[start : start + _BATCH], again=True)
            self._must_redo = False
        now = time.monotonic()
        if len(self._held) < _MOST_HELD:
            due = now + self._delay
            self._held += ((due, message) for message in self.inbox.take(_BATCH, self._patience(now)))
        else:
            self._stop_asked.wait(self._patience(now))
        ready: list[str] = []
        while self._held and self._held[0][0] <= time.monotonic() and len(ready) < _BATCH:
            ready.append(self._held.popleft()[1])
        if ready:
            self._finish(ready, again=False)

    def _patience(self, now: float) -> float:
        """Seconds to wait for new messages; never 0, which means no timeout in Redis."""
        return max(0.01, min(_PATIENCE, self._held[0][0] - now if self._held else _PATIENCE))

    def _finish(self, messages: list[str], *, again: bool) -> None:
        self._handle(messages, again)
        self.inbox.done(messages)
