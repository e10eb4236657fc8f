"""What came of a run, a verification or a repair, and the error that it is when not all is well."""

from dataclasses import dataclass
from pathlib import Path

from cicscenario.engine.verify import finished
from cicscenario.errors import ChecksFailedError, ExitCode, UnavailableError
from cicscenario.invocation import going_on
from cicscenario.report.listeners import Listening
from cicscenario.report.words import check_line
from cicscenario.state.rows import CheckRow
from cicscenario.wording import counted


@dataclass(frozen=True)
class RunResult:
    """What came of a run or verification that went through to its end.

    ``code`` is ``ExitCode.OK``, or ``ExitCode.CHECKS_FAILED`` when a check found errors.
    """

    code: ExitCode
    checks: tuple[CheckRow, ...]  #: in order; empty when no check was made
    directory: Path | None  #: the run directory, with all reports
    verdict: str = ""  #: in one line
    unwritten: str | None = None  #: why the reports could not be written

    @property
    def ok(self) -> bool:
        """Whether every check passes for everybody."""
        return self.code is ExitCode.OK

    def require(self, hint: str | None = None) -> None:
        """Raises ChecksFailedError when a check found errors, and UnavailableError when only the reports could not be written.

        ``hint`` is what to do about errors of checks.
        """
        if self.code is ExitCode.CHECKS_FAILED:
            bad = [row for row in self.checks if row.errors]
            first = check_line(finished(bad[0]))
            message = f"{len(bad)} of {counted(len(self.checks), 'check')} found errors; first, {first}"
            raise ChecksFailedError(message, hint=hint or f"it shows what it can make again: {going_on('repair')}")
        if self.unwritten and self.ok:
            raise UnavailableError(
                f"all is done, but {self.unwritten}", hint=f"when they can be written: {going_on('report')}"
            )


def result_of(code: ExitCode, checks: list[CheckRow], heard: Listening) -> RunResult:
    """The result of a command whose events were told to ``heard``. Its verdict is known later."""
    return RunResult(code, tuple(checks), heard.directory, unwritten=heard.unwritten)
