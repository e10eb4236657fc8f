"""The command that goes on with a run: always the whole one, with every option that says which run is meant, and where.

The command line says once how it names the run (``name_run``). Wherever a command is shown, in an error, a report or a hint, it
is from here. Secrets are hidden before they come here.
"""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

_PROGRAM = "cicscenario"
#: The options of each command that say which run is meant, and where.
_TAKES = {
    "run": ("env", "dir", "node", "contracts", "set"),
    "verify": ("env", "dir", "node", "contracts", "set"),
    "repair": ("env", "dir", "node", "contracts", "set"),
    "plan": ("env", "dir", "set"),
    "state repair": ("env", "dir", "set"),
    "status": ("dir", "set"),
    "report": ("dir", "set"),
    "show": ("dir", "set"),
}
_named: "NamedRun | None" = None
_chosen: tuple[str, ...] = ()


@dataclass(frozen=True)
class NamedRun:
    """How the command line names a run. The values are shown as they are, so they must be without secrets."""

    scenario: str
    sets: tuple[str, ...] = ()
    env: str | None = None
    dir: str | None = None
    node: str | None = None
    contracts: str | None = None

    def command(self, name: str, *more: str) -> str:
        """The command ``name`` for this run, with ``more`` words at its end, quoted for a shell."""
        return shlex.join([_PROGRAM, *name.split(), self.scenario, *self._options(_TAKES[name]), *more])

    def _options(self, taken: tuple[str, ...]) -> Iterator[str]:
        for option in taken:
            values = self.sets if option == "set" else [getattr(self, option)]
            yield from (word for value in values if value is not None for word in (f"--{option}", value))


def name_run(run: NamedRun | None) -> None:
    """Says how this process names its run; None: not at all."""
    global _named, _chosen
    _named, _chosen = run, ()


def choose_run(values: Iterable[str]) -> None:
    """Says which of several runs of a matrix is meant from now on: by values for --set; none: all of them."""
    global _chosen
    _chosen = tuple(values)


def chosen_run() -> tuple[str, ...]:
    """The values for --set of ``choose_run``."""
    return _chosen


def going_on(name: str, *more: str, scenario: str | Path = "SCENARIO") -> str:
    """The whole command ``name`` for the run of this process. ``scenario``: for a process that names no run."""
    run = _named or NamedRun(str(scenario))
    others = (value for value in run.sets if value not in _chosen)
    return replace(run, sets=(*others, *_chosen)).command(name, *more)
