"""Makes a failing case smaller, as long as it still fails: fewer faults, fewer people."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.soak.seeds import Case


def shrunk(case: Case, fails: Callable[[Case], bool]) -> Case:
    """The smallest case that was found to fail. ``fails`` runs one."""
    while smaller := next((one for one in _smaller(case) if fails(one)), None):
        case = smaller
    return case


def _smaller(case: Case) -> Iterator[Case]:
    """Cases that are a little smaller, the smallest first."""
    half = len(case.faults) // 2
    if half > 1:
        yield replace(case, faults=case.faults[half:])
        yield replace(case, faults=case.faults[:half])
    for number in range(len(case.faults)):
        yield replace(case, faults=case.faults[:number] + case.faults[number + 1 :])
    if case.size > 1:
        yield replace(case, size=case.size // 2)
        yield replace(case, size=case.size - 1)
    if case.confirmations:
        yield replace(case, confirmations=0)
