"""Commands to Redis in a fraction of the time that redis-py takes to prepare for what may go wrong with them."""

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
    pool = client.connection_pool
    connection: Any = pool.get_connection()
    try:
        connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        return [connection.read_response(disable_decoding=True) for _ in commands]
    except BaseException:
        connection.disconnect()  # unread answers would be those of the next commands
        raise
    finally:
        pool.release(connection)


class LeanRedis(Redis):
    """A client for commands that do not block. One whose connection is lost is left to the library, which sends it again."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        pool = self.connection_pool
        connection: Any = pool.get_connection()
        try:
            connection.send_packed_command(connection.pack_command(*args), check_health=False)
            return self.parse_response(connection, args[0], **options)  # type: ignore[no-untyped-call]
        except (LostError, LateError):
            connection.disconnect()
        finally:
            pool.release(connection)
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
