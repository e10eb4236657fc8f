"""What of a sandbox and of a run is in a snapshot, and under which names in its archive."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from fnmatch import translate
from itertools import chain
from pathlib import Path

from cicscenario.sandbox.services import SERVICES
from cicscenario.sandbox.snapshot.archive import Member, members_of

SANDBOX, RUNS = "sandbox", "runs"  #: the two folders in an archive
#: Of every folder: locks, what SQLite shares between processes, and files of killed processes.
_NEVER = ("*.lock", "*-shm", "*.unfinished")
_NEVER_OF_RUNS = (f"{RUNS}/*/lock",)  # its process is another one


def left_out(services: Iterable[str], *, saving: bool = False) -> Callable[[str], bool]:
    """Says of a name in an archive whether it is not kept, although the folder that it is in is.

    ``saving``: also of what only snapshots of earlier versions have.
    """
    of_services = [
        f"{SANDBOX}/{pattern}"
        for service in map(SERVICES.__getitem__, services)
        for pattern in (*service.made_anew, *(service.dispensable if saving else ()))
    ]
    patterns = re.compile("|".join(map(translate, (*_NEVER, *_NEVER_OF_RUNS, *of_services))))
    return lambda name: patterns.match(name) is not None


def expected(services: Iterable[str], runs: Collection[str]) -> Callable[[str], bool]:
    """Says of a name whether a snapshot with these services and runs may have it."""
    names = tuple(services)
    tops = {f"{SANDBOX}/{path}" for name in names for path in SERVICES[name].kept} | {f"{RUNS}/{run}" for run in runs}
    within = tuple(f"{top}/" for top in tops)
    is_left_out = left_out(names)
    whole = tops | {f"{RUNS}/{run.partition('/')[0]}" for run in runs}
    return lambda name: (name in whole or name.startswith(within)) and not is_left_out(name)


def contents(folder: Path, services: Iterable[str], runs: Mapping[str, Path]) -> Iterator[Member]:
    """All that is kept of the sandbox in ``folder`` and of these runs' folders, by their names."""
    names = tuple(services)
    is_left_out = left_out(names, saving=True)
    kept = [(folder / path, f"{SANDBOX}/{path}") for name in names for path in SERVICES[name].kept]
    places = [*kept, *((run, f"{RUNS}/{name}") for name, run in runs.items())]
    above = (Member(f"{RUNS}/{parent}", path, None) for parent, path in _parents(runs).items())
    return chain(above, chain.from_iterable(members_of(path, name, is_left_out) for path, name in places))


def _parents(runs: Mapping[str, Path]) -> dict[str, Path]:
    """The folders that combinations of a matrix are in and that are no runs themselves, each once."""
    found = {name.partition("/")[0]: folder.parent for name, folder in runs.items() if "/" in name}
    return {name: folder for name, folder in found.items() if name not in runs}
