"""Who uses a sandbox: one file for each user, which holds the kernel's lock on it until it has ended.

A file that nobody holds the lock of is that of a user that was killed. It is deleted by the next that looks.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from cicscenario.files import make_folder, open_in_place, write_whole
from cicscenario.printable import one_line


class Users:
    """The users of the sandbox in ``folder``. Join and look only while you hold the sandbox's own lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "users"

    def join(self, what: str) -> tuple[int, Path]:
        """Adds a user, which ``what`` describes to others. Gives what ``leave`` takes."""
        make_folder(self._folder)
        path = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}"
        write_whole(path, f"{one_line(what)}, process {os.getpid()}\n")
        descriptor = open_in_place(path)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor, path

    @staticmethod
    def leave(use: tuple[int, Path]) -> None:
        """Takes the user away, also when a child process still has the descriptor."""
        descriptor, path = use
        path.unlink(missing_ok=True)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    def all(self) -> list[str]:
        """A description of each user, with its process."""
        paths = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        return [text for path in paths for text in self._read(path)]

    @staticmethod
    def _read(path: Path) -> Iterator[str]:
        descriptor = open_in_place(path)  # makes it again when the user has just left, and then it is deleted below
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except BlockingIOError:
            yield os.read(descriptor, 4096).decode("utf-8", "replace").strip()
        finally:
            os.close(descriptor)
