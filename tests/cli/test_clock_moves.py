"""The wall clock is moved back an hour and on a day again and again while a run is active: the run is not disturbed.

What is timed is timed by ``time.monotonic``. What time it is matters only to others: to the metadata server, which stamps
entries; to Celery's workers, for which a question is void after a while; and to a token that decays. The list of these
modules is in tests/test_doors_of_files.py.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import command_environment
from tests.support.killed_runs import kill_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: Moves the clock at every fifth point that the process passes: named writes and effects, in all of its threads.
_MOVED = """
import itertools, sys, time
usual, usual_ns, passed, shift = time.time, time.time_ns, itertools.count(1), [0]
time.time = lambda: usual() + shift[0]
time.time_ns = lambda: usual_ns() + shift[0] * 10**9
def move(name, side):
    number = next(passed)
    if number % 5 == 0:
        shift[0] = -3600 if number % 10 else 86400
        print("moved", shift[0], name, file=sys.stderr)
from cicscenario.boundaries import observe
observe(move)
from cicscenario.cli.app import main
main()
"""


@pytest.mark.parametrize("backend", ["eth", "cic_eth", "cic_ussd"])
def test_a_run_whose_clock_is_moved_ends_as_any_other(tmp_path: Path, backend: str) -> None:
    with kill_world(backend, tmp_path / "world", size=4) as world:
        run = world.run(1)
        done = subprocess.run(
            [sys.executable, "-c", _MOVED, "run", str(run.scenario), "--env", str(run.environment)],
            env=command_environment(world.home),
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert {"-3600", "86400"} <= {line.split()[1] for line in done.stderr.splitlines() if line.startswith("moved ")}
        assert run.verdict().lines() == []
        assert run.finish().said.count("nothing to do") == 1
