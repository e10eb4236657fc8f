"""Snapshots of filled stacks in pytest's cache, each under a name that changes with everything that it was made from."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cicscenario
from cicscenario.files import open_in_place
from cicscenario.language import Scenario
from cicscenario.sandbox.nodes import NODES
from cicscenario.sandbox.packages import PACKAGES
from cicscenario.state.migrations import SCHEMA_VERSION

_KEPT = 8  # snapshots; the one that was not used for longest is deleted
_DIGITS = 20  # of the digest, hexadecimal


class Shelf:
    """The snapshots in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, scenario: Scenario, node: str | None, contracts: str | None) -> Path:
        """The file of the snapshot of this scenario, run in a sandbox with these options; it need not be there."""
        return self._folder / f"{scenario.name}-{_digest(scenario, node, contracts)}.zst"

    @contextmanager
    def alone(self, place: Path) -> Iterator[None]:
        """In the block no other process makes this snapshot; waits for one that does."""
        with os.fdopen(open_in_place(place.with_suffix(".lock")), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def used(self, place: Path) -> None:
        """Notes that a snapshot is used now, and deletes those that have not been for long."""
        with suppress(OSError):
            os.utime(place)
        found = sorted(self._folder.glob("*.zst"), key=_last_used, reverse=True)
        for old in found[_KEPT:]:
            old.unlink(missing_ok=True)


def _last_used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process has deleted it
        return 0.0


def _digest(scenario: Scenario, node: str | None, contracts: str | None) -> str:
    """Changes with all that a filled stack is made from. The environment is not part of it: it is always a sandbox."""
    document = scenario.canonical()
    document.pop("environment", None)
    parts = {
        "scenario": document,
        "combination": scenario.combination.label if scenario.combination else None,
        "people": _stamps(scenario.population.source) if scenario.population.source else None,
        "hashes": _stamps(scenario.pins.source) if scenario.pins and scenario.pins.source else None,
        "profile": scenario.population.profile.digest if scenario.population.profile else None,
        "version": cicscenario.__version__,
        "state": SCHEMA_VERSION,
        "node": node or next(iter(NODES)),
        "contracts": contracts or next(iter(PACKAGES)),
    }
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _stamps(folder: Path) -> list[tuple[str, int, int]]:
    """Every file in a folder of existing people, or the table itself, with its size and when it was changed."""
    found = []
    for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
        seen = path.stat()
        found.append((str(path.relative_to(folder)), seen.st_size, seen.st_mtime_ns))
    return found
