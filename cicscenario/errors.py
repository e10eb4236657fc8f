"""Every way a command can end, and the few exceptions that say which.

Exceptions are named by what has to happen next, not by what went wrong. Each carries a message for a person: what, where
(file and line, or service and address), what was expected, what to do next. Secrets never enter a message, and no
character does that a terminal obeys.
"""

import errno
from collections.abc import Iterable
from enum import IntEnum

from cicscenario.printable import one_line, printable


class ExitCode(IntEnum):
    """The exit codes of every command; ``cicscenario --help`` prints this table."""

    OK = 0  #: everything asked for is done, and every check found all of it
    CHECKS_FAILED = 1  #: the run went through, but a check found errors
    INVALID = 2  #: the scenario, the environment file or the command line is invalid
    UNAVAILABLE = 3  #: a service is missing, a step failed or a deadline passed; run the same command again to resume
    STATE_REFUSED = 4  #: the state is locked by another run, or is not of this scenario
    RECONCILE = 5  #: a person has to look at the chain, and then decide: `run --reconcile` goes on
    INTERNAL = 70  #: a bug in cicscenario
    INTERRUPTED = 130  #: stopped by ^C, SIGTERM or a no to a question; run the same command again to resume


#: From good to bad: how much a person has to do before the same command can end well.
SEVERITY = (
    ExitCode.OK,
    ExitCode.CHECKS_FAILED,
    ExitCode.UNAVAILABLE,
    ExitCode.STATE_REFUSED,
    ExitCode.INVALID,
    ExitCode.RECONCILE,
    ExitCode.INTERNAL,
    ExitCode.INTERRUPTED,
)


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The exit code of a command that does several things: that of the one that needs most of a person; OK for nothing.

    From good to bad: 0, 1, 3, 4, 2, 5, 70, 130. An interrupted command is not done, whatever else went wrong.
    """
    return max(codes, key=SEVERITY.index, default=ExitCode.OK)


class CicScenarioError(Exception):
    """Base of every error that is shown to a person without a traceback.

    ``hint`` is the next thing to do; it is printed on a line of its own. ``resume`` is the command that goes on, where that is
    another one than the one that failed.
    """

    exit_code = ExitCode.INTERNAL
    resume: str | None = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = printable(message)
        super().__init__(self.message)
        self.hint = None if hint is None else printable(hint)


class ChecksFailedError(CicScenarioError):
    """Not everybody was found; what the checks name has to be mended, and the services asked again."""

    exit_code = ExitCode.CHECKS_FAILED


class InvalidError(CicScenarioError):
    """The user's file or command line has to change."""

    exit_code = ExitCode.INVALID


class UnavailableError(CicScenarioError):
    """A service does not answer, or not as it should; running again resumes."""

    exit_code = ExitCode.UNAVAILABLE


class DeadlineError(UnavailableError):
    """A deadline that the user gave has passed; running again resumes. ``step`` is None for that of a whole command."""

    def __init__(self, message: str, *, seconds: float, step: str | None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.seconds = seconds
        self.step = step


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


#: What the machine ran short of, and what to do about it; nothing on the command line has to change.
_SHORT = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there: your quota is used up",
    errno.EFBIG: "allow larger files: `ulimit -f`",
    errno.EMFILE: "allow this process more open files: `ulimit -n`",
    errno.ENFILE: "allow this machine more open files",
    errno.ENOMEM: "end other programs, or use a machine with more memory",
    errno.EIO: "is the disk well? The machine's own log says more: `dmesg`",
    errno.ENXIO: "is the device still there?",
    errno.ENODEV: "is the device still there?",
    errno.ESTALE: "is the network's file system still there?",
    errno.EREMOTEIO: "is the network's file system still there?",
    errno.ETIMEDOUT: "is the network's file system still there?",
}
#: What to do about a path that cannot be used.
_ELSEWHERE = {
    errno.EEXIST: "a file is where a folder has to be; name another folder",
    errno.ENOTDIR: "a file is where a folder has to be; name another folder",
    errno.EISDIR: "a folder is where a file has to be; name another file",
    errno.EACCES: "name a place that is open to you, or have this one opened",
    errno.EPERM: "name a place that is open to you, or have this one opened",
    errno.EROFS: "name a place that can be written to",
}


def reason_of(error: OSError) -> str:
    """The reason that the operating system gives, in small letters, as the end of a message."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def as_told(error: BaseException) -> CicScenarioError | None:
    """The error as it is told to people; None for a bug."""
    if isinstance(error, OSError):
        return _of_the_system(error)
    return error if isinstance(error, CicScenarioError) else None


def in_lines(error: CicScenarioError) -> list[str]:
    """An error as people read it: the message, what was noted about it, and what to do next."""
    lines = [error.message if error.message.startswith("error") else f"error: {error.message}"]
    lines += [f"  {note}" for note in getattr(error, "__notes__", ()) if note not in error.message]
    return lines + ([f"  next: {error.hint}"] if error.hint else [])


_WITHOUT_A_NAME = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "writing")  #: what fails by these alone


def _of_the_system(error: OSError) -> CicScenarioError | None:
    """What an error of the operating system asks of the user; None when it is nothing of theirs, but a bug."""
    said = (error.strerror or "").lower()
    if said.startswith(
        "no usable temporary directory"
    ):  # of the module tempfile, which asks for nothing else by itself
        return UnavailableError(
            "there is no folder for temporary files that can be written to", hint="name one in the variable TMPDIR"
        )
    if hint := _SHORT.get(error.errno or 0):
        return UnavailableError(
            f"{one_line(str(error.filename or _WITHOUT_A_NAME.get(error.errno or 0, 'reading or writing')))}: {said}",
            hint=hint,
        )
    if error.filename and said:
        hint = _ELSEWHERE.get(error.errno or 0, "name another file or folder")
        return InvalidError(f"cannot use {one_line(str(error.filename))}: {said}", hint=hint)
    if said and error.errno in _ELSEWHERE:
        return UnavailableError(f"reading or writing: {said}", hint=_ELSEWHERE[error.errno])
    return None
