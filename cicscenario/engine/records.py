"""The records of a run in its directory: JSON files that match a schema of ours. ``progress.json`` is kept up to date."""

import getpass
import json
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from cicscenario.engine.progress import Progress
from cicscenario.engine.timeline import Timeline
from cicscenario.errors import InvalidError, reason_of
from cicscenario.files import FOR_ALL, write_whole
from cicscenario.inputs import LARGE, read_input
from cicscenario.jsontext import JsonTextError, parse_json
from cicscenario.resources import load_schema

if TYPE_CHECKING:  # a run without workers loads nothing of them
    from cicscenario.workers.beats import SeenWorker

PROGRESS = "progress.json"
WORKERS = "workers.json"  #: what the last run has seen of its workers
_EVERY = 1.0  # seconds between two records while the run is under way
_LARGEST = 2**53  # of the numbers in a record; beyond it, floats skip integers
_AS_WRITTEN = ("document", "environment")  # the user's own values, which are only shown


def read_record(path: Path, schema: str, remedy: str, *, only: str = "") -> dict[str, Any]:
    """A record that matches its schema. Raises InvalidError with ``remedy`` when it is damaged, and FileNotFoundError.

    With ``only`` that property is held against the schema, and no other: to check the whole takes longer than to read it.
    """
    try:
        document: dict[str, Any] = parse_json(read_input(path, LARGE))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _damaged(path, f"it cannot be read: {reason_of(error)}", remedy) from None
    except JsonTextError as error:
        raise _damaged(path, str(error), remedy) from None
    rules = load_schema(schema)
    if only:
        rules = {"type": "object", "properties": {only: rules["properties"][only]}}
    for wrong in Draft202012Validator(rules).iter_errors(document):
        where = ".".join(map(str, wrong.absolute_path))
        raise _damaged(path, f"{where}: {wrong.message:.200}" if where else f"{wrong.message:.200}", remedy)
    if place := _too_large({key: value for key, value in document.items() if key not in _AS_WRITTEN}):
        raise _damaged(path, f"{place}: the number is too large", remedy)
    return document


def _too_large(value: Any, where: str = "") -> str | None:
    """The place of a number with which nothing can be counted or drawn; None if there is none."""
    if isinstance(value, int | float):
        return where if abs(value) > _LARGEST else None
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = (_too_large(item, f"{where}.{key}" if where else str(key)) for key, item in inner)
    return next((place for place in found if place), None)


def _damaged(path: Path, reason: str, remedy: str) -> InvalidError:
    return InvalidError(f"{path} is damaged: {reason}", hint=remedy)


def read_progress(directory: Path, *, only: str = "") -> dict[str, Any] | None:
    """The progress of the run in ``directory``; None when it has none. Raises InvalidError when it is damaged.

    For ``only`` see ``read_record``.
    """
    try:
        return read_record(directory / PROGRESS, "progress-v1", "remove it: the next run writes another", only=only)
    except FileNotFoundError:  # only `verify` was called, or no batch was executed
        return None


def earlier_timeline(directory: Path, tell: Callable[[str], None]) -> Timeline | None:
    """The timeline of the run's earlier sessions; None when there is none. ``tell`` is told of one that is damaged."""
    try:
        held = read_progress(directory, only="timeline")
    except InvalidError as error:
        tell(f"{error.message}; the timeline of this run begins anew")
        return None
    return Timeline.of(held["timeline"]) if held and "timeline" in held else None


def who() -> str:
    """The user and the host of this process, as user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        user = "?"
    return f"{user}@{socket.gethostname()}"


def write_progress(directory: Path, progress: Progress) -> None:
    """Writes ``progress.json``. Does nothing before the first batch: then that of the last session stays."""
    if progress.any_batches:
        text = json.dumps(progress.document(), separators=(",", ":"))
        write_whole(directory / PROGRESS, text + "\n", mode=FOR_ALL, again=True)


def write_workers(directory: Path, workers: Sequence["SeenWorker"]) -> None:
    """Writes ``workers.json``: each worker, with what the run has had of it, and how much a second."""
    document = {"workers": [worker.document() for worker in workers]}
    write_whole(directory / WORKERS, json.dumps(document, indent=2) + "\n", mode=FOR_ALL, again=True)


def read_workers(directory: Path) -> dict[str, Any] | None:
    """What ``write_workers`` has written; None when there is nothing that can be read."""
    try:
        found = parse_json(read_input(directory / WORKERS))
        lines = [(one["name"], bool(one["usable"]), dict(one["done"]), dict(one["rates"])) for one in found["workers"]]
        numbers = [float(number) for _, _, done, rates in lines for number in (*done.values(), *rates.values())]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if all(number >= 0 for number in numbers) else None


class Recorder:
    """Writes the progress of a run that is under way, at most once a second, for those who watch it, and for its next session.

    A failure to write is not told: the state, and the reports at the end, are written in the same folder.
    """

    def __init__(
        self, directory: Path, progress: Progress, workers: "Callable[[], Sequence[SeenWorker] | None]" = lambda: None
    ) -> None:
        """``workers`` gives those that the run has seen last; None when it has none."""
        self._directory = directory
        self._progress = progress
        self._workers = workers
        self._next = 0.0

    def __call__(self) -> None:
        if time.monotonic() >= self._next:
            with suppress(OSError):
                write_progress(self._directory, self._progress)
            self.now()
            self._next = time.monotonic() + _EVERY

    def now(self) -> None:
        """Writes what is known about workers."""
        with suppress(OSError):
            if (seen := self._workers()) is not None:
                write_workers(self._directory, seen)
