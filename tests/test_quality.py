"""The code keeps its own rules: lint, types, sizes, and imports that point one way."""

import subprocess
import sys
from pathlib import Path

import pytest

from cicscenario.errors import InvalidError
from cicscenario.review.rooms import allowed, imported

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "cicscenario"

MODULES = sorted(PACKAGE.rglob("*.py"))


def run(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linter_is_content() -> None:
    run("ruff", "check", "--no-cache", "cicscenario", "tests")


def test_the_formatter_is_content() -> None:
    run("ruff", "format", "--no-cache", "--check", "cicscenario", "tests")


def test_the_types_are_strict_and_right() -> None:
    run("mypy", "--strict", "-p", "cicscenario")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_over_500_lines(module: Path) -> None:
    assert len(module.read_text("utf-8").splitlines()) <= 500


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(module: Path) -> None:
    parts = module.relative_to(PACKAGE).parts
    if len(parts) == 1 and parts[0] in ("__init__.py", "__main__.py"):
        return
    room = parts[0].removesuffix(".py")
    assert imported(module) <= allowed(room)


def test_an_import_that_points_up_is_noticed(tmp_path: Path) -> None:
    module = tmp_path / "wrong.py"
    module.write_text("from cicscenario.engine.runner import Runner\n")
    assert not imported(module) <= allowed("chain")


@pytest.mark.parametrize("line", ["from cicscenario import engine", "def f():\n    import cicscenario.engine.run"])
def test_it_is_noticed_in_whatever_way_it_is_written(tmp_path: Path, line: str) -> None:
    module = tmp_path / "wrong.py"
    module.write_text(f"{line}\n")
    assert imported(module) == {"engine"}


def test_a_relative_import_is_refused(tmp_path: Path) -> None:
    module = tmp_path / "wrong.py"
    module.write_text("from ..engine import run\n")
    with pytest.raises(InvalidError, match=r"wrong\.py:1"):
        imported(module)
