"""What a sandbox keeps outside its folder: PostgreSQL's data, when the sandbox runs as root. See ``services.postgres``."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

POSTGRES = "postgres"  #: in the sandbox's folder: the data, or a link to it
_SHARED = Path("/var/tmp")  # noqa: S108  # survives a reboot, and every user has access
_PREFIX = "cicscenario-postgres-"


def make_outside() -> Path:
    """A new folder that every user can reach."""
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_SHARED))


def outside(folder: Path) -> Path | None:
    """The folder outside that the sandbox in ``folder`` uses, if any."""
    try:
        target = (folder / POSTGRES).readlink()
    except OSError:  # not a link, or there is none
        return None
    return target if target.parent == _SHARED and target.name.startswith(_PREFIX) else None


def delete_outside(target: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(target)
