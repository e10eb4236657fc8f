"""Writes to the metadata server that are done some time, whatever happens, and the preferences that come back."""

import json
import logging
import queue
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from cicscenario.people import pointer
from cicscenario.sandbox.ussd.cache import Cache
from cicscenario.sandbox.ussd.metaclient import MetaError, SigningMetaClient

_log = logging.getLogger(__name__)

#: Entries on their way to the metadata server. cic-ussd has them among its tasks, where they hold up new accounts.
METADATA_QUEUE = "cic-ussd:metadata"

_WRITERS = 4  # only the second step of a write has to be alone
_PAUSE = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0)  # seconds after each failed write; the last is repeated
_REFUSALS = 8  # answers that refuse a write, after which it is given up: others are waiting
_SOON = 1.0  # seconds within which preferences come, or do not matter


@dataclass(frozen=True)
class QueuedEntry:
    """A value for the metadata server; ``pointer`` is 64 hex digits."""

    pointer: str
    value: Any

    def dump(self) -> str:
        return json.dumps([self.pointer, self.value])


class MetadataWriter:
    """Writes entries of METADATA_QUEUE, four at a time, each until it is there, or refused for good, or ``stop`` is set."""

    def __init__(self, client: SigningMetaClient, stop: threading.Event) -> None:
        self._client = client
        self._stop = stop
        self._pool = ThreadPoolExecutor(_WRITERS, thread_name_prefix="metadata")

    def handle(self, messages: list[str], again: bool) -> None:
        """Returns when all is written. Raises MetaStoppedError when it was asked to stop before that."""
        by_pointer: dict[str, list[Any]] = {}
        for message in messages:
            place, value = json.loads(message)
            by_pointer.setdefault(place, []).append(value)  # entries of one place stay in order
        done = self._pool.map(lambda place: self._write_all(place, by_pointer[place], again), by_pointer)
        if not all(list(done)):
            raise MetaStoppedError("stopped with entries to write")

    def _write_all(self, place: str, values: Iterable[Any], again: bool) -> bool:
        return all(self._write(place, value, again) for value in values)

    def _write(self, place: str, value: Any, again: bool) -> bool:
        failures = refusals = 0
        while not self._stop.is_set():
            try:
                # A second first step onto a text ends the real server: look whether the first has come through.
                if (again or failures) and self._client.get(place) == value:
                    return True
                self._client.put(place, value)
            except MetaError as error:
                _log.warning("metadata %s…: %s; trying again", place[:8], error)
                self._stop.wait(_PAUSE[min(failures, len(_PAUSE) - 1)])
                failures += 1
                refusals += error.answered
                if refusals == _REFUSALS:
                    _log.error("metadata %s…: given up", place[:8])
                    return True
            else:
                return True
        return False

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


class MetaStoppedError(OSError):
    """There was no time to write everything; what was not stays in the queue."""


class PreferencesSync:
    """Preferences from the metadata server into the cache and, by way of METADATA_QUEUE, to it."""

    def __init__(self, client: SigningMetaClient, redis: Redis) -> None:
        self._client = client
        self._redis = redis
        self._cache = Cache(redis)
        self._asked: queue.Queue[bytes | None] = queue.Queue()
        self._waiting: set[bytes] = set()
        self._thread = threading.Thread(target=self._run, name="preferences", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._asked.put(None)
        self._thread.join(2 * _SOON)

    @property
    def is_idle(self) -> bool:
        """Whether every refresh that was asked for is done."""
        return self._asked.unfinished_tasks == 0

    def refresh(self, address: bytes) -> None:
        """Copies an account's preferences into the cache, some time soon."""
        if address not in self._waiting:
            self._waiting.add(address)
            self._asked.put(address)

    def refresh_now(self, address: bytes) -> None:
        """The same at once; does nothing when the server does not answer within a second."""
        try:
            preferences = self._client.get(pointer.preferences(address).hex(), _SOON)
            if isinstance(preferences, dict):
                self._cache.save_preferences(address, preferences)
        except (MetaError, RedisError) as error:
            _log.info("preferences could not be read: %s", error)

    def write(self, address: bytes, language: str) -> None:
        """Writes a preferred language, some time soon."""
        entry = QueuedEntry(pointer.preferences(address).hex(), {"preferred_language": language})
        self._redis.lpush(METADATA_QUEUE, entry.dump())

    def _run(self) -> None:
        while (address := self._asked.get()) is not None:
            self._waiting.discard(address)
            self.refresh_now(address)
            self._asked.task_done()
