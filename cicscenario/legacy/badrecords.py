"""What is wrong with a file or a folder of many records: told together, so that all can be put right in one go."""

from collections.abc import Iterable

from cicscenario.errors import InvalidError

_SHOWN = 20


class BadRecords:
    """Collects what is wrong. Keeps the first twenty, and counts the others."""

    def __init__(self) -> None:
        self.count = 0
        self._shown: list[str] = []

    def add(self, where: object, what: str) -> None:
        """``where`` is a file, or a file and a line number as ``file:line``."""
        self.count += 1
        if len(self._shown) < _SHOWN:
            self._shown.append(f"{where}: {what}")

    def extend(self, where: object, problems: Iterable[str]) -> None:
        """Adds each problem of one place."""
        for problem in problems:
            self.add(where, problem)

    def raise_any(self, what: str) -> None:
        """Raises InvalidError with everything that was found, when there is something; ``what`` says in what."""
        if self.count:
            more = f"\n  and {self.count - _SHOWN:,} more" if self.count > _SHOWN else ""
            lines = "".join(f"\n  {line}" for line in self._shown)
            raise InvalidError(f"{what} has {self.count:,} bad record{'s' if self.count > 1 else ''}:{lines}{more}")
