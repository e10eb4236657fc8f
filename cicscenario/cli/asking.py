"""Asks before something is deleted, renamed or made anew that cannot be had back by a second command."""

import sys

import typer

from cicscenario.cli.commandline import agreeing
from cicscenario.errors import InterruptedRunError, InvalidError


def ask(question: str, *, yes: bool, to: str) -> None:
    """Returns when the user agrees; ``yes`` is the option ``--yes``, with which nothing is asked.

    ``to`` is what the command would do, such as "start anew", for the message where nobody can be asked: when the standard
    input or the standard error is no terminal. Call it before anything is changed. Raises InvalidError when nobody can be
    asked, and InterruptedRunError when the answer is no.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidError(
            f"to {to} wants a yes, and there is no terminal to ask on; nothing was changed",
            hint=f"{agreeing()} says yes",
        )
    if not typer.confirm(question, err=True):
        raise InterruptedRunError("the answer was no, and nothing was changed")
