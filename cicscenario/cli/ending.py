"""Shared by the commands run and verify: the listeners, and the error when a check has failed."""

import sys
from collections.abc import Callable

from cicscenario.cli.boundary import tell
from cicscenario.cli.interrupts import interrupts_told
from cicscenario.engine.events import CommandEnded, Listener, Noted
from cicscenario.engine.verify import finished
from cicscenario.errors import ChecksFailedError, ExitCode, UnavailableError
from cicscenario.invocation import going_on
from cicscenario.report.listeners import Listening, View, listening
from cicscenario.report.words import check_line
from cicscenario.state.rows import CheckRow
from cicscenario.wording import counted

Body = Callable[[Listener], tuple[ExitCode, list[CheckRow]]]


def watched(body: Body, again: str, view: View, *, repaired: bool = False) -> ExitCode:
    """As ``verdict_of``; returns the exit code."""
    return ExitCode(verdict_of(body, again, view, repaired=repaired).exit_code)


def verdict_of(body: Body, again: str, view: View, *, repaired: bool = False) -> CommandEnded:
    """Calls ``body`` with the listeners. ``again`` is the command that verifies again, ``repaired`` whether ``body`` repairs.

    The last line is the verdict.

    An error that ends the command is told here, so that the verdict comes after it.
    """
    with listening(sys.stdout, view) as show:
        error: BaseException | None = None
        with interrupts_told(lambda text: show(Noted(text))):
            try:
                code = _carried_out(body, show, again, repaired=repaired)
            except (Exception, KeyboardInterrupt) as raised:
                error = raised
                show.failed(error)
    if error is not None:
        code = tell(error)
    return show.end(code)


def _carried_out(body: Body, show: Listening, again: str, *, repaired: bool) -> ExitCode:
    """Raises ChecksFailedError when a check found errors, and UnavailableError when only the reports could not be written."""
    code, rows = body(show)
    if code is ExitCode.CHECKS_FAILED:
        bad = [row for row in rows if row.errors]
        first = check_line(finished(bad[0]))
        message = f"{len(bad)} of {counted(len(rows), 'check')} found errors; first, {first}"
        raise ChecksFailedError(message, hint=_advice(again, show.following, repaired=repaired))
    if show.unwritten and code is ExitCode.OK:
        raise UnavailableError(
            f"all is done, but {show.unwritten}",
            hint=f"when they can be written: {going_on('report')}",
        )
    return code


def _advice(again: str, following: str | None, *, repaired: bool) -> str:
    """What to do after checks that found errors; ``again`` verifies, ``following`` is what the report says to do."""
    repair, run = going_on("repair"), going_on("run")
    unfinished = following == run
    if repaired:
        then = f"then finish and verify: {run}" if unfinished else f"then verify again: {again}"
        return f"what is left alone has to be mended by hand; {then}"
    if unfinished:
        return f"{run}\n  (it goes on with what has not been done; what is wrong then can be made again: {repair})"
    return f"{repair}\n  (it shows first what it makes again and what not; or mend it, and verify again: {again})"
