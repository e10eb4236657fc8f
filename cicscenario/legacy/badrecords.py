"""Collects the errors in a file or folder of many records, so that one message reports all of them."""

from collections.abc import Iterable

from cicscenario.errors import InvalidError

_SHOWN = 20


class BadRecords:
    """Collects errors. Keeps the first twenty and counts the others."""

    def __init__(self) -> None:
        self.count = 0
        self._shown: list[str] = []

    def add(self, where: object, what: str) -> None:
        """Adds an error; ``where`` is a file, or ``file:line``."""
        self.count += 1
        if len(self._shown) < _SHOWN:
            self._shown.append(f"{where}: {what}")

    def extend(self, where: object, problems: Iterable[str]) -> None:
        """Adds several errors of one place."""
        for problem in problems:
            self.add(where, problem)

    def raise_any(self, what: str) -> None:
        """Raises InvalidError with the errors, if there are any. ``what`` names the file or folder."""
        if self.count:
            more = f"\n  and {self.count - _SHOWN:,} more" if self.count > _SHOWN else ""
            lines = "".join(f"\n  {line}" for line in self._shown)
            raise InvalidError(f"{what} has {self.count:,} bad record{'s' if self.count > 1 else ''}:{lines}{more}")
