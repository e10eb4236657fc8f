"""Shared by the commands run and verify: the listeners, and the error when a check has failed."""

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cicscenario.cli.boundary import tell
from cicscenario.cli.interrupts import interrupts_told
from cicscenario.engine.events import Listener, Noted
from cicscenario.engine.verify import finished
from cicscenario.errors import ChecksFailedError, ExitCode, UnavailableError
from cicscenario.report.listeners import Listening, View, listening
from cicscenario.report.words import check_line
from cicscenario.state.rows import CheckRow

Body = Callable[[Listener], tuple[ExitCode, list[CheckRow]]]


def verify_command(scenario: Path, overrides: Sequence[str], **options: Path | str | None) -> str:
    """The ``verify`` command for a run with these options."""
    given = [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
    given += [word for override in overrides for word in ("--set", override)]
    return shlex.join(["cicscenario", "verify", str(scenario), *given])


def watched(body: Body, again: str, view: View) -> ExitCode:
    """Calls ``body`` with the listeners. ``again`` is the command that verifies again. The last line is the verdict.

    An error that ends the command is told here, so that the verdict comes after it.
    """
    with listening(sys.stdout, view) as show:
        error: BaseException | None = None
        with interrupts_told(lambda text: show(Noted(text))):
            try:
                code = _carried_out(body, show, again)
            except (Exception, KeyboardInterrupt) as raised:
                error = raised
                show.failed(error)
    if error is not None:
        code = tell(error)
    show.end(code)
    return code


def _carried_out(body: Body, show: Listening, again: str) -> ExitCode:
    """Raises ChecksFailedError when a check found errors, and UnavailableError when only the reports could not be written."""
    code, rows = body(show)
    if code is ExitCode.CHECKS_FAILED:
        bad = [row for row in rows if row.errors]
        first = check_line(finished(bad[0]))
        message = f"{len(bad)} of {len(rows)} checks found errors; first, {first}"
        raise ChecksFailedError(message, hint=f"fix what the report names, then verify again: {again}")
    if show.unwritten and code is ExitCode.OK:
        raise UnavailableError(
            f"all is done, but {show.unwritten}",
            hint="`cicscenario report` writes them again, once they can be written",
        )
    return code
