"""``cicscenario stack env``: the addresses, users and files of the sandbox, for other programs."""

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

from cicscenario.errors import ExitCode
from cicscenario.printable import json_text, say
from cicscenario.sandbox.seen import variables


def env(home: Path, fmt: str) -> ExitCode:
    """Prints them in the form ``fmt``. Raises UnavailableError when the sandbox is not up."""
    say(_FORMS[fmt](variables(home)))
    return ExitCode.OK


def _shell(found: Mapping[str, str]) -> str:
    """For ``eval`` in a POSIX shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in found.items())


def _dotenv(found: Mapping[str, str]) -> str:
    """For a file ``.env``. In single quotes nothing is replaced, neither by docker compose nor by python-dotenv."""
    return "\n".join(f"{name}={_in_dotenv(value)}" for name, value in found.items())


def _in_dotenv(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _json(found: Mapping[str, str]) -> str:
    return json_text(dict(found), indent=2)


_FORMS: Mapping[str, Callable[[Mapping[str, str]], str]] = {"shell": _shell, "json": _json, "dotenv": _dotenv}
