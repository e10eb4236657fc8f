"""CPU seconds until a person has an answer from the command line.

Run by its own command: ``python -m pytest -n 0 -m benchmark -s tests/benchmarks/test_startup.py``.
"""

import os
import statistics
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import command_environment, command_line

pytestmark = pytest.mark.benchmark

HELP = 0.2  # seconds of CPU
ROUNDS = 7


def cpu_seconds(home: Path, *arguments: str) -> float:
    """User and system time of one command."""
    before = os.times()
    subprocess.run(command_line(*arguments), env=command_environment(home), stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_help_is_there_at_once(tmp_path: Path) -> None:
    measured = [cpu_seconds(tmp_path, "--help") for _ in range(ROUNDS)]
    print(f"--help: {statistics.median(measured):.3f} s of CPU (median of {ROUNDS}, {min(measured):.3f} at best)")
    assert statistics.median(measured) < HELP
