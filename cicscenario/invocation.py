"""The command that goes on with a run: always the whole one, with every option that says which run is meant, and where.

The command line says once how it names the run (``name_run``). Wherever a command is shown, in an error, a report or a hint, it
is from here. Secrets are hidden before they come here.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

_PROGRAM = "cicscenario"
UNKNOWN = "SCENARIO"  #: stands for a scenario whose file is not known
#: The options of each command that say which run is meant, and where.
_TAKES = {
    "run": ("env", "dir", "node", "contracts", "pace", "set"),
    "verify": ("env", "dir", "node", "contracts", "pace", "set"),
    "repair": ("env", "dir", "node", "contracts", "pace", "set"),
    "plan": ("env", "dir", "set"),
    "state repair": ("env", "dir", "set"),
    "status": ("dir", "set"),
    "report": ("dir", "set"),
    "show": ("env", "dir", "set"),
    "watch": ("dir", "set"),
}
_KEPT = ("scenario", "env", "node", "contracts", "pace", "sets")
_given: "NamedRun | None" = None  # by the command line
_named: "NamedRun | None" = None  # with what was chosen and recalled since
_chosen: tuple[str, ...] = ()


@dataclass(frozen=True)
class NamedRun:
    """How the command line names a run. The values are shown as they are, so they must be without secrets.

    ``recalls``: this command does not have all options that another for the same run needs, and ``recall`` adds them.
    """

    scenario: str
    sets: tuple[str, ...] = ()
    env: str | None = None
    dir: str | None = None
    node: str | None = None
    contracts: str | None = None
    pace: str | None = None
    recalls: bool = False

    def kept(self) -> dict[str, Any]:
        """What the state keeps of it, for commands that do not have these options."""
        values = {name: getattr(self, name) for name in _KEPT}
        return {key: value for key, value in values.items() if value}

    def command(self, name: str, *more: str) -> str:
        """The command ``name`` for this run, with ``more`` words at its end, quoted for a shell."""
        return shlex.join([_PROGRAM, *name.split(), self.scenario, *self._options(_TAKES[name]), *more])

    def _options(self, taken: tuple[str, ...]) -> Iterator[str]:
        for option in taken:
            values = self.sets if option == "set" else [getattr(self, option)]
            yield from (word for value in values if value is not None for word in (f"--{option}", value))


def name_run(run: NamedRun | None) -> None:
    """Says how this process names its run; None: not at all."""
    global _given, _named, _chosen
    _given, _named, _chosen = run, run, ()


def choose_run(values: Iterable[str]) -> None:
    """Says which of several runs of a matrix is meant from now on: by values for --set; none: all of them."""
    global _named, _chosen
    _chosen = tuple(values)
    if _given:
        _named = replace(_given, sets=(*(value for value in _given.sets if value not in _chosen), *_chosen))


def chosen_run() -> tuple[str, ...]:
    """The values for --set of ``choose_run``."""
    return _chosen


def named_run() -> NamedRun | None:
    """How this process names its run; None: not at all."""
    return _named


def recall(kept: Mapping[str, Any]) -> None:
    """Adds what the run's last command kept (see ``NamedRun.kept``), where this one names the run without it."""
    global _named
    if _named and _named.recalls:
        unsaid = (None, (), UNKNOWN, _chosen)
        missing = {key: kept[key] for key in _KEPT if key in kept and getattr(_named, key) in unsaid}
        if "sets" in missing:
            missing["sets"] = tuple(missing["sets"])
        _named = replace(_named, **missing)


def going_on(name: str, *more: str, scenario: str | Path = UNKNOWN) -> str:
    """The whole command ``name`` for the run of this process. ``scenario``: for a process that names no run."""
    return (_named or NamedRun(str(scenario), _chosen)).command(name, *more)
