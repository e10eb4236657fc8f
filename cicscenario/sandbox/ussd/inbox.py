"""Messages in Redis lists that survive whoever reads them, and the thread that reads them.

Celery's own consumer gives a killed reader's messages back after an hour, and hands them out one by one. Here a message
is moved to a second list when it is taken, leaves that when it is done, and is found there after a crash.
"""

import base64
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg2
from redis import Redis
from redis.exceptions import RedisError

from cicscenario.errors import UnavailableError

_log = logging.getLogger(__name__)

_MOST = 100  # messages handled at once
_HELD = 5000  # messages taken and held back at most
_PATIENCE = 0.1  # seconds that a look into an empty list lasts
_PAUSE = 0.5  # seconds after a failure


@dataclass(frozen=True)
class Task:
    """A Celery message. ``root`` is the id of the task that all of its tree began with."""

    name: str
    root: str
    arguments: list[Any]


def decode(message: str) -> Task:
    """Reads a message of Celery's protocol 2 as kombu writes it to Redis; raises ValueError for anything else."""
    try:
        envelope = json.loads(message)
        headers = envelope["headers"]
        arguments, *_ = json.loads(base64.b64decode(envelope["body"]))
        return Task(headers["task"], headers["root_id"] or headers["id"], list(arguments))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a task message: {error!r}") from None


class Inbox:
    """The list ``name``, to whose left end messages are pushed. ``redis`` decodes its answers."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self.name = name
        self._taken = f"{name}:sandbox-taken"

    @property
    def is_empty(self) -> bool:
        """Whether every message is done."""
        return not self._redis.exists(self.name, self._taken)

    def take(self, most: int, patience: float) -> list[str]:
        """Up to ``most`` messages, oldest first; waits ``patience`` seconds for the first."""
        # The types of the library know neither fractions of a second nor the answer of a synchronous client.
        first: Any = self._redis.blmove(self.name, self._taken, patience, "RIGHT", "LEFT")  # type: ignore[arg-type]
        if first is None:
            return []
        with self._redis.pipeline(transaction=False) as pipe:
            waiting = self._redis.llen(self.name)
            for _ in range(min(most - 1, waiting)):
                pipe.lmove(self.name, self._taken, src="RIGHT", dest="LEFT")
            return [message for message in [first, *pipe.execute()] if message is not None]

    def left_over(self) -> list[str]:
        """Messages that were taken and never done, oldest first."""
        messages: list[str] = self._redis.lrange(self._taken, 0, -1)  # type: ignore[assignment]
        return messages[::-1]

    def done(self, messages: Sequence[str]) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            for message in messages:
                pipe.lrem(self._taken, -1, message)
            pipe.execute()


#: Gets messages, and whether they may have been handled before. Raises what is worth another try, and nothing else.
Handler = Callable[[list[str], bool], None]


class Reader(threading.Thread):
    """Hands an inbox's messages to ``handle``, each ``delay`` seconds after it was taken, until ``stop`` is set.

    When ``handle`` fails the same messages come again, for ever, with a pause between.
    """

    def __init__(self, inbox: Inbox, delay: float, handle: Handler, stop: threading.Event) -> None:
        super().__init__(name=inbox.name, daemon=True)
        self.inbox = inbox
        self._delay = delay
        self._handle = handle
        self._stop_asked = stop
        self._held: deque[tuple[float, str]] = deque()
        self._must_look_back = True

    def run(self) -> None:
        while not self._stop_asked.is_set():
            try:
                self._round()
            except (RedisError, psycopg2.Error, UnavailableError, OSError) as error:
                _log.warning("%s: %s; trying again", self.inbox.name, str(error).strip())
                self._start_over()
            except Exception:
                _log.exception("%s: unexpected; trying again", self.inbox.name)
                self._start_over()

    def _start_over(self) -> None:
        self._held.clear()
        self._must_look_back = True
        self._stop_asked.wait(_PAUSE)

    def _round(self) -> None:
        if self._must_look_back:
            old = self.inbox.left_over()
            for start in range(0, len(old), _MOST):
                self._finish(old[start : start + _MOST], again=True)
            self._must_look_back = False
        now = time.monotonic()
        if len(self._held) < _HELD:
            due = now + self._delay
            self._held += ((due, message) for message in self.inbox.take(_MOST, self._patience(now)))
        else:
            self._stop_asked.wait(self._patience(now))
        ready: list[str] = []
        while self._held and self._held[0][0] <= time.monotonic() and len(ready) < _MOST:
            ready.append(self._held.popleft()[1])
        if ready:
            self._finish(ready, again=False)

    def _patience(self, now: float) -> float:
        """Seconds to wait for new messages; never 0, which would mean for ever."""
        return max(0.01, min(_PATIENCE, self._held[0][0] - now if self._held else _PATIENCE))

    def _finish(self, messages: list[str], *, again: bool) -> None:
        self._handle(messages, again)
        self.inbox.done(messages)
