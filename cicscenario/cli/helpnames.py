"""The names that an option takes, in its help. They are read when help is asked for, and without loading what they name."""

import sys
from collections.abc import Callable, Iterable
from typing import Any

from cicscenario.cli import completion

_HELP = ("--help", "-h")


def with_names(command: Any) -> Any:
    """The command, whose options say what names they take when the command line asks for help."""
    if command is not None and any(word in _HELP for word in sys.argv):
        _fill(command)
    return command


def _fill(command: Any) -> None:
    for child in getattr(command, "commands", {}).values():
        _fill(child)
    listed: set[str] = set()
    for option in command.params:
        kind = str(getattr(option, "metavar", "") or "")
        if kind in NAMES and kind not in listed and "One of:" not in (option.help or ""):
            option.help = f"{option.help or ''} One of: {', '.join(NAMES[kind]())}.".lstrip()
            listed.add(kind)


def _in_schema(*path: str) -> list[str]:
    """The enum of a key in the shipped schema of scenarios, or of its list items."""
    from cicscenario.resources import load_schema

    schema: dict[str, Any] = load_schema("scenario-v1")
    for name in path:
        schema = schema["properties"][name]
    names: list[str] = schema.get("items", schema)["enum"]
    return names


def _and_of_packages(group: str, names: Iterable[str]) -> list[str]:
    """The names, and those of the entry points of other packages."""
    from cicscenario.capabilities.registry import entry_points  # not at the top: only help is asked for it

    return [*names, *sorted(point.name for point in entry_points(group=f"cicscenario.{group}"))]


#: What the options take, by the word that stands for it in the usage.
NAMES: dict[str, Callable[[], list[str]]] = {
    "STEP": lambda: _and_of_packages("steps", completion.STEPS),
    "CHECK": lambda: _and_of_packages("checks", _in_schema("checks", "include")),
    "KIND": lambda: _and_of_packages("backends", _in_schema("backend", "kind")),
    "KIND,...": lambda: _and_of_packages("metadata", _in_schema("metadata")),
    "FORM": lambda: _and_of_packages("reports", completion.REPORTS),
    "SERVICE": completion.services,
    "SERVICE.NAME[=VALUE]": completion.faults,
    "SERVICE.NAME": completion.faults,
}
