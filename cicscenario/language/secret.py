"""References to secrets. Scenario and environment files name the place of a secret and never hold the secret itself."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from cicscenario.address import remember
from cicscenario.errors import InvalidError, reason_of
from cicscenario.inputs import read_text_input
from cicscenario.shell import variables

_ENV = re.compile(r"\{\{\s*env\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_FILE = re.compile(r"file:\s*([^\0\r\n]+)")


@dataclass(frozen=True)
class Secret:
    """A reference to a secret, which is read only when it is needed and never shown."""

    reference: str = field(repr=False)  #: ``file:`` and an absolute path, or ``{{ env.NAME }}``

    def reveal(self) -> str:
        """Reads the secret and removes the line break at its end. It may be empty, as a password of some key files is.

        Raises InvalidError when the variable is not set, or the file cannot be read.
        """
        found = _ENV.fullmatch(self.reference)
        value = _from_environment(found[1]) if found else _from_file(Path(self.reference.removeprefix("file:")))
        remember([value])
        return value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


def parse_secret(text: str, folder: Path) -> Secret:
    """Parses a reference; paths are relative to ``folder``."""
    found = _FILE.fullmatch(text)
    return Secret(f"file:{folder / found[1]}" if found else text)


def is_reference(text: str, *, env: bool) -> bool:
    """Whether the text is a reference to a secret; ``env`` is whether environment variables are allowed."""
    return (env and _ENV.fullmatch(text) is not None) or _FILE.fullmatch(text) is not None


def _from_environment(name: str) -> str:
    value = variables.get(name)
    if value is None:
        raise InvalidError(f"the environment variable {name} is not set", hint=f"export {name} and run again")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidError(f"the environment variable {name} is not UTF-8 text", hint=f"export {name} and run again")
    return value


def _from_file(path: Path) -> str:
    try:
        return read_text_input(path).rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else "not UTF-8 text"
        raise InvalidError(f"cannot read the secret in {path}: {reason}", hint="a secret file holds one line") from None
