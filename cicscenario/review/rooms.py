"""The rooms of the package, and which of them may import from which. A room is a folder, or a module beside the folders."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cicscenario.errors import InvalidError

#: From the top down. A floor may import from those after it; rooms on one floor do not import from each other.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("cli", "testing"), ("api",), ("serve",),
    ("report", "review"), ("engine",), ("plan",), ("vocabulary",), ("steps", "checks", "backends"),
    ("metadata",), ("capabilities",), ("connections",), ("workers",), ("services", "chain", "legacy"), ("state",), ("payments",),
    ("language", "people"),
    ("resources", "chainspec", "address", "numberplan"), ("transport", "profile"), ("inputs", "jsontext"),
    ("files", "retry", "shell", "invocation", "visitors"), ("boundaries",), ("errors",),
    ("printable", "wording", "loading", "unfinished", "keccak"),
)  # fmt: skip
#: Not on a floor: what it may import is listed here, and only those of ``ABOVE_APART`` may import it.
APART = {
    "sandbox": frozenset(
        {
            "people",
            "chain",
            "boundaries",
            "errors",
            "resources",
            "chainspec",
            "files",
            "inputs",
            "jsontext",
            "keccak",
            "loading",
            "retry",
            "shell",
            "transport",
            "unfinished",
            "visitors",
            "printable",
            "wording",
        }
    )
}
ABOVE_APART = ("cli", "testing", "api")

_PACKAGE = "cicscenario"
_NO_ROOMS = ("__init__", "__main__")


@dataclass(frozen=True)
class Room:
    """One room: what it is, in one sentence, the number of its modules, and the rooms that it imports from."""

    name: str
    folder: bool
    sentence: str
    modules: int
    imports: frozenset[str]


def floor_of(room: str) -> int:
    """Index in ``FLOORS``. Raises InvalidError for a room that is on none."""
    for number, rooms in enumerate(FLOORS):
        if room in rooms:
            return number
    raise InvalidError(f"{_PACKAGE}/{room} is on no floor", hint="give it one in FLOORS of cicscenario/review/rooms.py")


def allowed(room: str) -> frozenset[str]:
    """The rooms that ``room`` may import from, itself among them."""
    if room in APART:
        return APART[room] | {room}
    below = {name for floor in FLOORS[floor_of(room) + 1 :] for name in floor} | {room}
    return frozenset(below | APART.keys() if room in ABOVE_APART else below)


def imported(module: Path) -> set[str]:
    """Rooms that a module imports from, at its top or anywhere within it. Raises InvalidError for a relative import."""
    found = set()
    for name in _names(module):
        parts = name.split(".")
        if parts[0] == _PACKAGE and len(parts) > 1:
            found.add(parts[1])
    return found


def _names(module: Path) -> Iterator[str]:
    for name, line in _imports(module.read_text("utf-8")):
        if not name:
            raise InvalidError(f"{module}:{line}: a relative import", hint=f"write it in full, from {_PACKAGE} on")
        yield name


@cache  # by its text: what takes long is to parse it, and copies of the package differ in a few modules
def _imports(text: str) -> tuple[tuple[str, int], ...]:
    """The modules and names that a module imports, each with its line; empty for a relative import."""
    found: list[tuple[str, int]] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            found.append(("", node.lineno))
        elif isinstance(node, ast.ImportFrom) and node.module == _PACKAGE:
            names = (alias.name for alias in node.names if not alias.name.startswith("__"))
            found += ((f"{_PACKAGE}.{name}", node.lineno) for name in names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, node.lineno))
    return tuple(found)


def read_rooms(package: Path) -> dict[str, Room]:
    """Every room of the package in the folder ``package``, by name."""
    modules: dict[str, list[Path]] = {}
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).parts[0].removesuffix(".py")
        if name not in _NO_ROOMS:
            modules.setdefault(name, []).append(path)
    return {name: _room(package / name, paths) for name, paths in modules.items()}


def _room(place: Path, modules: list[Path]) -> Room:
    folder = place.is_dir()
    first = place / "__init__.py" if folder else modules[0]
    imports = set().union(*map(imported, modules)) - {place.name}
    counted = [path for path in modules if path.name != "__init__.py"]
    return Room(place.name, folder, _first_sentence(first), len(counted), frozenset(imports))


def _first_sentence(module: Path) -> str:
    """The first sentence of a module's docstring; empty when it has none."""
    text = ast.get_docstring(ast.parse(module.read_text("utf-8"))) if module.exists() else None
    paragraph = " ".join((text or "").partition("\n\n")[0].split()).replace("``", "")
    return paragraph.partition(". ")[0].rstrip(".")


def wrong_imports(rooms: Mapping[str, Room]) -> list[tuple[str, str]]:
    """Pairs of rooms of which the first imports from the second and may not."""
    return sorted((name, other) for name, room in rooms.items() for other in room.imports - allowed(name))


def arrows(rooms: Mapping[str, Room]) -> list[tuple[str, str]]:
    """Pairs of rooms of which the first may import from the second and does so, without those that follow from others."""
    down = {name: room.imports & allowed(name) for name, room in rooms.items()}
    return sorted(
        (name, other)
        for name, others in down.items()
        for other in others
        if not any(other in _reached(down, between) for between in others - {other})
    )


def _reached(down: Mapping[str, frozenset[str]], start: str) -> set[str]:
    """All rooms to which arrows lead from ``start``, over any number of others."""
    found: set[str] = set()
    left = [start]
    while left:
        new = down[left.pop()] - found
        found |= new
        left += new
    return found
