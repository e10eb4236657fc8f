"""A step that has no news is said to wait: for what, for how long, until when, and what was seen last."""

from typing import Any

import pytest

from cicscenario.capabilities.executor import Result, Wait
from cicscenario.capabilities.step import Lane, Part, PlannedStep, Step
from cicscenario.connections import Service
from cicscenario.engine.events import Waiting
from cicscenario.engine.waits import Waits
from cicscenario.transport.traffic import Traffic


class World:
    def __init__(self) -> None:
        self.now = 50.0
        self.traffic = Traffic()
        unused: Any = None
        self.waits = Waits(
            [
                PlannedStep(Step(name, unused), Part("", Lane.SERVICE, unused, services))
                for name, services in (("gift", (Service.CHAIN,)), ("pins", ()))
            ],
            self.traffic,
            lambda: self.now,
        )

    def after(self, seconds: float, *active: tuple[str, int, Wait | None]) -> list[Waiting]:
        self.now += seconds
        return self.waits.events(active)


@pytest.fixture
def world() -> World:
    return World()


def test_a_step_with_news_does_not_wait(world: World) -> None:
    world.waits.begun("gift")
    for _ in range(9):
        assert world.after(0.5, ("gift", 7, None)) == []
        world.waits.news("gift")


def test_a_step_without_news_is_told_every_second_and_a_half(world: World) -> None:
    world.waits.begun("gift")
    told = [bool(world.after(0.5, ("gift", 7, None))) for _ in range(12)]
    assert told == [False, False, True] * 4


def test_batches_of_one_step_are_told_together_by_the_longest_wait(world: World) -> None:
    world.waits.begun("gift")
    (event,) = world.after(
        9,
        ("gift", 7, Wait("accounts", 3.0, 120.0, "one is on the queue")),
        ("gift", 5, Wait("accounts", 8.04, 120.0)),
        ("gift", 1, None),
    )
    assert event == Waiting("gift", "accounts", 13, 8.0, 120.0, "one is on the queue")


def test_one_that_does_not_say_what_it_waits_for_is_told_by_its_services(world: World) -> None:
    world.waits.begun("pins")
    world.waits.begun("gift")
    gift, pins = world.after(9, ("pins", 5, None), ("gift", 7, None))
    assert gift == Waiting("gift", "answers of chain", 7, 9.0)  # in the order of the plan
    assert pins == Waiting("pins", "this machine's own work", 5, 9.0)


def test_what_was_repeated_since_is_what_was_seen_last(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cicscenario.transport.traffic.time.monotonic", lambda: world.now)
    world.traffic.of("chain").repeats("it was away, and that is over")
    world.after(5)
    world.waits.begun("gift")
    assert world.after(5, ("gift", 7, None))[0].seen == ""
    world.traffic.of("chain").repeats("connection refused")
    assert world.after(5, ("gift", 7, None))[0].seen == "connection refused"


def test_a_step_begins_anew_after_it_had_nothing_to_do(world: World) -> None:
    world.waits.begun("gift")
    world.waits.idle("gift")
    world.now += 100
    world.waits.begun("gift")
    assert world.after(0.5, ("gift", 7, None)) == []


def test_a_wait_may_be_found_out_when_it_is_asked_for() -> None:
    seen = iter(["block 1", "block 2"])
    result = Result()
    assert result.waiting() is None
    result.wait = lambda: Wait("transactions", 1.0, None, next(seen))
    assert [result.waiting(), result.waiting()] == [
        Wait("transactions", 1.0, None, "block 1"),
        Wait("transactions", 1.0, None, "block 2"),
    ]
