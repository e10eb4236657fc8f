"""Secrets by reference: where one is, never what it is, until the moment it is used."""

from dataclasses import dataclass
from pathlib import Path

from cicscenario.errors import InvalidError


@dataclass(frozen=True, repr=False)
class Secret:
    """Either a file that holds the secret, or the secret itself out of the process environment. Shows neither."""

    path: Path | None = None
    value: str | None = None

    def reveal(self) -> str:
        """The secret; raises InvalidError naming the file when it cannot be read."""
        if self.value is not None:
            return self.value
        assert self.path is not None
        try:
            return self.path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise InvalidError(f"cannot read the secret in {self.path}: {reason}") from None

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__
