"""CPU time of processes that are not this one's own."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def of_daemon(pid: int) -> float:
    """CPU seconds of a daemon, of its session, and of all processes below it: those of PostgreSQL have sessions of their own."""
    seconds: dict[int, float] = {}
    parents: dict[int, int] = {}
    found = {pid}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        number = int(status.parent.name)
        parents[number] = int(fields[1])
        seconds[number] = (int(fields[11]) + int(fields[12])) / _TICKS
        if int(fields[3]) == pid:
            found.add(number)
    while below := {number for number, parent in parents.items() if parent in found} - found:
        found |= below
    return sum(seconds.get(number, 0.0) for number in found)
