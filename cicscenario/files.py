"""Writes files atomically: a reader sees the old content or the new one, never a part, also after a crash."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from cicscenario.boundaries import Boundary

OWNER_ONLY = 0o600
FOR_ALL = 0o644
_REPLACE = Boundary("file.replace")  # a file that is written gets its name
_CREATE = Boundary("file.create")  # the same, if nothing has that name yet


@contextmanager
def replacing(path: Path, *, mode: int = FOR_ALL, durable: bool = False) -> Iterator[BinaryIO]:
    """A temporary file to write into. It replaces ``path`` when the block ends, and is deleted when the block raises.

    Its permissions never exceed ``mode``. With ``durable`` it is flushed to the disk before it replaces ``path``, so that a
    power cut leaves the old content or the new one. Raises OSError.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600 from its first byte on
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            yield cast("BinaryIO", file)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        with _REPLACE:
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: str | bytes, *, mode: int = FOR_ALL, durable: bool = False) -> None:
    """Writes ``content`` to ``path`` atomically; see ``replacing``. Characters that UTF-8 cannot encode are escaped."""
    with replacing(path, mode=mode, durable=durable) as file:
        file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)


def write_once(path: Path, content: str) -> None:
    """Creates ``path`` with mode 0600, flushed to the disk. If it exists already, its content stays as it is."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with _CREATE:
            os.link(name, path)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink(missing_ok=True)


def from_the_top(path: Path) -> str:
    """A path with slashes, relative to the top of the git checkout that the current folder is in, else absolute.

    Without a checkout, the top is the current folder.
    """
    here = Path.cwd()
    top = next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)
    for place in (Path(os.path.abspath(path)), path.resolve()):  # noqa: PTH100 (a link within the checkout is kept)
        if place.is_relative_to(top):
            return place.relative_to(top).as_posix()
    return Path(os.path.abspath(path)).as_posix()  # noqa: PTH100


def from_here(path: Path) -> str:
    """A path for messages, with slashes: relative if it is inside the current folder, else absolute."""
    relative = os.path.relpath(path)
    return path.absolute().as_posix() if relative.startswith("..") else Path(relative).as_posix()
