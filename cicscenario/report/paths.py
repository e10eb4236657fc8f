"""How reports name files."""

import os
from pathlib import Path


def from_here(path: Path) -> str:
    """A path as reviewers know it, with slashes: from the current folder, where it is below it."""
    relative = os.path.relpath(path)
    return path.absolute().as_posix() if relative.startswith("..") else Path(relative).as_posix()
