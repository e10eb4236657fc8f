"""Every way a command can end, and the few exceptions that say which.

Exceptions are named by what has to happen next, not by what went wrong. Each carries a message for a person: what, where
(file and line, or service and address), what was expected, what to do next. Secrets never enter a message.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command; ``cicscenario --help`` prints this table."""

    OK = 0  #: everything asked for is done, and every check found all of it
    CHECKS_FAILED = 1  #: the run went through, but a check found errors
    INVALID = 2  #: the scenario, the environment file or the command line is invalid
    UNAVAILABLE = 3  #: a service is missing or a step failed; run the same command again to resume
    STATE_REFUSED = 4  #: the state is locked by another run, or is not of this scenario
    RECONCILE = 5  #: a person has to look at the chain, and then decide: `run --reconcile` goes on
    INTERNAL = 70  #: a bug in cicscenario
    INTERRUPTED = 130  #: stopped by ^C, SIGTERM or a no to a question; run the same command again to resume


class CicScenarioError(Exception):
    """Base of every error that is shown to a person without a traceback.

    ``hint`` is the next thing to do; it is printed on a line of its own.
    """

    exit_code = ExitCode.INTERNAL

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ChecksFailedError(CicScenarioError):
    """Not everybody was found; what the checks name has to be mended, and the services asked again."""

    exit_code = ExitCode.CHECKS_FAILED


class InvalidError(CicScenarioError):
    """The user's file or command line has to change."""

    exit_code = ExitCode.INVALID


class UnavailableError(CicScenarioError):
    """A service does not answer, or not as it should; running again resumes."""

    exit_code = ExitCode.UNAVAILABLE


class StepFailedError(CicScenarioError):
    """A step could not be completed for some people; running again resumes."""

    exit_code = ExitCode.UNAVAILABLE


class StateRefusedError(CicScenarioError):
    """The run directory belongs to somebody else: another process, scenario, or chain."""

    exit_code = ExitCode.STATE_REFUSED


class ReconcileError(CicScenarioError):
    """Going on by itself could pay somebody twice; a person has to decide."""

    exit_code = ExitCode.RECONCILE


class InterruptedRunError(CicScenarioError):
    """The user asked to stop; everything done so far is saved."""

    exit_code = ExitCode.INTERRUPTED
