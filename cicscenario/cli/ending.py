"""Shared by the commands run and verify: the listeners, and the error when a check has failed."""

import sys
from collections.abc import Callable

from cicscenario.api.result import result_of
from cicscenario.cli.boundary import tell
from cicscenario.cli.interrupts import interrupts_told
from cicscenario.engine.events import CommandEnded, Listener, Noted
from cicscenario.errors import ExitCode
from cicscenario.invocation import going_on
from cicscenario.report.listeners import Listening, View, listening
from cicscenario.state.rows import CheckRow

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
    result = result_of(*body(show), show)
    failed = result.code is ExitCode.CHECKS_FAILED
    result.require(_advice(again, show.following, repaired=repaired) if failed else None)
    return result.code


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
