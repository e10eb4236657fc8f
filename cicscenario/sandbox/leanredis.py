"""Commands to Redis in a fraction of the time that redis-py takes to prepare for what may go wrong with them."""

import contextlib
from collections import deque
from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import TimeoutError as LateError

Command = tuple[Any, ...]


def round_trip(client: Redis, commands: Sequence[Command]) -> list[Any]:
    """The raw answers to commands, which go out together. Raises RedisError; then nothing is known of any of them.

    A pipeline of the library takes several times as long as the commands themselves.
    """
    connection = _borrowed(client)
    try:
        connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        return [connection.read_response(disable_decoding=True) for _ in commands]
    except BaseException:
        connection.disconnect()  # unread answers would be those of the next commands
        raise
    finally:
        _given_back(client, connection)


class LeanRedis(Redis):
    """A client for commands that do not block. One whose connection is lost is left to the library, which sends it again.

    The pool asks the system for each command whether its connection still stands. This client keeps connections of its own.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.idle: deque[Any] = deque()  #: connections that nobody uses; those of the pool that it was lent

    def execute_command(self, *args: Any, **options: Any) -> Any:
        connection = _borrowed(self)
        try:
            connection.send_packed_command(connection.pack_command(*args), check_health=False)
            return self.parse_response(connection, args[0], **options)  # type: ignore[no-untyped-call]
        except (LostError, LateError):
            connection.disconnect()
        finally:
            _given_back(self, connection)
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def get(self, name: Any) -> Any:
        """As in the library, which first sees to old names of its arguments."""
        return self.execute_command("GET", name)

    def set(self, name: Any, value: Any, ex: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """As in the library, which first sees to old names of its arguments."""
        if options or not isinstance(ex, int | None):
            return super().set(name, value, ex=ex, **options)
        return self.execute_command("SET", name, value, *(() if ex is None else ("EX", ex)))

    def close(self) -> None:
        while self.idle:
            self.connection_pool.release(self.idle.pop())
        super().close()


def _borrowed(client: Redis) -> Any:
    if isinstance(client, LeanRedis):
        with contextlib.suppress(IndexError):
            return client.idle.pop()
    return client.connection_pool.get_connection()


def _given_back(client: Redis, connection: Any) -> None:
    if isinstance(client, LeanRedis):
        client.idle.append(connection)
    else:
        client.connection_pool.release(connection)
