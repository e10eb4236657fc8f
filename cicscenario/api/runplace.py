"""Which run is meant: a scenario, and where it is run."""

from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True)
class SandboxChoice:
    """The sandbox to start for a scenario that runs in one; ``keep`` does not stop it at the end."""

    node: str | None = None
    contracts: str | None = None
    keep: bool = False
    pace: str | None = None


@dataclass(frozen=True)
class RunPlace:
    """The run that is meant: a scenario and the options that lead to its run directory and its services."""

    scenario: Path
    overrides: tuple[str, ...] = ()
    directory: Path | None = None
    env: str | None = None
    sandbox: SandboxChoice = field(default_factory=SandboxChoice)
    home: Path | None = None  #: the home folder; None for the usual one

    def with_values(self, values: tuple[str, ...]) -> "RunPlace":
        """The same with more values for --set."""
        return replace(self, overrides=(*self.overrides, *values))
