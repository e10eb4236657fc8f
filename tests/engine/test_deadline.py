"""A deadline stops a command once, says which it was, how far all was, and what was waited for; time is a test's own."""

import threading
from datetime import UTC, datetime

import pytest

from cicscenario.engine.deadline import Deadline, Deadlines
from cicscenario.engine.events import CheckProgressed, StageStarted, Waiting
from cicscenario.engine.progress import Progress
from cicscenario.engine.stopwatch import Stopwatch
from cicscenario.errors import DeadlineError, ExitCode, InterruptedRunError
from tests.support.handclock import HandClock


class World:
    def __init__(self, whole: float | None = None, **steps: float) -> None:
        self.clock = HandClock()
        self.stopping = threading.Event()
        began = datetime(2026, 1, 1, tzinfo=UTC)
        deadline = None if whole is None else Deadline(whole, Stopwatch(lambda: began, self.clock))
        self.deadlines = Deadlines(deadline, steps, self.stopping, self.clock)
        self.progress = Progress(["accounts", "gift"], 20, {"accounts": (20, 0), "gift": (12, 0)})

    def after(self, seconds: float) -> bool:
        """Whether the command is stopped so many seconds later."""
        self.clock.now += seconds
        self.deadlines.look()
        return self.stopping.is_set()

    def error(self, progress: Progress | None = None) -> DeadlineError:
        with pytest.raises(DeadlineError) as caught, self.deadlines.told(lambda: progress):
            raise InterruptedRunError("stopped")
        return caught.value


def test_that_of_the_command_counts_from_when_the_command_began() -> None:
    world = World(60)
    assert world.deadlines.look() == 60
    assert not world.after(59)
    assert world.deadlines.look() == 1
    assert world.after(1)
    error = world.error(world.progress)
    assert error.message == "the deadline of this command, 60 s (--deadline), has passed; done are 12 of 20 in gift"
    assert (error.seconds, error.step, error.exit_code) == (60, None, ExitCode.UNAVAILABLE)
    assert "the same command goes on" in str(error.hint)


def test_that_of_a_step_counts_from_when_the_step_begins_to_work() -> None:
    world = World(gift=30)
    assert world.deadlines.look() is None, "a step that has not begun has all its time"
    assert not world.after(1000)
    world.deadlines.begun("gift")
    assert not world.after(20)
    world.deadlines.begun("gift")  # its next batch
    assert world.after(10)
    error = world.error(world.progress)
    assert error.message == (
        "the deadline of the step gift, 30 s (`steps.gift.deadline`), has passed; 12 of 20 people are done in it"
    )
    assert (error.seconds, error.step) == (30, "gift")


def test_a_step_that_has_no_work_left_has_no_deadline_either() -> None:
    world = World(gift=30, pins=50)
    world.deadlines.begun("gift")
    world.deadlines.begun("pins")
    world.deadlines.begun("accounts")  # it has none
    assert not world.after(29)
    world.deadlines.ended("gift")
    assert not world.after(20)
    assert world.after(1)
    assert world.error().step == "pins"


def test_of_several_the_one_that_passed_first_is_told() -> None:
    world = World(100, gift=30)
    world.deadlines.begun("gift")
    assert world.after(500)
    assert world.error().step == "gift"


def test_what_was_waited_for_is_told_beginning_with_the_step_that_is_late() -> None:
    world = World(gift=30)
    gift = Waiting("gift", "transactions to be mined", 8, 12.5, 120.0, "block 7")
    pins = Waiting("pins", "this machine's own work", 20, 3.0)
    world.deadlines.begun("gift")
    with world.deadlines.seeing(lambda: [pins, gift]):
        assert world.after(30)
    assert world.error(world.progress).message.endswith(
        "waited for transactions to be mined (gift, 8 people, 12.5 s, last seen: block 7);"
        " for this machine's own work (pins, 20 people, 3 s)"
    )


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (StageStarted("opening the services"), "it was at this: opening the services"),
        (CheckProgressed("balance", 500, 1000, 0, 2.0), "the check balance had asked about 500 of 1,000 people"),
    ],
)
def test_outside_the_steps_it_is_told_what_the_command_was_doing(
    event: StageStarted | CheckProgressed, said: str
) -> None:
    world, heard = World(5), []
    world.deadlines.hearing(heard.append)(event)
    assert heard == [event]
    assert world.after(5)
    assert world.error().message.endswith(f"has passed; {said}")


def test_a_command_that_the_user_has_stopped_is_interrupted_and_not_late() -> None:
    world = World(5)
    world.stopping.set()
    world.after(100)
    with pytest.raises(InterruptedRunError), world.deadlines.told():
        raise InterruptedRunError("stopped")


def test_an_error_of_another_kind_is_told_as_it_is() -> None:
    world = World(5)
    world.after(5)
    with pytest.raises(ValueError, match="a bug"), world.deadlines.told():
        raise ValueError("a bug")


def test_a_thread_keeps_it_and_ends_with_the_command() -> None:
    stopping = threading.Event()
    deadlines = Deadlines(None, {"gift": 0.05}, stopping)
    with deadlines.watching():
        assert not stopping.wait(0.1)
        deadlines.begun("gift")
        assert stopping.wait(10)
    assert not any(thread.name == "deadlines" for thread in threading.enumerate())


def test_without_deadlines_there_is_no_thread() -> None:
    with Deadlines(None, {}, threading.Event()).watching():
        assert not any(thread.name == "deadlines" for thread in threading.enumerate())
