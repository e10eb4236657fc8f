"""The code keeps its own rules: lint, types, sizes, and imports that point one way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "cicscenario"
#: From the top down. A floor may import from those after it; rooms on one floor do not reach into each other.
FLOORS = (
    {"cli"}, {"report", "review"}, {"engine"}, {"plan"}, {"vocabulary"}, {"steps", "checks", "backends"}, {"metadata"},
    {"capabilities"}, {"connections"}, {"services", "chain", "legacy"}, {"state"}, {"language", "people"},
    {"resources", "chainspec", "address", "numberplan"}, {"transport"}, {"files", "retry"}, {"errors"},
)  # fmt: skip
#: These are not on the stairs. The sandbox uses accounts and chains, and only commands know of it.
SANDBOX_MAY_USE = {"sandbox", "people", "chain", "errors", "resources", "chainspec", "files", "retry"}

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


def imports(module: Path) -> set[str]:
    """Rooms of the package that a module imports from."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            parts = name.split(".")
            if parts[0] == "cicscenario" and len(parts) > 1:
                found.add(parts[1])
    return found


def allowed(room: str) -> set[str]:
    if room == "sandbox":
        return SANDBOX_MAY_USE
    floor = next(number for number, rooms in enumerate(FLOORS) if room in rooms)
    below = set().union(*FLOORS[floor + 1 :]) | {room}
    return below | {"sandbox"} if room == "cli" else below


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(module: Path) -> None:
    parts = module.relative_to(PACKAGE).parts
    if len(parts) == 1 and parts[0] in ("__init__.py", "__main__.py"):
        return
    room = parts[0].removesuffix(".py")
    assert imports(module) <= allowed(room)


def test_an_import_that_points_up_is_noticed(tmp_path: Path) -> None:
    module = tmp_path / "wrong.py"
    module.write_text("from cicscenario.engine.runner import Runner\n")
    assert not imports(module) <= allowed("chain")
