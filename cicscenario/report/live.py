"""The live view of a run on a terminal: a bar for each step, what it waits for, and the check or stage that is under way."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import StringIO
from typing import Self, TextIO

from rich.console import Console
from rich.text import Text

from cicscenario.engine.events import (
    CheckFinished,
    CheckProgressed,
    CommandFailed,
    DirectoryTaken,
    Event,
    RequestRepeated,
    RequestsCounted,
    RunStarted,
    ServicesOpened,
    ServiceStarting,
    StageStarted,
    StepProgressed,
    Waiting,
)
from cicscenario.engine.periodic import Periodic
from cicscenario.printable import one_line, painted, printable
from cicscenario.report.colour import tone
from cicscenario.report.painter import Painter, Size
from cicscenario.report.words import duration, line_of, rate_of, remaining, service_line, short_wait
from cicscenario.wording import counted

_EVERY = 0.25  # seconds between two frames
_BAR = 40  # columns of a bar at most
_SHORT = 2.0  # seconds of a wait that is not worth a line


@dataclass
class _Step:
    """The last that was told of a step. ``wait`` is None while there is news."""

    progress: StepProgressed
    wait: Waiting | None = None
    waited_at: float = 0.0

    @property
    def is_over(self) -> bool:
        return self.progress.ok + self.progress.failed >= self.progress.total


class LiveConsole:
    """Entered, it draws the view four times a second. Safe for use by many threads. ``clock`` gives seconds."""

    def __init__(
        self,
        stream: TextIO,
        *,
        colour: bool = True,
        verbose: bool = False,
        size: Callable[[], Size] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._painter = Painter(stream, size)
        self._ascii = not (stream.encoding or "").lower().startswith("utf")
        self._colour = colour
        self._verbose = verbose
        self._clock = clock
        self._mutex = threading.RLock()
        self._steps: dict[str, _Step] = {}
        #: The stage, service or check under way, and since when.
        self._now: tuple[str, float] | None = ("starting", clock())
        self._check: CheckProgressed | None = None
        self._redrawn = Periodic("live view", _EVERY, self._redraw)

    def __enter__(self) -> Self:
        self._redrawn.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the bars on the screen, without what is waited for."""
        self._redrawn.__exit__()
        with self._mutex:
            self._now = None
            for step in self._steps.values():
                step.wait = None
            self._painter.frame(self.frame())

    def __call__(self, event: Event) -> None:
        with self._mutex:
            if not self._take(event) and (line := line_of(event)):
                for text in printable(line).splitlines():
                    self._painter.keep(text, painted(text, tone(event) if self._colour else None), self.frame())

    def _take(self, event: Event) -> bool:
        """Keeps what an event tells for the next frame. False for one that is a line of its own."""
        match event:
            case StepProgressed() | Waiting():
                self._take_step(event)
            case StageStarted() | ServiceStarting() | CheckProgressed():
                self._take_activity(event)
            case RunStarted():
                self._start(event)
                return False
            case CheckFinished():
                self._check = self._now = None
                return False
            case RequestRepeated():
                return not self._verbose
            case _:
                return isinstance(event, DirectoryTaken | CommandFailed | ServicesOpened | RequestsCounted)
        return True

    def _take_step(self, event: StepProgressed | Waiting) -> None:
        if isinstance(event, StepProgressed):
            self._steps[event.step] = _Step(event)
        elif step := self._steps.get(event.activity):
            step.wait, step.waited_at = event, self._clock()

    def _take_activity(self, event: StageStarted | ServiceStarting | CheckProgressed) -> None:
        if isinstance(event, CheckProgressed):
            self._now, self._check = (f"check {event.name}", self._clock() - event.seconds), event
            return
        what = event.stage if isinstance(event, StageStarted) else service_line(event)
        self._now, self._check = (what, self._clock()), None

    def _start(self, event: RunStarted) -> None:
        self._now = None
        self._steps = {
            name: _Step(StepProgressed(name, done, 0, event.population, 0.0)) for name, done in event.steps.items()
        }

    def _redraw(self) -> None:
        with self._mutex:
            self._painter.frame(self.frame())

    # --- the frame ----------------------------------------------------------------------------------------------

    def frame(self) -> list[str]:
        """The lines of the view, no wider than the terminal, and fewer than it has rows."""
        columns, rows = self._painter.size
        lines: list[tuple[bool, Text]] = []  # whether it may be left out, and the line
        for name, step in self._steps.items():
            lines.append((step.is_over, self._bar(name, step, columns - 1)))
            if step.wait and not step.is_over and step.wait.seconds >= _SHORT:
                lines.append((True, Text(f"  {self._wait(step)}", "dim")))
        if self._now:
            lines.append((False, self._current(columns - 1)))
        while len(lines) > max(rows - 2, 1) and any(spare for spare, _ in lines):
            lines.pop(max(place for place, (spare, _) in enumerate(lines) if spare))
        return [self._shown(line, columns - 1) for _, line in lines[: max(rows - 2, 1)]]

    def _bar(self, name: str, step: _Step, columns: int) -> Text:
        told = step.progress
        failed = f", {told.failed:,} failed" if told.failed else ""
        rate, left = rate_of(told), remaining(told)
        speed = f"{rate:,.{0 if rate >= 10 else 1}f}/s" if rate else ""
        more = duration(left) if left and not step.is_over else ""
        counts = f" {told.ok:>{len(f'{told.total:,}')},} of {told.total:,}{failed}"
        end = f" {speed:>9} {more:>11}"
        names = max(map(len, self._steps)) + 1
        room = min(_BAR, columns - names - len(counts) - len(end))
        line = Text(f"{one_line(name):<{names}}")
        if room >= 4:
            good = room * told.ok // told.total
            bad = min(room - good, -(-room * told.failed // told.total))
            full, cross, empty = ("=", "x", "-") if self._ascii else ("━", "x", "─")
            line.append(full * good, "green").append(cross * bad, "red").append(empty * (room - good - bad), "dim")
        return line.append(counts, "red" if told.failed else "").append(end, "cyan")

    def _wait(self, step: _Step) -> str:
        assert step.wait is not None
        since = step.wait.seconds + self._clock() - step.waited_at
        return f"{'-' if self._ascii else '↳'} {one_line(short_wait(replace(step.wait, seconds=since)))}"

    def _current(self, columns: int) -> Text:
        assert self._now is not None
        what, since = self._now
        line = Text(f"{one_line(what)} ", "bold")
        if self._check:
            line.append(f"{self._check.done:,} of {counted(self._check.total, 'person')} asked about ")
            if self._check.errors:
                line.append(f"{counted(self._check.errors, 'error')} ", "red")
        return line.append(duration(self._clock() - since), "cyan")

    def _shown(self, line: Text, columns: int) -> str:
        line.truncate(max(columns, 1), overflow="ellipsis" if not self._ascii else "crop")
        if not self._colour:
            return line.plain.rstrip()
        buffer = StringIO()
        Console(
            file=buffer,
            width=columns,
            force_terminal=True,
            color_system="standard",
            no_color=False,
            legacy_windows=False,
        ).print(line, end="", no_wrap=True, crop=False, soft_wrap=True)
        return buffer.getvalue()
