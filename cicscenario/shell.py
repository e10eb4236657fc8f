"""The variables of the shell: which of them count, and how those that files refer to are read.

Libraries read dozens of variables: PGHOST, CELERY_LOADER, HTTPS_PROXY, SSL_CERT_FILE, DJANGO_SETTINGS_MODULE. Only the
environment file says where services are and how they are reached. So a command takes all variables out of its process but
those in ``_KEPT``, before any library looks, and starts the sandbox's servers without them.
"""

import os
import re
from collections.abc import Iterator, Mapping

#: Variables about the machine, the terminal and this program: nothing in them is about a service.
_KEPT = re.compile(
    "PATH|HOME|USER|LOGNAME|PWD|SHELL|TZ|TMPDIR|LANG|LANGUAGE|LC_[A-Z]+"
    "|TERM|COLORTERM|COLUMNS|LINES|(NO|FORCE)_COLOR|CLICOLOR(_FORCE)?|TTY_[A-Z]+"
    "|LD_LIBRARY_PATH|PYTHON(PATH|HOME|NOUSERSITE|USERBASE|PYCACHEPREFIX|DONTWRITEBYTECODE)"
    "|XDG_(RUNTIME_DIR|CACHE_HOME)|GIT_[A-Z_]+|(_?CICSCENARIO|_TYPER)_[A-Z_]+|COMP_[A-Z]+"
)
#: Those of them that a server of the sandbox needs: where programs, libraries and its files are, and the time zone.
_OF_DAEMONS = re.compile(
    "PATH|HOME|USER|LOGNAME|TZ|TMPDIR|LANG|LC_[A-Z]+|LD_LIBRARY_PATH|PYTHON(PATH|HOME|NOUSERSITE|USERBASE|DONTWRITEBYTECODE)"
)
_taken: dict[str, str] = {}


def take() -> None:
    """Takes the other variables out of this process. ``variables`` still has them."""
    for name in [name for name in os.environ if not _KEPT.fullmatch(name)]:
        _taken[name] = os.environ.pop(name)


def kept() -> dict[str, str]:
    """The variables for a program that must not know the rest. Python reads and writes UTF-8, whatever the locale is."""
    return {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)} | {"PYTHONUTF8": "1"}


def for_daemons() -> dict[str, str]:
    """The variables for a server of the sandbox. It outlives the command that starts it, so it keeps what it is given."""
    return {name: value for name, value in kept().items() if _OF_DAEMONS.fullmatch(name) or name == "PYTHONUTF8"}


class _Variables(Mapping[str, str]):
    """The process's variables now, and those that were taken out of it."""

    def __getitem__(self, name: str) -> str:
        return os.environ[name] if name in os.environ else _taken[name]

    def __iter__(self) -> Iterator[str]:
        yield from {**_taken, **os.environ}

    def __len__(self) -> int:
        return len({**_taken, **os.environ})


#: All variables of the user's shell, for references such as ``{{ env.NAME }}`` and for programs of the user's own.
variables: Mapping[str, str] = _Variables()
