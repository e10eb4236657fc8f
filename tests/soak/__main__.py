"""Runs many simulated worlds: ``python -m tests.soak --seeds 2000``. See ``tests.soak``.

Prints each seed that fails, what was wrong, and the smallest case that still fails, to be put into
``tests/soak/known_cases.py``. Exits 1 when any failed.
"""

import argparse
import faulthandler
import gc
import math
import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice

from tests.soak.faults import Fault, Kind
from tests.soak.scenes import SCENES, prepare
from tests.soak.seeds import Case, case_of
from tests.soak.shrink import shrunk
from tests.soak.simulation import KILLED, simulated

_PROCESSES = len(os.sched_getaffinity(0))
_AT_ONCE = 20  # seeds that a process is given
_IN_TIME = tuple(name for name in SCENES if name != "cic_ussd_traffic")  # that one costs as much as two others
_STUCK = 300  # real seconds without an end of one lot, after which the stacks are printed


@dataclass
class Tally:
    """What some seeds came to."""

    worlds: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    ends: Counter[int] = field(default_factory=Counter)
    hours: float = 0.0  #: simulated
    cpu: float = 0.0  #: seconds
    failures: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.worlds += other.worlds
        self.struck += other.struck
        self.ends += other.ends
        self.hours += other.hours
        self.cpu += other.cpu
        self.failures += other.failures


def fails(case: Case) -> bool:
    """Whether the invariant is broken."""
    return bool(case.run().problems)


def run_seeds(seeds: Sequence[int], scenes: Sequence[str]) -> Tally:
    """Runs these seeds in this process."""
    faulthandler.dump_traceback_later(_STUCK, exit=True)
    tally, began = Tally(), time.process_time()
    with simulated():
        for seed in seeds:
            case = case_of(seed, scenes)
            ended = case.run()
            tally.worlds[case.scene] += 1
            tally.struck.update(fault.kind.name for fault in ended.struck)
            tally.ends.update(ended.codes)
            tally.hours += ended.seconds / 3600
            if ended.problems:
                least = shrunk(case, fails)
                again = least.run()
                told = "\n  ".join(again.problems[:3])
                tally.failures.append(
                    f"seed {seed} fails: {case!r}\n  {told}\n  the least case that fails is repeated by:\n"
                    f"    python -m tests.soak --case {shlex.quote(repr(least))}"
                )
    tally.cpu = time.process_time() - began
    faulthandler.cancel_dump_traceback_later()
    return tally


def _lots(first: int, number: float, until: float) -> Iterator[range]:
    """The last lots are small, so that all processes end at about the same time."""
    while number > 0 and time.monotonic() < until:
        size = max(1, int(min(_AT_ONCE, number // (2 * _PROCESSES))))
        yield range(first, first + size)
        first, number = first + size, number - size


def _repeated(text: str) -> int:
    """Runs one case, given as it is printed, and prints how it went."""
    case = eval(text, {"Case": Case, "Fault": Fault, "Kind": Kind})  # typed by whoever runs the tests
    with simulated():
        ended = case.run()
    print("\n".join(ended.history))
    print(f"exit codes {ended.codes}; {'; '.join(ended.problems) or 'nothing is wrong'}")
    return 1 if ended.problems else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seeds", type=int, help="how many (default: 2000, or without end with --minutes)")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--minutes", type=float, help="begin no more seeds after so many minutes")
    parser.add_argument("--scene", action="append", choices=SCENES, help="only this one; may be repeated")
    parser.add_argument(
        "--case", help="run only this case, as it is printed for a seed that fails, and tell its history"
    )
    options = parser.parse_args(arguments)
    if options.case:
        return _repeated(options.case)
    number = options.seeds or (math.inf if options.minutes else 2000)
    began = time.monotonic()
    until = began + 60 * options.minutes if options.minutes else float("inf")
    print(f"seeds from {options.first}")
    tally = _all(_lots(options.first, number, until), options.scene or _IN_TIME)
    worlds = sum(tally.worlds.values())
    print(f"{worlds} worlds ({', '.join(f'{name} {n}' for name, n in sorted(tally.worlds.items()))})")
    print(f"{tally.ends[KILLED]} kills; faults that struck:")
    for kind in Kind:
        print(f"  {kind.name} {tally.struck[kind.name]}")
    print(f"{tally.hours:.0f} simulated hours in {time.monotonic() - began:.0f} seconds, {tally.cpu:.0f} CPU seconds")
    print(f"{worlds - len(tally.failures)} passed, {len(tally.failures)} failed")
    return 1 if tally.failures else 0


def _rarely_collected() -> None:
    """A world leaves little behind, and all of it within one."""
    gc.set_threshold(100_000, 20, 20)


def _all(lots: Iterator[range], scenes: Sequence[str]) -> Tally:
    tally = Tally()
    prepare()
    gc.collect()
    gc.freeze()  # the processes share it, and need not look at it again and again
    pools = [ProcessPoolExecutor(1, initializer=_rarely_collected) for _ in range(_PROCESSES)]
    running: dict[Future[Tally], int] = {}
    try:
        for number, lot in zip(range(_PROCESSES), lots, strict=False):
            running[pools[number].submit(run_seeds, lot, scenes)] = number
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for one in done:
                number = running.pop(one)
                tally.add(one.result())
                for failure in one.result().failures:
                    print(failure, flush=True)
                for lot in islice(lots, 1):
                    running[pools[number].submit(run_seeds, lot, scenes)] = number
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)
    return tally


if __name__ == "__main__":
    sys.exit(main())
