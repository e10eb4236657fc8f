"""The option ``--serve [PORT]``, whose value may be left out."""

from typing import Any

from typer.core import TyperCommand

_NAME = "--serve"
ANY_PORT = "0"  #: any that is free


class WithServe(TyperCommand):
    """A command with this option. Without a port after it, it gets ``ANY_PORT``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_port(args))


def with_port(args: list[str]) -> list[str]:
    """The words of a command line with a port behind every ``--serve`` that has none."""
    given: list[str] = []
    for number, word in enumerate(args):
        given.append(word)
        following = args[number + 1] if number + 1 < len(args) else ""
        if word == _NAME and not following.isdecimal() and "--" not in args[:number]:
            given.append(ANY_PORT)
    return given
