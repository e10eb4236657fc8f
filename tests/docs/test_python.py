"""The page about Python: its examples do what it says, and have the right types."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cicscenario import errors

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_the_examples_run_from_top_to_bottom(tmp_path: Path) -> None:
    assert len(EXAMPLES) == PAGE.count("```python") > 4
    (tmp_path / "page.py").write_text("\n".join(EXAMPLES))
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    environment = os.environ | {"CICSCENARIO_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "page.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "balance 0 errors" in done.stdout
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache"), "page.py"],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


def test_the_exceptions_of_the_page_have_these_exit_codes() -> None:
    rows = re.findall(r"^\| (`[^|]*Error`) \| (\d+) \|", PAGE, re.MULTILINE)
    told = {name: int(code) for names, code in rows for name in re.findall(r"`(\w+)`", names)}
    assert {name: int(getattr(errors, name).exit_code) for name in told} == told
    assert {name for name in vars(errors) if name.endswith("Error")} - {"CicScenarioError"} == {*told}
