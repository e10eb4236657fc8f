"""A run in a thread: its events come in order, what stops it is raised, and leaving it early stops it."""

import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from cicscenario.api.result import RunResult
from cicscenario.api.running import Running, Stop
from cicscenario.engine.events import Listener, Noted
from cicscenario.errors import CicScenarioError, ExitCode, InterruptedRunError, UnavailableError

DONE = RunResult(ExitCode.OK, (), None)


def numbers(running: Iterable[object]) -> list[int]:
    return [int(event.text) for event in running if isinstance(event, Noted)]


def test_events_come_in_order_and_the_result_after_them() -> None:
    def body(listener: Listener, stop: Stop) -> RunResult:
        for number in range(5000):
            listener(Noted(str(number)))
        return DONE

    running = Running(body)
    assert next(running) == Noted("0")
    with pytest.raises(RuntimeError, match="still under way"):
        _ = running.result
    assert numbers(running) == [*range(1, 5000)]
    assert running.result is DONE
    assert list(running) == []


def test_what_stops_it_is_raised_after_the_last_event() -> None:
    def body(listener: Listener, stop: Stop) -> RunResult:
        listener(Noted("0"))
        raise UnavailableError("nobody answers")

    running = Running(body)
    assert next(running) == Noted("0")
    with pytest.raises(UnavailableError, match="nobody answers"):
        next(running)
    with pytest.raises(UnavailableError, match="nobody answers"):
        _ = running.result


def test_what_the_system_refuses_is_an_error_of_ours(tmp_path: Path) -> None:
    def body(listener: Listener, stop: Stop) -> RunResult:
        (tmp_path / "a").read_text()
        return DONE

    with pytest.raises(CicScenarioError, match=r"cannot use .*no such file") as caught:
        list(Running(body))
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, None])
def test_who_leaves_early_stops_it_and_waits_for_it(error: type[BaseException] | None) -> None:
    """Although it tells so much until it stops that nobody reads it."""
    saved = threading.Event()

    def body(listener: Listener, stop: Stop) -> RunResult:
        stopping = threading.Event()
        with stop.stoppable(stopping.set):
            listener(Noted("0"))
            assert stopping.wait(20)
        for number in range(3000):
            listener(Noted(str(number)))
        saved.set()
        raise InterruptedRunError("stopped")

    running = Running(body)

    def leave() -> None:
        with running:
            for _ in running:
                if error is None:
                    return
                raise error

    if error is None:
        leave()
    else:
        with pytest.raises(error):
            leave()
    assert saved.is_set()
    with pytest.raises(InterruptedRunError):
        _ = running.result


def test_a_stop_that_was_asked_before_anything_can_be_stopped_is_not_lost() -> None:
    begun, asked = threading.Event(), threading.Event()

    def body(listener: Listener, stop: Stop) -> RunResult:
        begun.set()
        assert asked.wait(20)
        stopping = threading.Event()
        with stop.stoppable(stopping.set):
            if stopping.is_set():
                raise InterruptedRunError("stopped")
        return DONE

    running = Running(body)
    thread = threading.Thread(target=lambda: (begun.wait(20), running.stop(), asked.set()))
    thread.start()
    with pytest.raises(InterruptedRunError):
        list(running)
    thread.join()


def test_what_never_began_is_left_at_once() -> None:
    with Running(lambda listener, stop: DONE):
        pass
