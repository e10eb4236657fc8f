"""A class is known by its name alone: no two public ones of the package share it."""

import ast
from collections import defaultdict
from pathlib import Path

import cicscenario

PACKAGE = Path(cicscenario.__file__).parent


def public_classes() -> dict[str, list[str]]:
    """Modules by the name of each public class at the top level of a module."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(place.as_posix())
    return found


def test_no_two_public_classes_have_the_same_name() -> None:
    twice = {name: places for name, places in public_classes().items() if len(places) > 1}
    assert twice == {}
