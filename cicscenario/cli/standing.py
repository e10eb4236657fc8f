"""What is left to say when a run or a verification does not end well: how far it is, and what to do next."""

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cicscenario.engine.events import CheckFinished, Event, Listener, RunStarted, StepProgressed
from cicscenario.errors import ChecksFailedError, ExitCode
from cicscenario.report.console import check_line
from cicscenario.report.listeners import listening


class Standing:
    """Passes events on, and remembers how far each step is and which checks found errors."""

    def __init__(self, show: Listener) -> None:
        self._show = show
        self._steps: dict[str, tuple[int, int, int]] = {}
        self._checks: list[CheckFinished] = []

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._steps = {name: (ok, 0, event.population) for name, ok in event.steps.items()}
            case StepProgressed():
                self._steps[event.step] = event.ok, event.failed, event.total
            case CheckFinished():
                self._checks.append(event)
        self._show(event)

    def step(self) -> str | None:
        """The first step that not everybody is through; the later ones wait for it."""
        for name, (ok, failed, total) in self._steps.items():
            if ok < total:
                return f"step {name}: {ok} ok, {failed} failed, {total - ok - failed} pending of {total}"
        return None

    def checks(self) -> str:
        """How many checks found errors, and the first of them."""
        bad = [check for check in self._checks if check.errors]
        return f"{len(bad)} of {len(self._checks)} checks found errors; first, {check_line(bad[0])}"


def verify_command(scenario: Path, overrides: Sequence[str], **options: Path | str | None) -> str:
    """The command that asks the services again about what a run with these options did."""
    given = [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
    given += [word for override in overrides for word in ("--set", override)]
    return shlex.join(["cicscenario", "verify", str(scenario), *given])


def watched(body: Callable[[Listener], ExitCode], again: str, *, as_json: bool) -> ExitCode:
    """Carries out a command that tells of its events. ``again`` is the command that asks the services again.

    What stops it is raised with a note of how far it is; raises ChecksFailedError when a check found errors.
    """
    with listening(sys.stdout, as_json=as_json) as show:
        standing = Standing(show)
        try:
            code = body(standing)
        except Exception as error:
            if line := standing.step():
                error.add_note(line)
            raise
    if code is ExitCode.CHECKS_FAILED:
        raise ChecksFailedError(standing.checks(), hint=f"mend what the report names, then ask again: {again}")
    return code
