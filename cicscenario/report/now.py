"""What a run does now, for its page: ``now.json`` in the run directory has its last events of those kinds that matter for that.

Only the command that holds the lock of the run directory writes it, at most once a second but for a new activity. Its size
grows with the number of steps and services, not with people. The events have the form that ``--json`` gives them.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from jsonschema import Draft202012Validator

from cicscenario.address import without_known
from cicscenario.engine.events import (
    CheckFinished,
    CheckProgressed,
    CommandFailed,
    DirectoryTaken,
    Event,
    ReportWritten,
    RequestsCounted,
    RunStarted,
    ServicesOpened,
    ServiceStarting,
    StageStarted,
    StepProgressed,
    Waiting,
)
from cicscenario.engine.stopwatch import now
from cicscenario.errors import InvalidError, reason_of
from cicscenario.files import write_whole
from cicscenario.inputs import read_input
from cicscenario.jsontext import JsonTextError, parse_json
from cicscenario.printable import json_text
from cicscenario.report.jsonl import as_document
from cicscenario.report.words import (
    check_progress_line,
    duration,
    rate_of,
    remaining,
    service_line,
    short_wait,
)
from cicscenario.resources import load_schema
from cicscenario.state.directory import LOCK
from cicscenario.state.lock import owner_of

NAME = "now.json"
_KEPT = {RunStarted: "run", ServicesOpened: "services", RequestsCounted: "requests", ReportWritten: "end"}
_EVERY = 1.0  # seconds between two writes
_KINDS: dict[str, type] = {kind.__name__: kind for kind in get_args(Event)}

Timed = tuple[datetime, Event]


class NowFile:
    """A listener that writes the file from the moment that the run directory is taken. ``time`` gives the time of day.

    A file that cannot be written stops nothing: it is for those who look.
    """

    def __init__(self, time: Callable[[], datetime] = now) -> None:
        self._time = time
        self._mutex = threading.Lock()
        self._events: dict[str, Timed] = {}
        self._path: Path | None = None
        self._written: datetime | None = None

    def __call__(self, event: Event) -> None:
        with self._mutex:
            at = self._time()
            if isinstance(event, DirectoryTaken):
                self._begin(Path(event.directory))
            if self._keep(at, event) or self._is_due(at):
                self._write(at)
            if isinstance(event, ReportWritten | CommandFailed):
                self._path = None

    def _begin(self, directory: Path) -> None:
        """Another command may hold the lock: one that verifies takes none, and leaves the file to that one.

        A run that was killed is known as such until a report is written.
        """
        if owner_of(directory / LOCK).get("pid") != os.getpid():
            self._path = None
            return
        self._path = directory / NAME
        with suppress(InvalidError):
            if began := unended(directory)[1]:
                self._events.setdefault("run", began)

    def _keep(self, at: datetime, event: Event) -> bool:
        """Keeps an event until another makes it untrue. Returns whether it must be seen at once."""
        for over in [key for key in self._events if _is_over(key, event)]:
            del self._events[over]
        if isinstance(event, RequestsCounted) and "requests" in self._events:
            self._events["requests before"] = self._events["requests"]
        if key := _key(event):
            self._events[key] = (at, event)
        return isinstance(event, RunStarted | StageStarted | ServiceStarting | ReportWritten)

    def _is_due(self, at: datetime) -> bool:
        return self._written is None or (at - self._written).total_seconds() >= _EVERY

    def _write(self, at: datetime) -> None:
        if self._path is None:
            return
        text = json_text([as_document(event, time) for time, event in self._events.values()], separators=(",", ":"))
        with suppress(OSError):
            write_whole(self._path, without_known(text) + "\n", again=True)
        self._written = at


def _key(event: Event) -> str | None:
    """The name under which an event is kept until the next of its kind; None for one that is not."""
    match event:
        case StageStarted() | ServiceStarting() | CheckProgressed():
            return "activity"
        case StepProgressed():
            return f"step {event.step}"
        case Waiting():
            return f"wait {event.activity}"
    return _KEPT.get(type(event))


def _is_over(key: str, event: Event) -> bool:
    """Whether what is kept under ``key`` is over when the event comes."""
    match event:
        case RunStarted() | StageStarted() | ServiceStarting():
            return key == "activity" or key.startswith("wait ")
        case CheckFinished():
            return key == "activity"
        case StepProgressed():
            return key == f"wait {event.step}"
    return False


@dataclass(frozen=True)
class StepNow:
    """What a step does: people per second, what is left, and what it waits for, in words; empty where there is none."""

    left: str = ""
    wait: str = ""


@dataclass(frozen=True)
class Now:
    """What a run does: its ``activity`` in words, each of its ``steps``, the ``settings`` of its services, and their requests.

    ``traffic`` is as in ``report.json``; ``pace`` has the requests of each service per second, of the last seconds.
    """

    activity: str = ""
    steps: dict[str, StepNow] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    traffic: dict[str, dict[str, Any]] = field(default_factory=dict)
    pace: dict[str, float] = field(default_factory=dict)


def read_now(directory: Path, at: datetime) -> Now | None:
    """What the run in ``directory`` does at a time; None without the file. Raises InvalidError when it is damaged."""
    held = _read(directory)
    return None if held is None else said_of(held, at)


def unended(directory: Path) -> tuple[bool, Timed | None]:
    """Whether there is the file, and the beginning of the steps of a run that has written no report since; None if it has.

    Raises InvalidError when the file is damaged.
    """
    held = _read(directory)
    if held is None:
        return False, None
    if any(isinstance(event, ReportWritten) for _, event in held):
        return True, None
    return True, next((one for one in held if isinstance(one[1], RunStarted)), None)


def _read(directory: Path) -> list[Timed] | None:
    path = directory / NAME
    try:
        held = parse_json(read_input(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _damaged(path, f"it cannot be read: {reason_of(error)}") from None
    except JsonTextError as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(held, list):
        raise _damaged(path, "expected a list of events")
    return list(_events(path, held))


def _events(path: Path, held: list[Any]) -> Iterator[Timed]:
    form = Draft202012Validator(load_schema("events-v1"))
    for document in held:
        if isinstance(document, dict) and isinstance(name := document.get("event"), str) and name not in _KINDS:
            continue  # a kind of a later version
        for wrong in form.iter_errors(document):
            raise _damaged(path, f"{wrong.message:.200}")
        kind = _KINDS[document["event"]]
        known = {one.name: document[one.name] for one in fields(kind) if one.name in document}
        try:
            time = datetime.fromisoformat(document["time"])
        except ValueError:
            raise _damaged(path, f"there is no such time: {document['time']}") from None
        yield time, kind(**known)


def _damaged(path: Path, reason: str) -> InvalidError:
    return InvalidError(f"{path} is damaged: {reason}", hint="remove it: a run that is under way writes another")


def said_of(events: Iterable[Timed], at: datetime) -> Now:
    """What events say about a run at a time."""
    activity = ""
    settings: dict[str, str] = {}
    steps: dict[str, StepNow] = {}
    counted: list[tuple[datetime, RequestsCounted]] = []
    for time, event in events:
        since = max((at - time).total_seconds(), 0.0)
        match event:
            case ServicesOpened():
                settings = event.settings
            case RequestsCounted():
                counted.append((time, event))
            case StepProgressed():
                steps[event.step] = replace(steps.get(event.step, StepNow()), left=_left(event))
            case Waiting():
                waits = short_wait(replace(event, seconds=event.seconds + since))
                steps[event.activity] = replace(steps.get(event.activity, StepNow()), wait=waits)
            case StageStarted() | ServiceStarting() | CheckProgressed():
                activity = _activity(event, since)
    counted.sort(key=lambda one: one[0])
    traffic = counted[-1][1].services if counted else {}
    return Now(activity, steps, settings, traffic, _pace(counted))


def _activity(event: StageStarted | ServiceStarting | CheckProgressed, since: float) -> str:
    match event:
        case StageStarted():
            return f"{event.stage}, for {duration(since)}"
        case ServiceStarting():
            return service_line(event)
        case CheckProgressed():
            return f"{check_progress_line(event)}, for {duration(event.seconds + since)}"


def _left(event: StepProgressed) -> str:
    """The rate and the time that is left; empty for a step that is over."""
    rate, left = rate_of(event), remaining(event)
    if not rate or not left:
        return ""
    return f"{rate:,.{0 if rate >= 10 else 1}f}/s, about {duration(left)} left"


def _pace(counted: list[tuple[datetime, RequestsCounted]]) -> dict[str, float]:
    """Requests per second between the last two counts, by service."""
    if len(counted) < 2:
        return {}
    (first, before), (last, after) = counted[-2:]
    seconds = (last - first).total_seconds()
    if seconds <= 0:
        return {}
    return {
        name: max(figures["requests"] - before.services.get(name, {}).get("requests", 0), 0) / seconds
        for name, figures in after.services.items()
    }
