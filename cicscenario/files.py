"""Files: written whole, so that a reader, also after a crash, sees the old one or the new one; and named as people know them."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

OWNER_ONLY = 0o600
FOR_ALL = 0o644


@contextmanager
def replacing(path: Path, *, mode: int = FOR_ALL, durable: bool = False) -> Iterator[BinaryIO]:
    """A file to write into; it takes the place of ``path`` when the block ends, and is gone when the block raises.

    It is never wider open than ``mode``. ``durable`` has it on the disk before it takes the place: a power cut then leaves
    the old content or the new one. Raises OSError.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600 from its first byte on
    passing = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            yield cast("BinaryIO", file)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        passing.replace(path)
    except BaseException:
        passing.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: str | bytes, *, mode: int = FOR_ALL, durable: bool = False) -> None:
    """Writes ``path`` with this content; what UTF-8 cannot hold is written as an escape. See ``replacing``."""
    with replacing(path, mode=mode, durable=durable) as file:
        file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)


def write_once(path: Path, content: str) -> None:
    """Makes ``path``, 0600 and on the disk, unless it is there: the first writer's content stays, others lose nothing."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink(missing_ok=True)


def from_here(path: Path) -> str:
    """A path as reviewers know it, with slashes: from the current folder, where it is below it."""
    relative = os.path.relpath(path)
    return path.absolute().as_posix() if relative.startswith("..") else Path(relative).as_posix()
