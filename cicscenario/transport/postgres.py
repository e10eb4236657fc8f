"""Transactions of PostgreSQL in which every exchange ends in its time: the login, each statement, the commit.

libpq waits for a silent server for as long as its system keeps the connection, and its own time-outs are for connecting only.
"""

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from cicscenario.transport import libpq
from cicscenario.transport.cancellation import Cancellation
from cicscenario.transport.exchange import MEGABYTE, Exchange, LateError, in_thread, shut
from cicscenario.transport.traffic import Meter

_MOST = 64 * MEGABYTE  # of the answer to one statement
#: Seconds between looks at how much has come, which libpq reads by itself: from this machine, that is 50 MB meanwhile.
_LOOK = 0.01
_ADDRESSES = 3  # of a host whose first ones are silent, among which the time for the login is divided
_LATER = 2  # seconds after which a server that should have cancelled a statement itself is not waited for
_CANCEL = 5  # seconds for asking a server to cancel a query

#: query_canceled (by its time limit), admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections.
_FOR_NOW = ("57014", "57P01", "57P02", "57P03", "53300")
_TAKES_NOBODY = ("starting up", "shutting down", "in recovery mode", "too many clients", "connection slots")
_LASTING = ("FATAL", "certificate", "authentication method requirement")  #: in an error of the login

_TCP_INFO_SIZE, _BYTES_RECEIVED = 136, 128  # Source: Linux, ``struct tcp_info``


class DatabaseTransaction:
    """A transaction that has begun."""

    def __init__(self, connection: Connection, exchange: Callable[..., AbstractContextManager[Exchange]]) -> None:
        self._connection = connection
        self._exchange = exchange

    def rows(self, statement: str, values: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows that a statement gives; none for one that gives none."""
        with self._exchange(f"whole answer to {_first_word(statement)}"), self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, values: Sequence[Any] | Mapping[str, Any] | None = None) -> Any:
        """The first value of the first row; None without a row."""
        found = self.rows(statement, values)
        return found[0][0] if found else None

    def rows_of_many(self, statement: str, values: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """The rows of one statement, whose ``VALUES %s`` stands for all these rows."""
        with self._exchange(f"whole answer to {_first_word(statement)}"), self._connection.cursor() as cursor:
            found: list[tuple[Any, ...]] = execute_values(cursor, statement, values, page_size=len(values), fetch=True)
            return found


class Postgres:
    """A database, by the ``parameters`` of libpq. ``timeout`` is in seconds, for the login and for each statement."""

    def __init__(
        self,
        parameters: Mapping[str, Any],
        timeout: int,
        stopping: threading.Event | None,
        *,
        meter: Meter | None = None,
    ) -> None:
        self._parameters = dict(parameters)
        self._timeout = timeout
        self._cancellation = Cancellation(stopping, meter=meter, look=_LOOK)

    @contextmanager
    def begin(self, *, read_only: bool = True) -> Iterator[DatabaseTransaction]:
        """A transaction on a new connection, committed at the end: for hundreds of rows, connecting takes no time that counts.

        PostgreSQL refuses a write in one that is ``read_only``. Raises psycopg2.Error, ValueError for what is not UTF-8,
        LateError and TooLargeError, and InterruptedRunError within a second after the stop.
        """
        with self._cancellation.exchange(self._timeout, _MOST, awaited="answer to the login"):
            opened = in_thread(self._connect, Connection.close)
        with closing(opened) as connection, socket.socket(fileno=os.dup(connection.fileno())) as line:
            connection.set_session(readonly=read_only)

            @contextmanager
            def exchange(awaited: str) -> Iterator[Exchange]:
                cut = _QueryCancel(connection.get_backend_pid(), line, self._connect)
                with self._cancellation.exchange(
                    self._timeout + _LATER, _MOST, awaited=awaited, measure=lambda: _received(line), cut=cut
                ) as begun:
                    try:
                        yield begun
                    except psycopg2.Error as error:
                        begun.refused = error.pgcode is not None  # only the server's answer has a code
                        raise

            begun = DatabaseTransaction(connection, exchange)
            begun.rows("SELECT set_config('statement_timeout', %s, true)", (f"{self._timeout}s",))
            yield begun
            begun.rows("COMMIT")  # without it, closing the connection rolls back, and waits for nothing

    def _connect(self, timeout: int = 0) -> Connection:
        seconds = timeout or self._timeout
        ours = {
            "connect_timeout": max(2, seconds // _ADDRESSES),  # for each address; libpq takes less than 2 for 2
            "tcp_user_timeout": seconds * 1000,
            "application_name": "cicscenario",
        }
        return libpq.connect(**self._parameters | ours)


class _QueryCancel:
    """Ends the query under way: the server is asked to cancel it, and if it is silent, the connection is shut.

    ``Connection.cancel`` is not used: it waits for the server with the interpreter's lock held, so a server that does not
    answer would stop the whole process. An answer that is too large already is not waited for either: it grows meanwhile.
    """

    def __init__(self, pid: int, line: socket.socket, connect: Callable[[int], Connection]) -> None:
        self._pid = pid
        self._line = line
        self._connect = connect
        self._most = _received(line) + _MOST
        self._asked = False

    def __call__(self) -> None:
        if self._asked or _received(self._line) > self._most:
            shut(self._line)
            return
        self._asked = True
        threading.Thread(target=self._ask, name="cancel query", daemon=True).start()

    def _ask(self) -> None:
        with suppress(psycopg2.Error), closing(self._connect(_CANCEL)) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_cancel_backend(%s)", (self._pid,))


def is_passing(error: Exception) -> bool:
    """Whether the same transaction may succeed later: there was no answer, or PostgreSQL takes nobody for now.

    A refused login has no code in psycopg2, only the server's text; in another language than English it counts as lasting.
    Source: PostgreSQL, ``src/backend/postmaster/postmaster.c`` and ``errcodes.txt``.
    """
    if isinstance(error, LateError):
        return True
    if not isinstance(error, psycopg2.Error) or isinstance(error, psycopg2.ProgrammingError):
        return False
    if error.pgcode:
        return error.pgcode in _FOR_NOW
    text = str(error)
    return not any(word in text for word in _LASTING) or any(word in text for word in _TAKES_NOBODY)


def _received(line: socket.socket) -> int:
    """How many bytes have come on a connection so far; 0 for a Unix socket, which does not tell."""
    try:
        info = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
        return int(struct.unpack_from("=Q", info, _BYTES_RECEIVED)[0])
    except (OSError, struct.error):
        return 0


def _first_word(statement: str) -> str:
    return statement.split(maxsplit=1)[0]
