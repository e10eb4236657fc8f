"""Background writes to the metadata server, which are retried until they succeed, and reads into the cache."""

import json
import logging
import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from cicscenario.jsontext import parse_json
from cicscenario.people import pointer
from cicscenario.sandbox.pace import FIGURES, Work, WorkPace
from cicscenario.sandbox.ussd.cache import Cache
from cicscenario.sandbox.ussd.metaclient import MetaError, SigningMetaClient
from cicscenario.sandbox.ussd.profiles import normalised

_log = logging.getLogger(__name__)

#: Queue of entries for the metadata server. In cic-ussd they share a queue with new accounts and delay those.
METADATA_QUEUE = "cic-ussd:metadata"

_WRITERS = 4  # threads; only the second step of a write excludes other writes
_BACK_OFF = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0)  # seconds after each failed write; the last is repeated
_REFUSALS = 8  # refusals after which a write is given up, so that it does not block the queue
_REFRESH_TIMEOUT = 1.0  # seconds to wait for preferences


@dataclass(frozen=True)
class QueuedEntry:
    """An entry to write to the metadata server; ``pointer`` is 64 hex digits."""

    pointer: str
    value: Any

    def dump(self) -> str:
        return json.dumps([self.pointer, self.value])


class MetadataWriter:
    """Writes the entries of METADATA_QUEUE, four at a time; at the real pace, one after the other.

    It repeats each write until the entry is stored, the server has refused it eight times, or ``stop`` is set.
    """

    def __init__(self, client: SigningMetaClient, stop: threading.Event, pace: WorkPace) -> None:
        self._client = client
        self._stop = stop
        self._pace = pace
        writers = FIGURES[Work.ENTRY].at_once if pace.is_real else _WRITERS
        self._pool = ThreadPoolExecutor(writers, thread_name_prefix="metadata")

    def handle(self, messages: list[str], again: bool) -> None:
        """Returns when all entries are written. Raises MetaStoppedError when ``stop`` is set before."""
        by_pointer: dict[str, list[Any]] = {}
        for message in messages:
            key, value = parse_json(message)
            by_pointer.setdefault(key, []).append(value)  # entries of one pointer stay in order
        done = self._pool.map(lambda key: self._write_all(key, by_pointer[key], again), by_pointer)
        if not all(list(done)):
            raise MetaStoppedError("stopped before all entries were written")

    def _write_all(self, key: str, values: Iterable[Any], again: bool) -> bool:
        return all(self._write(key, value, again) for value in values)

    def _write(self, key: str, value: Any, again: bool) -> bool:
        failures = refusals = 0
        while not self._stop.is_set():
            try:
                # Repeating the first step on an entry that is a text crashes the real server. So read first whether an
                # earlier attempt was stored.
                if (again or failures) and self._client.get(key) == value:
                    return True
                self._pace.wait(Work.ENTRY)
                self._client.put(key, value)
            except MetaError as error:
                _log.warning("metadata %s…: %s; trying again", key[:8], error)
                self._stop.wait(_BACK_OFF[min(failures, len(_BACK_OFF) - 1)])
                failures += 1
                refusals += error.answered
                if refusals == _REFUSALS:
                    _log.error("metadata %s…: given up after %d refusals", key[:8], _REFUSALS)
                    return True
            else:
                return True
        return False

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


class MetaStoppedError(OSError):
    """The service stops before all entries are written; the rest stays in the queue."""


class MetadataSync:
    """Copies preferences and person documents from the metadata server into the cache, and writes through METADATA_QUEUE."""

    def __init__(self, client: SigningMetaClient, redis: Redis) -> None:
        self._client = client
        self._redis = redis
        self._cache = Cache(redis)
        self._asked: queue.Queue[_Read | None] = queue.Queue()
        self._waiting: set[_Read] = set()
        self._thread = threading.Thread(target=self._run, name="metadata reads", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._asked.put(None)
        self._thread.join(2 * _REFRESH_TIMEOUT)

    @property
    def is_idle(self) -> bool:
        """Whether all requested refreshes are done."""
        return self._asked.unfinished_tasks == 0

    def refresh(self, address: bytes) -> None:
        """Copies an account's preferences and person document into the cache, in the background."""
        self._ask(_Read(address, self.refresh_now))
        self.refresh_person(address)

    def refresh_person(self, address: bytes) -> None:
        """Copies an account's person document into the cache, in the background."""
        self._ask(_Read(address, self._read_person))

    def _ask(self, read: "_Read") -> None:
        if read not in self._waiting:
            self._waiting.add(read)
            self._asked.put(read)

    def refresh_now(self, address: bytes) -> None:
        """Copies an account's preferences into the cache now; gives up when the server does not answer in a second."""
        preferences = self._read(pointer.preferences(address))
        if isinstance(preferences, dict):
            self._cache.save_preferences(address, preferences)

    def _read_person(self, address: bytes) -> None:
        document = self._read(pointer.person(address))
        if document is None:
            return
        try:
            person = normalised(document)
        except Exception as error:  # whatever somebody has written there
            _log.info("a person document cannot be used: %s", type(error).__name__)
            return
        self._cache.save_person(address, person)

    def _read(self, place: bytes) -> Any:
        try:
            return self._client.get(place.hex(), _REFRESH_TIMEOUT)
        except (MetaError, RedisError) as error:
            _log.info("metadata could not be read: %s", error)
            return None

    def write(self, place: bytes, value: Any) -> None:
        """Writes an entry, in the background."""
        self._redis.lpush(METADATA_QUEUE, QueuedEntry(place.hex(), value).dump())

    def _run(self) -> None:
        while (read := self._asked.get()) is not None:
            self._waiting.discard(read)
            try:
                read.run(read.address)
            except RedisError as error:
                _log.info("metadata could not be cached: %s", error)
            self._asked.task_done()


@dataclass(frozen=True)
class _Read:
    """An entry to read for an account."""

    address: bytes
    run: Callable[[bytes], None]
