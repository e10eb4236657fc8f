"""A file that is written, with the digest of what was written to it."""

import hashlib
from typing import BinaryIO


class Digesting:
    """Passes bytes on to a file, and makes their SHA-256 digest."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)
