"""A task that fails as it may leaves with the backend what it leaves by Celery's own way."""

import logging
from typing import Any

import pytest
from celery import Celery
from celery.app.trace import TraceInfo, build_tracer

from cicscenario.sandbox.custodial.errors import IntegrityError, OutOfGasError
from cicscenario.sandbox.custodial.failing import FailingInfo

Call = tuple[tuple[Any, ...], dict[str, Any]]


def seen(error: Exception, info: type[TraceInfo], monkeypatch: pytest.MonkeyPatch) -> tuple[list[Call], int]:
    """How a task that raises ``error`` calls the backend and ``on_failure``, and how often Celery's own way is taken."""
    calls: list[Call] = []
    errors, own = [], TraceInfo.handle_failure
    ways: list[object] = []
    app = Celery(backend="cache+memory://", set_as_current=False)

    @app.task(name="checks.gas", shared=False, throws=(OutOfGasError,))  # type: ignore[untyped-decorator]
    def check(first: int, second: int = 0) -> None:
        raise error

    def failed(exc: Exception, *arguments: Any) -> None:
        errors.append(exc)
        calls.append(
            ((type(exc), *arguments[:-1]), {})
        )  # the last one is Celery's own object, which nobody here looks at

    def counted(*arguments: Any, **options: Any) -> Any:
        ways.append(None)
        return own(*arguments, **options)

    def marked(task_id: str, exc: Exception, text: str, request: Any, **options: Any) -> None:
        errors.append(exc)
        calls.append(((task_id, type(exc), text, request.id, request.errbacks), options))

    check.on_failure = failed
    monkeypatch.setattr(check.backend, "mark_as_failure", marked)
    monkeypatch.setattr(TraceInfo, "handle_failure", counted)
    tracer = build_tracer(check.name, check, app.loader, "here", app=app, Info=info)
    tracer("id of the task", [1], {"second": 2}, {"id": "id of the task", "errbacks": [{"task": "other"}]})
    assert errors == [error, error]
    return calls, len(ways)


def both(error: Exception, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Call], list[Call], int]:
    """What is seen by Celery's way and by this one; how often the second has taken Celery's."""
    with monkeypatch.context() as patches:
        theirs, _ = seen(error, TraceInfo, patches)
    error.__traceback__ = None
    with monkeypatch.context() as patches:
        ours, ways = seen(error, FailingInfo, patches)
    return theirs, ours, ways


def test_a_failure_that_is_declared_is_left_as_celery_leaves_it_in_a_short_way(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="celery.app.trace")
    theirs, ours, ways = both(OutOfGasError("need to fill gas, required 8, had 0"), monkeypatch)
    assert ours == theirs
    assert len(ours) == 2
    assert "OutOfGasError: need to fill gas" in ours[0][0][2]
    assert ways == 0


@pytest.mark.parametrize(
    ("error", "level"), [(IntegrityError("no nonce"), logging.CRITICAL), (OutOfGasError("none"), logging.INFO)]
)
def test_another_one_and_one_that_somebody_logs_take_celerys_way(
    error: Exception, level: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(level, logger="celery.app.trace")
    theirs, ours, ways = both(error, monkeypatch)
    assert ours == theirs
    assert ways == 1
