"""The reference page of the commands, from the declarations of the command line."""

from collections.abc import Iterator
from enum import EnumType
from importlib import import_module
from pathlib import Path
from typing import Any

import typer.main

_KINDS = {int: "NUMBER", str: "TEXT", Path: "PATH"}


def commands_page() -> list[str]:
    """The parts of the page: what all commands have in common, a list of all, and each of them."""
    root = _root()
    found = list(_commands(root, "cicscenario"))
    rows = [f"| [`{name}`](#{name.replace(' ', '-')}) | {_short(command)} |" for name, command in found]
    parts = [_paragraphs(root.help), "\n".join(["| command | |", "|:--|:--|", *rows])]
    for name, command in found:
        parts += [f"## `{name}`", _paragraphs(command.help), f"```\n{_usage(name, command)}\n```"]
        if table := _parameters(command):
            parts.append(table)
    return parts


def _root() -> Any:
    """The command line. It is above this room, so nothing is imported from it; it is looked at as users see it."""
    return typer.main.get_command(import_module("cicscenario.cli.app").app)


def _commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield f"{prefix} {name}", command
            yield from _commands(command, f"{prefix} {name}")
        elif not command.hidden:
            yield f"{prefix} {name}", command


def _usage(name: str, command: Any) -> str:
    options = ["[OPTIONS]"] if any(parameter.param_type_name == "option" for parameter in command.params) else []
    return " ".join([name, *options, *(_takes(each) for each in command.params if each.param_type_name == "argument")])


def _parameters(command: Any) -> str:
    rows = [_row(parameter) for parameter in command.params]
    return "\n".join(["| | takes | |", "|:--|:--|:--|", *rows]) if rows else ""


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"| `{_cell(_takes(parameter))}` | | {_cell(parameter.help)} |"
    takes = "" if parameter.is_flag else f"`{_cell(_takes(parameter))}`"
    return f"| {', '.join(f'`{name}`' for name in parameter.opts)} | {takes} | {_cell(parameter.help)} |"


def _takes(parameter: Any) -> str:
    """The name of the value: as declared, else the choices or the type."""
    if parameter.metavar:
        return str(parameter.metavar)
    kind = parameter.type_descriptor.annotation
    return "|".join(kind) if isinstance(kind, EnumType) else _KINDS.get(kind, str(kind))


def _short(command: Any) -> str:
    return _cell(_paragraphs(command.help).partition("\n")[0].partition(". ")[0].rstrip(".") + ".")


def _paragraphs(text: str | None) -> str:
    """Each paragraph on a line of its own; line breaks within one go."""
    return "\n\n".join(" ".join(part.split()) for part in (text or "").split("\n\n"))


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|").replace("<", "&lt;")
