"""A project from outside tests with stacks of ours: installed into an environment that has nothing of the tests' own."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.fresh_environment import whole_environment

OUTSIDE = Path(__file__).parent / "outside"
FILLED = "is filled, which later sessions need not do again"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_its_tests_dial_and_pay_and_its_second_session_runs_no_step(tmp_path: Path) -> None:
    programs = whole_environment(tmp_path, "pytest>=8.3")
    project = shutil.copytree(OUTSIDE, tmp_path / "market", ignore=shutil.ignore_patterns("__pycache__", ".*"))

    def session() -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "CICS"))}
        done = subprocess.run(
            [programs / "python", "-m", "pytest"],
            cwd=project,
            env=kept,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "3 passed" in done.stdout
        return done.stdout

    first = session()
    assert re.search("^plugins: .*cicscenario-", first, re.MULTILINE), "pytest finds it by its entry point"
    assert FILLED in first
    (snapshot,) = (project / ".pytest_cache" / "d" / "cicscenario").glob("village-*.zst")
    made = snapshot.read_bytes()
    assert FILLED not in session()
    assert snapshot.read_bytes() == made, "it was restored, and not made again"
