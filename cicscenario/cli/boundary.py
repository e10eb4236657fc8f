"""The error boundary: the only place that turns an error into a message and an exit code."""

import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TextIO

import typer
from typer.core import TyperGroup

from cicscenario.address import without_known
from cicscenario.cli.commandline import as_given
from cicscenario.cli.helpnames import with_names
from cicscenario.cli.interrupts import ended_by_signals
from cicscenario.errors import ExitCode, as_told, in_lines
from cicscenario.printable import say

DEBUG = "CICSCENARIO_DEBUG"  #: environment variable: when set, every error is shown with its traceback

_RESUMABLE = (ExitCode.UNAVAILABLE, ExitCode.INTERRUPTED)


class Commands(TyperGroup):
    """The group of commands. Passes exceptions to the boundary that typer would turn into its own exits."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _bypass_typer():
            return super().make_context(*args, **kwargs)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return with_names(super().get_command(ctx, cmd_name))

    def invoke(self, ctx: Any) -> Any:
        with _bypass_typer():
            return super().invoke(ctx)


class _BypassTyper(Exception):  # noqa: N818 -- not an error itself
    """Wraps an exception that typer must not handle: ^C, or an OSError such as a closed pipe. The cause holds it."""


@contextmanager
def _bypass_typer() -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, typer.Abort, OSError) as error:
        raise _BypassTyper from error


def boundary(body: Callable[[], object]) -> ExitCode:
    """Runs a command; turns what it raises into a message on stderr and an exit code."""
    with ended_by_signals():
        return _ended(body)


def end(code: ExitCode) -> NoReturn:
    """Ends a command with this exit code."""
    raise typer.Exit(code)


def _ended(body: Callable[[], object]) -> ExitCode:
    code, error = ExitCode.OK, None
    try:
        body()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # rich turns it into this exit
            _end_by_sigpipe()
        code = ExitCode(end.code) if isinstance(end.code, int) else ExitCode.INTERNAL
    except _BypassTyper as past:
        error = past.__cause__
    except (Exception, KeyboardInterrupt) as raised:
        error = raised
    try:
        sys.stdout.flush()  # here, because a failure at interpreter exit could not be reported
    except OSError as unwritten:
        code = tell(error or unwritten)
        _discard(sys.stdout)
        return code
    return code if error is None else tell(error)


def tell(error: BaseException) -> ExitCode:
    """Tells of an error on stderr. Returns the exit code."""
    if isinstance(error, BrokenPipeError) and _reader_has_gone(sys.stdout):
        _end_by_sigpipe()
    text, code = _words(error)
    try:
        if os.environ.get(DEBUG):
            say(without_known("".join(traceback.format_exception(error))), stream=sys.stderr, end="")
        say(without_known(text), stream=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)  # the message is lost, the exit code is not
    return code


def _words(error: BaseException) -> tuple[str, ExitCode]:
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return f"interrupted; to resume: {as_given()}", ExitCode.INTERRUPTED
    known = as_told(error)
    if known is None:
        bug = "internal error: this is a bug in cicscenario; please report the lines above"
        return "".join(traceback.format_exception(error)) + bug, ExitCode.INTERNAL
    lines = in_lines(known)
    lines += [f"  resume: {known.resume or as_given()}"] if known.exit_code in _RESUMABLE else []
    return "\n".join(lines), known.exit_code


def _reader_has_gone(stream: TextIO) -> bool:
    """Whether this stream's pipe is closed. A BrokenPipeError may also come from a connection to a service."""
    poll = select.poll()
    poll.register(stream.fileno(), 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def _end_by_sigpipe() -> NoReturn:
    """Ends the process by SIGPIPE, as ``cat`` does, because the reader of the output has gone."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.raise_signal(signal.SIGPIPE)
    raise AssertionError("SIGPIPE is blocked")


def _discard(stream: TextIO) -> None:
    """Redirects the stream to the null device, so that flushing its buffer at interpreter exit cannot fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
