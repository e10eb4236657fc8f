"""The processor time that processes use, as the kernel counts it: in ticks, whatever else the machine does meanwhile."""

import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path

_PER_SECOND = os.sysconf("SC_CLK_TCK")


def processes_of(folder: Path) -> dict[int, str]:
    """Processes that name the folder in their command line, hold a file in it open, or descend from such, by id."""
    found: dict[int, str] = {}
    parents: dict[int, int] = {}
    for place in Path("/proc").glob("[0-9]*"):
        pid = int(place.name)
        try:
            parents[pid] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            command = (place / "cmdline").read_text("utf-8", "replace").replace("\0", " ")
            held = [str(link.readlink()) for link in (place / "fd").iterdir()]
        except OSError:  # it has ended
            continue
        if pid != os.getpid() and (str(folder) in command or any(path.startswith(str(folder)) for path in held)):
            found[pid] = command
    for pid in parents:
        above = parents[pid]
        while above in parents and above not in found:
            above = parents[above]
        if above in found and pid != os.getpid():
            found.setdefault(pid, f"child of {above}")
    return found


def ticks_of(pids: Collection[int]) -> dict[int, int]:
    """User and system time of each process, with that of its children that have ended."""
    found = {}
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found[pid] = sum(map(int, fields[11:15]))
    return found


def shares(folder: Path, seconds: float) -> Mapping[str, float]:
    """The share of one core that each process of a folder uses in so many seconds, by its id and command."""
    known = processes_of(folder)
    before, began = ticks_of(known), time.monotonic()
    time.sleep(seconds)
    passed = (time.monotonic() - began) * _PER_SECOND
    after = ticks_of(known)
    return {f"{pid} {known[pid]}": (after[pid] - before[pid]) / passed for pid in known}
