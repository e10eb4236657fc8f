"""The only place where an error becomes text and an exit code."""

import os
import select
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TextIO

import typer
from typer.core import TyperGroup

from cicscenario.errors import ExitCode, as_told

DEBUG = "CICSCENARIO_DEBUG"  #: set in the environment, every error is shown with its traceback

_RESUMABLE = (ExitCode.UNAVAILABLE, ExitCode.INTERRUPTED)


class Commands(TyperGroup):
    """The commands. What typer would turn into exits of its own goes past it, to the boundary."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _past_typer():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _past_typer():
            return super().invoke(ctx)


class _PastTyper(Exception):  # noqa: N818 -- it is no error, but carries one
    """Carries its cause: ^C, also at a question, or an error of the operating system, such as a closed pipe."""


@contextmanager
def _past_typer() -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, typer.Abort, OSError) as error:
        raise _PastTyper from error


def boundary(body: Callable[[], object]) -> ExitCode:
    """Runs a command; turns what it raises into a message on stderr and an exit code."""
    code, error = ExitCode.OK, None
    try:
        body()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # what rich makes of one
            _end_by_the_pipe()
        code = ExitCode(end.code) if isinstance(end.code, int) else ExitCode.INTERNAL
    except _PastTyper as past:
        error = past.__cause__
    except (Exception, KeyboardInterrupt) as raised:
        error = raised
    try:
        sys.stdout.flush()  # now, while it can still be told that it failed
    except OSError as unwritten:
        code = _tell(error or unwritten)
        _give_up(sys.stdout)
        return code
    return code if error is None else _tell(error)


def _tell(error: BaseException) -> ExitCode:
    if isinstance(error, BrokenPipeError) and _reader_is_gone(sys.stdout):
        _end_by_the_pipe()
    text, code = _words(error)
    try:
        if os.environ.get(DEBUG):
            traceback.print_exception(error)
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _give_up(sys.stderr)  # the exit code still says it
    return code


def _words(error: BaseException) -> tuple[str, ExitCode]:
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return f"interrupted; to go on: {command_line()}", ExitCode.INTERRUPTED
    known = as_told(error)
    if known is None:
        bug = "internal error: this is a bug in cicscenario; please report the lines above"
        return "".join(traceback.format_exception(error)) + bug, ExitCode.INTERNAL
    lines = [known.message if known.message.startswith("error") else f"error: {known.message}"]
    lines += [f"  {note}" for note in getattr(error, "__notes__", ()) if note not in known.message]
    lines += [f"  next: {known.hint}"] if known.hint else []
    lines += [f"  resume: {command_line()}"] if known.exit_code in _RESUMABLE else []
    return "\n".join(lines), known.exit_code


def _reader_is_gone(stream: TextIO) -> bool:
    """Whether it was this stream that broke, and not a connection to a service."""
    poll = select.poll()
    poll.register(stream.fileno(), 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def _end_by_the_pipe() -> NoReturn:
    """Whoever read the output has gone, and there is nobody to tell: ends as ``cat`` would."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.raise_signal(signal.SIGPIPE)
    raise AssertionError("SIGPIPE is blocked")


def _give_up(stream: TextIO) -> None:
    """What is still in the stream's buffer goes nowhere, so that the interpreter does not fail over it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def command_line() -> str:
    """The command as it was given: running it again resumes. What decides something once is left out."""
    return shlex.join(["cicscenario", *(word for word in sys.argv[1:] if word not in ("--fresh", "--reconcile"))])
