"""Connections to PostgreSQL by the parameters that are given, and nothing else.

libpq, the library below psycopg2, looks for what is missing in variables (PGHOST, PGSERVICE and thirty more) and in files of
the home folder. Here both are shut off.
"""

import ctypes
import os
import re
import threading
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from cicscenario.errors import InvalidError, reason_of
from cicscenario.inputs import read_text_input

_NOWHERE = f"{os.devnull}/none"  # no file can be there
#: Instead of files in ~/.postgresql and ~/.pgpass. Kerberos is not used, whatever tickets there are.
_SHUT: dict[str, Any] = {
    "passfile": _NOWHERE,
    "sslcert": _NOWHERE,
    "sslkey": _NOWHERE,
    "sslrootcert": _NOWHERE,
    "sslcrl": _NOWHERE,
    "gssencmode": "disable",
}
_environment = threading.Lock()
_getenv = ctypes.CDLL(None).getenv
_getenv.restype = ctypes.c_char_p


def connect(**parameters: Any) -> Connection:
    """A new connection. The parameters are libpq's. Raises psycopg2.Error, and UnicodeError for text that is not UTF-8."""
    _shut_off_variables()
    connection: Connection = psycopg2.connect(**_SHUT | parameters)
    return connection


def _shut_off_variables() -> None:
    """What libpq sees of the environment is changed once, and not while it connects in another thread."""
    with _environment:
        for name in [name for name in os.environ if name.startswith("PG") and _getenv(os.fsencode(name)) is not None]:
            os.unsetenv(name)  # os.environ keeps it, so that a file may still refer to it


def version() -> int:
    """The version of libpq, such as 160002 for 16.2."""
    found: int = psycopg2.extensions.libpq_version()
    return found


def read_service(name: str, file: Path | None) -> dict[str, str]:
    """The parameters of a service in a connection service file; ``~/.pg_service.conf`` when no file is given.

    Raises InvalidError when the file cannot be read, is not of that form, or has no such service.
    Source: PostgreSQL's documentation, "The Connection Service File".
    """
    path = file or _in_home(".pg_service.conf")
    try:
        lines = read_text_input(path).splitlines()
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidError(f"cannot read the service file {path}: {reason}", hint=_HINT) from None
    found: dict[str, str] | None = None
    for number, line in enumerate(map(str.strip, lines), 1):
        if section := re.fullmatch(r"\[(.*)\]", line):
            if found is not None:
                break
            found = {} if section[1] == name else None
        elif found is not None and line and not line.startswith("#"):
            key, is_pair, value = line.partition("=")
            if not is_pair or key.strip() in ("service", "servicefile"):
                raise InvalidError(f"{path}:{number}: not a parameter of a connection", hint="write name=value")
            found.setdefault(key.strip(), value.strip())
    if found is None:
        raise InvalidError(f"{path} has no service [{name}]", hint=_HINT)
    return found


_HINT = "`accounts.service` and `accounts.servicefile` in the environment file name them"


def _in_home(name: str) -> Path:
    try:
        return Path.home() / name
    except RuntimeError:
        raise InvalidError("there is no home folder to look for a service file in", hint=_HINT) from None
