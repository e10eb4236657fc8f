"""The Redis from which the engine takes its tasks, and where it leaves its results."""

import copy
import socket
import ssl
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import redis
from redis._parsers import _RESP2Parser
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError, RedisError, ResponseError, TimeoutError
from redis.retry import Retry

from cicscenario.address import Redaction
from cicscenario.boundaries import Boundary
from cicscenario.errors import UnavailableError
from cicscenario.jsontext import parse_json
from cicscenario.printable import foreign
from cicscenario.retry import Patience
from cicscenario.transport import tls
from cicscenario.transport.cancellation import Cancellation
from cicscenario.transport.exchange import MEGABYTE, SLACK, Exchange, TooLargeError, in_thread, metered, renew
from cicscenario.transport.redisaddress import RedisAddress
from cicscenario.transport.traffic import Meter
from cicscenario.wording import agreeing, counted

_T = TypeVar("_T")
_GONE = (ConnectionError, TimeoutError, OSError)
_PAGE = 200
_PUSH = 100  # messages in one command
_PUSH_TASKS = Boundary("engine.push")  # one command, of up to a hundred tasks
_TAKE_BACK = Boundary("engine.take_back")  # a task is removed from the queue
_PAUSE = 0.1  # seconds between attempts to reach Redis
_MOST = 16 * MEGABYTE  # of an answer to one command; two hundred messages are some hundred kilobytes
_COMMANDS = 12  # times the time for one command, for all the commands of one read
#: What comes of answers that this command does not have: they are out of step, of another server, or too deep.
_WRONG = (TypeError, ValueError, RecursionError, MemoryError, OverflowError)


class Broker:
    """One Redis database and the engine's queue in it. ``timeout`` is seconds for one command and its whole answer, connecting
    included; ``patience`` is how long reads are tried again while it cannot be reached, unless ``meter`` gives a number of
    ``retries``. Safe for use by many threads.

    ``user`` and ``password`` are those of Redis's access control lists; a password without a user is that of the server. Both
    may also be in ``url``. ``ca`` is a PEM file of authorities to trust beside the public ones. Raises InvalidError for an
    address of no Redis, UnavailableError when Redis cannot be reached, and InterruptedRunError within a second after
    ``stopping`` is set. Passwords are in no message. ``section`` is that of the environment file, for hints.
    """

    def __init__(
        self,
        url: str,
        queue: str,
        *,
        timeout: float = 5,
        patience: float = 15,
        stopping: threading.Event | None = None,
        user: str | None = None,
        password: str | None = None,
        ca: Path | None = None,
        meter: Meter | None = None,
        section: str = "custodial",
    ) -> None:
        self._place = RedisAddress.parse(url)
        self.queue = queue
        self.address = str(self._place)
        self.callback = self._place.callback  #: None for a socket
        self._user = user or self._place.user
        self._password = self._place.password if password is None else password
        self._redact = Redaction("", self._password)
        self._ca = ca
        self._timeout = timeout
        self._patience = patience
        self._section = section
        self.stopping = stopping
        self._cancellation = Cancellation(stopping, meter=meter)
        self._redis = self.connect(timeout)

    def beside(self, queue: str) -> "Broker":
        """The same database, and another queue in it."""
        other = copy.copy(self)
        other.queue = queue
        return other

    def connect(self, timeout: float) -> "redis.Redis":
        """A new Redis client. It never repeats a command by itself: a repeated LPUSH makes a second account."""
        place = self._place
        options: dict[str, Any] = {"path": place.path} if place.path else {"host": place.host, "port": place.port}
        if place.path:
            kind: type[Any] = redis.UnixDomainSocketConnection
        else:
            kind = _tls_connection(self._ca) if place.secure else redis.Connection
            options["socket_keepalive"] = True
        # An empty password is that of a user: redis-py would send none.
        user = "default" if self._password == "" and not self._user else self._user
        pool = _Pool(
            connection_class=_connection_of(kind),
            db=place.database,
            username=user,
            password=self._password,
            socket_timeout=timeout + SLACK,
            socket_connect_timeout=timeout + SLACK,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            parser_class=_RESP2Parser,  # hiredis makes room at once for a list of any length that is announced
            **options,
        )
        client = redis.Redis(connection_pool=pool)
        client.auto_close_connection_pool = True
        return client

    def read(self, command: Callable[["redis.Redis"], _T]) -> _T:
        """Runs a command that may be repeated, while Redis is away or gives wrong answers for up to ``patience`` seconds.

        ``command`` raises TypeError or ValueError when the answer is not of the form that it expects.
        """
        return self._repeated(command, self._patience, longest=_COMMANDS * self._timeout)

    def _repeated(self, command: Callable[["redis.Redis"], _T], seconds: float, *, longest: float | None = None) -> _T:
        """Runs a command until it is answered; for ``seconds``, or as often as the environment says."""
        meter = self._cancellation.meter
        patience = Patience(
            self.stopping, repeats=meter.repeats, retries=meter.retries, pauses=(), longest=_PAUSE
        )  # fmt: skip
        while True:
            try:
                with self.exchange(self._timeout, longest=longest):
                    return command(self._redis)
            except (*_GONE, *_WRONG, RedisError) as error:
                told = self.unavailable(error)
                if _is_lasting(error) or patience.is_over(seconds):
                    raise told from None
            patience.pause(told.message)

    @contextmanager
    def exchange(self, within: float, *, longest: float | None = None, counted: bool = True) -> Iterator[Exchange]:
        """The block gives one command and takes its whole answer; with ``longest``, several. See Cancellation.

        After a failure, connections that are not in use are closed: one of them may have been shut in mid-answer.
        """
        try:
            with self._cancellation.exchange(within, _MOST, longest=longest, counted=counted) as begun:
                try:
                    yield begun
                except ResponseError:
                    begun.refused = True
                    raise
        except BaseException:
            self._redis.connection_pool.disconnect(inuse_connections=False)
            raise

    def push(self, messages: Sequence[bytes]) -> None:
        """Puts all messages on the queue, or none, by one command. After UnavailableError it is not known which."""
        try:
            with _PUSH_TASKS, self.exchange(self._timeout):
                self._redis.lpush(self.queue, *messages)
        except (*_GONE, RedisError, *_WRONG) as error:
            number = len(messages)
            taken = f" (whether {counted(number, 'task')} {agreeing(number, 'were')} taken is not known)"
            doubt = taken if _is_gone(error) else ""
            raise self.unavailable(error, doubt) from None

    def push_in_parts(self, messages: Iterable[bytes]) -> None:
        """The same for many messages, a hundred by one command; an iterable is read as they are sent."""
        left = iter(messages)
        while part := list(islice(left, _PUSH)):
            self.push(part)

    def ping(self) -> None:
        """Raises UnavailableError when Redis does not answer, without patience."""
        self._repeated(lambda client: client.ping(), 0)

    def waiting(self) -> int:
        """Number of messages that no worker has fetched."""
        return int(self.read(lambda client: of_type(int, client.llen(self.queue))))

    def oldest(self) -> bytes | None:
        """The message that a worker takes next."""
        found: bytes | None = self.read(lambda client: of_type(bytes | None, client.lindex(self.queue, -1)))
        return found

    def take_back(self, ids: Collection[str]) -> set[str]:
        """Removes the messages of these tasks from the queue; returns the ids that were still there."""
        wanted = set(ids)
        found = {text: task for text in self.messages() if (task := task_id(text)) in wanted}
        return {task for text, task in found.items() if task and self._remove(text)}

    def _remove(self, message: bytes) -> bool:
        with _TAKE_BACK:
            return bool(self.read(lambda client: of_type(int, client.lrem(self.queue, 1, message))))  # type: ignore[arg-type]

    def messages(self) -> Iterator[bytes]:
        """The messages that are on the queue now, oldest last.

        Positions are counted from the end that workers take from: what they take moves the rest towards that end, where it is
        still to be read, and what is pushed meanwhile is not read, so that this ends on a queue that grows.
        """
        for start in range(-self.waiting(), 0, _PAGE):
            yield from self._page(start, min(start + _PAGE, 0) - 1)

    def _page(self, first: int, last: int) -> list[bytes]:
        return self.read(lambda client: list_of(bytes, client.lrange(self.queue, first, last)))

    def unavailable(self, error: BaseException, doubt: str = "") -> UnavailableError:
        """The error for a person; ``doubt`` is added to it."""
        if isinstance(error, AuthenticationError) or "NOAUTH" in str(error):
            return UnavailableError(
                f"Redis {self.address} wants another user name or password",
                hint=f"is `{self._section}.broker` in the environment file right?",
            )
        trouble = "does not answer" if _is_gone(error) else "refuses"
        return UnavailableError(
            f"Redis {self.address} {trouble}: {foreign(self._redact(str(error)), 200) or type(error).__name__}{doubt}",
            hint=f"is it running, and is `{self._section}.broker` in the environment file right?",
        )


def _is_lasting(error: BaseException) -> bool:
    """Whether the same command would fail again: Redis has refused it, or its answer is too large."""
    if isinstance(error, _GONE):
        return isinstance(error, AuthenticationError | TooLargeError)
    return isinstance(error, RedisError)


def _is_gone(error: BaseException) -> bool:
    """Whether there was no answer. A read from a connection that was shut meanwhile is a ValueError, of a closed file."""
    return isinstance(error, _GONE) or (isinstance(error, ValueError) and "closed file" in str(error))


def of_type(kind: Any, answer: Any) -> Any:
    """The answer; raises TypeError when it is not of this type."""
    if not isinstance(answer, kind):
        raise TypeError(f"it answers with {answer!r:.50}")
    return answer


def list_of(kind: Any, answer: Any, size: int | None = None) -> list[Any]:
    """The answer; raises TypeError when it is not a list of this type and, unless None, of this size."""
    items = of_type(list, answer)
    if size is not None and len(items) != size:
        raise TypeError(f"it answers with {len(items)} values instead of {size}")
    return [of_type(kind, item) for item in items]


def _tls_connection(ca: Path | None) -> type[Any]:
    """Connections by TLS that trust the public authorities and those of ``ca``."""
    trusted = tls.context(ca)

    class Connection(redis.SSLConnection):
        @tls.untrusted_told()
        def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
            return trusted.wrap_socket(sock, server_hostname=self.host)

    return Connection


class _Pool(redis.ConnectionPool):
    """Takes no connection back that did not connect: its thread may go on, and would close what the next command opens."""

    def owns_connection(self, connection: Any) -> bool:
        return bool(super().owns_connection(connection)) and connection.has_connected


def _connection_of(kind: type[Any]) -> type[Any]:
    """Connections that belong to the current exchange. ``has_connected``: the last attempt to connect has succeeded in time."""

    def connect(self: Any) -> None:
        if not self.is_connected:
            self.has_connected = False
            in_thread(lambda: kind.connect(self), lambda _: self.disconnect())
            self.has_connected = True

    def open_socket(self: Any) -> socket.socket:
        opened: socket.socket = kind._connect(self)
        return opened if isinstance(opened, ssl.SSLSocket) else metered(opened)  # that of TLS is metered already

    def send_packed_command(self: Any, *arguments: Any, **options: Any) -> None:
        renew()
        kind.send_packed_command(self, *arguments, **options)

    methods = {
        "has_connected": False,
        "connect": connect,
        "_connect": open_socket,
        "send_packed_command": send_packed_command,
    }
    return type(kind.__name__, (kind,), methods)


def task_id(text: bytes) -> str | None:
    """The task id of a message; None for one that is not Celery's."""
    try:
        return str(parse_json(text)["headers"]["id"])
    except (ValueError, KeyError, TypeError):
        return None
