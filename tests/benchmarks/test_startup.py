"""CPU seconds until a person has an answer from the command line.

Run by its own command: ``python -m pytest -n 0 -m benchmark -s tests/benchmarks/test_startup.py``.
"""

import resource
import statistics
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import command_environment, command_line

pytestmark = pytest.mark.benchmark

HELP, VALIDATE = 0.2, 0.4  # seconds of CPU
ROUNDS = 7
SCENARIOS = Path(__file__).parent.parent.parent / "scenarios"


def cpu_seconds(home: Path, *arguments: str) -> float:
    """User and system time of one command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command_line(*arguments), env=command_environment(home), stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def median_seconds(home: Path, *arguments: str) -> float:
    """The median of some rounds, which is printed with the best of them."""
    measured = [cpu_seconds(home, *arguments) for _ in range(ROUNDS)]
    median, words = statistics.median(measured), " ".join(arguments)
    print(f"{words}: {median:.3f} s of CPU (median of {ROUNDS}, {min(measured):.3f} at best)")
    return median


def test_help_is_there_at_once(tmp_path: Path) -> None:
    assert median_seconds(tmp_path, "--help") < HELP


@pytest.mark.parametrize("scenario", ["eth-1k", "ussd-1k", "eth-vars"])
def test_one_file_is_validated_at_once(tmp_path: Path, scenario: str) -> None:
    """Also one whose people join by phone, which needs the phone numbers, and one with expressions, which needs Jinja."""
    assert median_seconds(tmp_path, "validate", str(SCENARIOS / f"{scenario}.yaml")) < VALIDATE
