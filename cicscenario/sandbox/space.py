"""Tells of a full disk in one line, whichever program noticed it."""

import errno
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cicscenario.errors import UnavailableError
from cicscenario.printable import foreign

_MEGABYTE = 1_000_000
#: How much a new sandbox writes for a service, in megabytes. PostgreSQL needs 70 for its data.
_NEEDED = {"postgres": 100}
_USUALLY_NEEDED = 20
_END = 4096  # bytes of a log that are looked at
_SHORT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
#: As C libraries and servers write it, and a server that the limit of file sizes has ended.
_SAID = (
    "no space left on device",
    "disk quota exceeded",
    "file too large",
    f"ended with -{signal.SIGXFSZ:d} ",
    f"signal {signal.SIGXFSZ:d}:",
)


@contextmanager
def full_disk_told(folder: Path, service: str, log: Path | None = None) -> Iterator[None]:
    """Raises UnavailableError that names ``folder``, and how much is free and needed, when the block fails for lack of space.

    ``log`` is the service's, whose end may tell. Other errors of the block are passed on; one of copying many files as
    UnavailableError.
    """
    try:
        yield
    except (OSError, UnavailableError) as error:
        free = shutil.disk_usage(folder).free // _MEGABYTE if folder.exists() else 0
        if _is_short(error) or free == 0 or (log and _tells(_end_of(log))):
            needed = _NEEDED.get(service, _USUALLY_NEEDED)
            raise UnavailableError(
                f"{folder} has no room for the sandbox's {service}: {free} MB are free, about {needed} MB are needed",
                hint="make room there (and see `ulimit -f` and your quota), or name another folder in CICSCENARIO_HOME",
            ) from error
        if isinstance(error, shutil.Error):
            raise UnavailableError(
                f"cannot write the files of the sandbox's {service} to {folder}: {foreign(error)}"
            ) from error
        raise


def _is_short(error: OSError | UnavailableError) -> bool:
    if isinstance(error, OSError) and error.errno in _SHORT:
        return True
    return _tells(str(error))  # also of each file that could not be copied


def _tells(text: str) -> bool:
    return any(words in text.lower() for words in _SAID)


def _end_of(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _END))
            return file.read(_END).decode("utf-8", "replace")
    except OSError:
        return ""
