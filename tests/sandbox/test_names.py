"""Names of the sandbox's classes."""

import ast
from collections import Counter
from pathlib import Path

import cicscenario

PACKAGE = Path(cicscenario.__file__).parent


def _classes(folder: Path) -> list[str]:
    """Names of the public classes in a folder; a name that is defined twice is listed twice."""
    trees = [ast.parse(path.read_text("utf-8")) for path in folder.rglob("*.py")]
    names = [node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return [name for name in names if not name.startswith("_")]


def test_no_class_of_the_sandbox_has_the_name_of_another_class() -> None:
    counts = Counter(_classes(PACKAGE))
    assert [name for name in sorted(set(_classes(PACKAGE / "sandbox"))) if counts[name] > 1] == []
