"""Runs the matrix of services, faults and backends, and prints what came of it.

``python -m tests.hostile [--seed N] [--service NAME] [--backend NAME] [--fault NAME] [--cases N] [--throughout]
[--pause SECONDS] [--words]``
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.support.hostile_world import ASKED, FAULTS, HostileWorld, cases, table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--service", choices=sorted({name for asked in ASKED.values() for name in asked}))
    parser.add_argument("--backend", choices=ASKED)
    parser.add_argument("--fault", choices=FAULTS)
    parser.add_argument("--cases", type=int, help="default: every combination twice, once throughout a run")
    parser.add_argument("--throughout", action="store_true", help="only faults that hold until a command has ended")
    parser.add_argument("--pause", type=float, default=6.0, help="seconds of a pause")
    parser.add_argument("--words", action="store_true", help="show what the last command of a case said that failed")
    given = parser.parse_args()
    wanted = [
        case
        for case in cases(given.seed, None, given.service)
        if given.backend in (None, case.backend) and given.fault in (None, case.fault)
        if case.whole or not given.throughout
    ]
    if given.cases:
        wanted = (wanted * (given.cases // len(wanted) + 1))[: given.cases]
    ends = []
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder, HostileWorld(Path(folder)) as world:
        for case in wanted:
            end = world.carry_out(case, pause=given.pause)
            ends.append(end)
            told = "survived" if end.survived else "FAILED"
            codes = " ".join(map(str, end.codes))
            print(f"{told} {case}: exits {codes}, struck {end.struck}, {end.seconds:.0f} s", flush=True)
            for line in (*end.lost, *end.doubled, *end.wrong):
                print(f"    {line}", flush=True)
            if given.words and not end.survived:
                print("    | " + end.last_words.replace("\n", "\n    | "), flush=True)
    print(f"\nseed {given.seed}")
    for line in table(ends):
        print(line)
    return 0 if all(end.survived for end in ends) else 1


if __name__ == "__main__":
    sys.exit(main())
