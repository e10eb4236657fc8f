"""Addresses of a Redis, in the forms of redis-py and of Celery."""

from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from cicscenario.errors import InvalidError

FORMS = "redis://host:port/db, rediss://host:port/db or redis+socket:///path?virtual_host=db"
_SOCKETS = ("redis+socket", "unix")
_NUMBERS = ("db", "virtual_host")  # names of the database's number in the query


@dataclass(frozen=True)
class RedisAddress:
    """Where a Redis is: ``host`` and ``port``, or the ``path`` of a Unix socket. ``secure`` is whether it speaks TLS.

    ``user`` and ``password`` are those in the address; None where it has none. Nothing shows them.
    """

    host: str
    port: int
    path: str
    database: int
    secure: bool
    user: str | None = field(default=None, repr=False, compare=False)
    password: str | None = field(default=None, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> "RedisAddress":
        """Raises InvalidError, which shows neither user nor password."""
        try:
            parts = urlsplit(text)
            port = parts.port
            query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:
            raise _wrong("") from None
        numbers = [value for name, values in query.items() if name in _NUMBERS for value in values]
        at_socket = parts.scheme in _SOCKETS
        if not at_socket and parts.path.strip("/"):
            numbers.append(parts.path.strip("/"))
        right = (
            text.isprintable()
            and len(numbers) <= 1
            and set(query) <= set(_NUMBERS)
            and port != 0
            and not parts.fragment
        )
        place = bool(parts.path.strip("/")) and not parts.hostname if at_socket else bool(parts.hostname)
        if not right or not place or parts.scheme not in ("redis", "rediss", *_SOCKETS):
            raise _wrong(parts.scheme)
        number = numbers[0] if numbers else "0"
        if not (number.isascii() and number.isdecimal() and len(number) < 6):
            raise _wrong(parts.scheme)
        return cls(
            parts.hostname or "",
            port or 6379,
            unquote(parts.path) if at_socket else "",
            int(number),
            parts.scheme == "rediss",
            unquote(parts.username) if parts.username else None,
            None if parts.password is None else unquote(parts.password),
        )

    def __str__(self) -> str:
        """For people."""
        return f"{self.path}, database {self.database}" if self.path else f"{self._host}:{self.port}/{self.database}"

    @property
    def callback(self) -> str | None:
        """``host:port:database``; None for a socket, which has no such form."""
        return None if self.path else f"{self._host}:{self.port}:{self.database}"

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def _wrong(scheme: str) -> InvalidError:
    return InvalidError(f"not the address of a Redis broker: {scheme or 'no scheme'}://...", hint=f"write {FORMS}")
