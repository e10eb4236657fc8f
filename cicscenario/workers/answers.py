"""What a worker answers: the results of a task, and the errors that the work ended with, as plain data."""

from dataclasses import dataclass, field
from typing import Any

from cicscenario.errors import CicScenarioError, InterruptedRunError, InvalidError, StepFailedError, UnavailableError
from cicscenario.services.metaerrors import NoReplyError, StoresNothingError, UnreadableEntryError
from cicscenario.workers.hands import Common, Done, Hands
from cicscenario.workers.kinds import Kind

#: Errors that stay what they are on the way; any other one arrives as an UnavailableError.
_ERRORS: dict[str, type[CicScenarioError]] = {
    kind.__name__: kind
    for kind in (
        InvalidError,
        NoReplyError,
        StepFailedError,
        StoresNothingError,
        UnavailableError,
        UnreadableEntryError,
    )
}


@dataclass(frozen=True)
class WorkerAnswer:
    """What a task has come to: results by index, and the error for which the others have none."""

    worker: str
    results: dict[int, Any | CicScenarioError] = field(default_factory=dict)
    error: CicScenarioError | None = None


def done(kind: Kind, hands: Hands, common: Common, items: list[Any]) -> dict[str, Any] | None:
    """Does a task; what it comes to, as plain data. None when nobody wants it any more."""
    results: list[Done] = []
    error = None
    try:
        for end in kind.work(hands, common, items):
            results.append(end)  # noqa: PERF402 -- those before an error count
    except InterruptedRunError:
        return None
    except CicScenarioError as raised:
        error = raised
    return {"results": [[index, _packed(end)] for index, end in results], "error": _packed(error) if error else None}


def read(kind: Kind, common: Common, size: int, content: dict[str, Any]) -> WorkerAnswer | None:
    """The answer of a worker to a task of so many items. None for one of another form."""
    try:
        ends = [(index, _unpacked(packed)) for index, packed in content["results"]]
        error = None if content["error"] is None else _unpacked(content["error"])
        results = dict(ends)
        complete = results.keys() == set(range(size)) if error is None else results.keys() <= set(range(size))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    proper = all(isinstance(end, CicScenarioError) or kind.proper(common, end) for end in results.values())
    if not (complete and proper and len(ends) == len(results)) or not isinstance(error, CicScenarioError | None):
        return None
    return WorkerAnswer(str(content.get("worker")), results, error)


def _packed(end: Any | CicScenarioError) -> dict[str, Any]:
    if isinstance(end, CicScenarioError):
        return {"error": type(end).__name__, "message": end.message, "hint": end.hint}
    return {"value": end}


def _unpacked(packed: dict[str, Any]) -> Any | CicScenarioError:
    """Raises KeyError, TypeError or AttributeError for another form."""
    if "error" not in packed:
        return packed["value"]
    kind = _ERRORS.get(packed["error"], UnavailableError)
    return kind(packed["message"], hint=packed["hint"])
