"""What tests share is in tests.support, once."""

import ast
import importlib.util
from collections import defaultdict
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SUPPORT = TESTS / "support"


def defined(module: Path) -> set[str]:
    """Public names that a module defines at its top level; what it imports is not its own."""
    names: set[str] = set()
    for node in ast.parse(module.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def test_no_two_modules_define_the_same_name() -> None:
    where: dict[str, list[str]] = defaultdict(list)
    for module in sorted(SUPPORT.glob("*.py")):
        for name in defined(module):
            where[name].append(module.name)
    assert {name: modules for name, modules in where.items() if len(modules) > 1} == {}


@pytest.mark.parametrize(
    "folder", sorted(path.name for path in TESTS.iterdir() if path.is_dir() and path.name[0] not in "_.")
)
def test_no_folder_of_tests_is_a_package_of_that_name(folder: str) -> None:
    """``import sandbox`` must mean nothing, whether or not some other program has a package of that name."""
    found = importlib.util.find_spec(folder)
    places = list(found.submodule_search_locations or []) if found else []
    assert str(TESTS / folder) not in places


def test_test_code_imports_only_support_the_oracle_and_its_own_room() -> None:
    for module in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                room = module.relative_to(TESTS).parts[:-1]
                own = ".".join(("tests", *room, "")) if room else "tests.support"
                shared = name.startswith((own, "tests.support", "tests.oracle")) and ".test_" not in name
                assert not name.startswith("tests.") or shared, f"{module} imports {name}"
