"""Listens to one channel for the engine's callbacks: ``{"root_id": ..., "status": 0 or 1, "result": ...}``."""

import threading
import time
from collections.abc import Collection
from typing import Any

from redis.exceptions import RedisError

from cicscenario.errors import InterruptedRunError
from cicscenario.jsontext import parse_json
from cicscenario.retry import pause
from cicscenario.services.custodial.broker import Broker

_TICK = 0.2
_HEALTH = 10  # seconds for a message that has begun to come
_PAUSE = 0.2

Heard = tuple[int, Any]


class Callbacks:
    """One subscription, renewed by a thread of its own when the connection is lost.

    Messages are kept only for root ids that are expected, and until ``forget``; ``strangers`` counts the others. Redis does not
    store published messages, so those sent while there is no connection are lost: ``gaps`` counts the reconnections.
    """

    def __init__(self, broker: Broker, channel: str) -> None:
        self.gaps = 0
        self.strangers = 0
        self._broker = broker
        self._channel = channel
        self._heard: dict[str, list[Heard]] = {}
        self._news: set[str] = set()
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._stop = threading.Event()
        self._subscriptions = 0
        self._problem: Exception | None = None
        self._thread = threading.Thread(target=self._listen, name=f"callbacks {channel}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(2 * _TICK + _PAUSE)

    def confirmed(self, timeout: float) -> None:
        """Returns once Redis has confirmed the subscription.

        Raises UnavailableError after ``timeout`` seconds, and InterruptedRunError when the run is stopped.
        """
        deadline = time.monotonic() + timeout
        while not self._subscribed.wait(min(_TICK, max(deadline - time.monotonic(), 0))):
            pause(0, self._broker.stopping)
            if time.monotonic() < deadline:
                continue
            raise self._broker.unavailable(self._problem or TimeoutError("no answer to SUBSCRIBE"))

    def expect(self, root_ids: Collection[str]) -> set[str]:
        """Keeps messages of these ids from now on. Returns the ids that were not expected before."""
        with self._changed:
            new = {root_id for root_id in root_ids if root_id not in self._heard}
            self._heard.update((root_id, []) for root_id in new)
        return new

    def forget(self, root_ids: Collection[str]) -> None:
        """Drops the messages of these ids, and keeps no more of them."""
        with self._changed:
            for root_id in root_ids:
                self._heard.pop(root_id, None)
                self._news.discard(root_id)

    def take(self, root_ids: Collection[str], gaps: int, deadline: float) -> dict[str, list[Heard]]:
        """Messages of these ids; waits for the first new one, for more ``gaps``, or until ``deadline`` (of time.monotonic).

        Raises InterruptedRunError when the run is stopped.
        """
        with self._changed:
            while not (found := self._news.intersection(root_ids)) and gaps == self.gaps and not self._stop.is_set():
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(left, _TICK))
                pause(0, self._broker.stopping)
            self._news -= found
            return {root_id: list(self._heard[root_id]) for root_id in found}

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                self._subscription()
            except InterruptedRunError:
                return  # whoever waits for callbacks raises it too
            except (RedisError, OSError, ValueError) as error:
                self._problem = error
            self._subscribed.clear()
            self._stop.wait(_PAUSE)

    def _subscription(self) -> None:
        """Subscribes, and receives until the connection is lost or ``close`` is called."""
        client = self._broker.connect(_HEALTH)
        subscription = client.pubsub()  # type: ignore[no-untyped-call]
        try:
            with self._broker.exchange(_HEALTH):
                subscription.subscribe(self._channel)
            while not self._stop.is_set():
                with self._broker.exchange(_HEALTH, counted=False):
                    message = subscription.get_message(timeout=_TICK)
                if message and message["type"] == "subscribe":
                    self._confirm()
                elif message and message["type"] == "message":
                    self._receive(message["data"])
        finally:
            subscription.close()
            client.close()

    def _confirm(self) -> None:
        self._subscribed.set()
        with self._changed:
            self.gaps += self._subscriptions > 0
            self._subscriptions += 1
            self._changed.notify_all()

    def _receive(self, text: bytes) -> None:
        try:
            message = parse_json(text)
            root_id, heard = message["root_id"], (int(message["status"]), message.get("result"))
        except (ValueError, TypeError, KeyError, AttributeError):
            root_id, heard = None, (1, None)
        with self._changed:
            kept = self._heard.get(root_id) if isinstance(root_id, str) else None
            if kept is None or not isinstance(root_id, str):
                self.strangers += 1
                return
            if heard not in kept:
                kept.append(heard)
                self._news.add(root_id)
                self._changed.notify_all()
