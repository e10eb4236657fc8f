"""``python -m tests.kills.scenario FILE``: kills one run of a scenario again and again, resumes it, and has it judged.

The run is killed with SIGKILL at random moments, each so many seconds after it was started or resumed. At its end the checker
of ``tests.oracle`` judges it. Exits with 1 when anybody or any payment is lost, doubled or wrong, or when the run wants help.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from eth_account import Account

from cicscenario.files import own_folder
from cicscenario.sandbox import stack
from cicscenario.vocabulary import load_scenario
from tests.oracle import baseline, judge, place_of
from tests.support.killed_runs import SERVICES
from tests.support.sandboxes import Run, Sandbox

_RESUMABLE = (0, 3)  # exit codes of a run that is over, or can go on


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.kills.scenario", description=__doc__)
    options.add_argument("file", type=Path)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--soonest", type=float, default=2.0, help="seconds after a start")
    options.add_argument("--latest", type=float, default=15.0, help="seconds after a start")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    scenario = load_scenario(given.file)
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        own_folder(home := Path(folder) / "home")
        box = Sandbox(home, stack.up(home, services=SERVICES[scenario.backend.traits.kind]).environment)
        try:
            return _kill(Run(box, given.file.absolute(), home / "runs" / scenario.name), given)
        finally:
            stack.down(home, purge=True)


def _kill(run: Run, given: argparse.Namespace) -> int:
    key = (run.box.home / "sandbox" / "signer.key").read_text().strip()
    place = place_of(run.box.environment, Account.from_key(key).address)
    since, draw, began = baseline(place), random.Random(given.seed), time.monotonic()
    kills, code, said = 0, None, ""
    while code != 0:
        process = run.start()
        try:
            said = "".join(
                process.communicate(timeout=draw.uniform(given.soonest, given.latest) if kills < given.kills else None)
            )
            code = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            continue
        if code not in _RESUMABLE:
            print(f"ended with {code} after {kills} kills:\n{said[-2000:]}")
            return 1
    verdict = judge(run.scenario, place, run.place, since)
    print(f"{run.scenario.stem}: {kills} kills in {time.monotonic() - began:.0f} s; {verdict}; {said.splitlines()[-1]}")
    print("\n".join(verdict.lines()[:20]))
    return int(not verdict.is_clean)


if __name__ == "__main__":
    sys.exit(main())
