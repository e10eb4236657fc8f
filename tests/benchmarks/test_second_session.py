"""Seconds from the start of pytest until the first test has its stack, and its people, from the snapshot of an earlier session.

Run by its own command: ``python -m pytest -n 0 -m benchmark -s tests/benchmarks/test_second_session.py``.
"""

import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.outer_pytest import PROJECT, project_in, session_command, session_environment

pytestmark = pytest.mark.benchmark

MOST = 4.0  # seconds
ROUNDS = 5
TEST = """
import os
def test_it(cic_stack):
    stack = cic_stack("SCENARIO")
    os.write(int(os.environ["TOLD"]), f"{stack.restored} {len(stack.people)} {len(stack.dial(stack.people[0].phone))}".encode())
"""


def seconds_until_begun(project: Path) -> tuple[float, str]:
    """Also what the test has told."""
    reading, writing = os.pipe()
    began = time.monotonic()
    with subprocess.Popen(
        session_command("-q"), cwd=project, env=session_environment() | {"TOLD": str(writing)}, pass_fds=(writing,),
        stdout=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        os.close(writing)
        told = os.read(reading, 100).decode()
        seconds = time.monotonic() - began
        process.wait()
    os.close(reading)
    return seconds, told


@pytest.mark.parametrize("scenario", ["tests/outside/scenarios/village.yaml", "scenarios/ussd-100.yaml"])
def test_the_second_session_begins_at_once(scenario: str, tmp_path: Path) -> None:
    project = project_in(tmp_path / "project", TEST.replace("SCENARIO", Path(scenario).name))
    for file in (PROJECT / scenario).parent.glob("*.yaml"):  # also those that it extends
        shutil.copy(file, project)
    assert seconds_until_begun(project)[1].startswith("False")
    measured = []
    for _ in range(ROUNDS):
        seconds, told = seconds_until_begun(project)
        assert told.startswith("True")
        measured.append(seconds)
    median = statistics.median(measured)
    print(
        f"{Path(scenario).name}: {median:.2f} s until the first test begins (median of {ROUNDS}, {min(measured):.2f} at best)"
    )
    assert median < MOST
