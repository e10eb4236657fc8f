"""``cicscenario stack logs``: prints what a service of the sandbox has written, and what it goes on to write."""

import time
from collections.abc import Iterator
from pathlib import Path

from cicscenario.cli.stacknames import require_service
from cicscenario.errors import ExitCode
from cicscenario.printable import say
from cicscenario.retry import pause
from cicscenario.sandbox.seen import log_of, pid_of

_INTERVAL = 0.2  # seconds between looks at the file
_AWAY = 3.0  # seconds for which a service may be down: it may be started again
_CHUNK = 1 << 20  # bytes


def logs(home: Path, service: str, *, follow: bool) -> ExitCode:
    """Prints the log of ``service`` since its last start, made safe for a terminal.

    With ``follow`` it goes on until ^C, or until the service is down. Raises InvalidError for an unknown name, and for a
    service that was never started.
    """
    require_service(service)
    path = log_of(home, service)
    try:
        for text in _followed(path, service) if follow else _whole(path):
            say(text, end="", flush=follow)
    except KeyboardInterrupt:
        if not follow:
            raise
        say()
    return ExitCode.OK


def _whole(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            chunk += file.readline()  # a line is not cut, nor is a character
            yield chunk.decode("utf-8", "replace")


def _followed(path: Path, service: str) -> Iterator[str]:
    """What is in the file, then what is added, in whole lines; from its beginning again when the service is started again."""
    at, known, seen = 0, None, time.monotonic()
    while True:
        pid = pid_of(path.parent, service)  # before the file: what it wrote last is still read
        if pid is not None and pid != known:
            at, known = 0, pid
        at, text = _added(path, at, whole_lines=pid is not None)
        now = time.monotonic()
        seen = seen if pid is None else now
        if text:
            yield text
        elif now - seen > (_AWAY if path.exists() else 0):
            return
        else:
            pause(_INTERVAL, None)


def _added(path: Path, at: int, *, whole_lines: bool) -> tuple[int, str]:
    """The text behind position ``at``, and the position behind it."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(at if at <= size else 0)
            data = file.read(_CHUNK)
            end = file.tell()
    except FileNotFoundError:  # the sandbox was deleted
        return at, ""
    if whole_lines and len(data) < _CHUNK:
        rest = len(data) - (data.rfind(b"\n") + 1)
        data, end = data[: len(data) - rest], end - rest
    return end, data.decode("utf-8", "replace")
