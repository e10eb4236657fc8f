"""The pace of payments: each has a time at which it is due, and what was late is sent as soon as it can be."""

from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.backends.work.paymentpace import PaymentPace
from cicscenario.capabilities.executor import Result
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written


class PacedRun:
    """What the pace reads of a run; time passes only in waits."""

    def __init__(self, rate: float | None) -> None:
        self.now = 50.0
        self.scenario = SimpleNamespace(traffic=SimpleNamespace(rate=rate))
        self.stopping = SimpleNamespace(is_set=lambda: self.stopped, wait=self._wait)
        self.stopped = False
        self.result = Result()
        self.told: list[str] = []
        context: Any = self
        self.pace = PaymentPace(context, self.result)

    def clock(self) -> float:
        return self.now

    def _wait(self, seconds: float) -> None:
        assert self.result.wait is not None
        self.told.append(self.result.wait.what)
        self.now += seconds


def test_without_a_rate_all_are_due_at_once() -> None:
    run = PacedRun(None)
    run.pace.sent(1_000_000)
    assert run.pace.due() > 1_000_000
    assert run.pace.wait()
    assert run.told == []


def test_the_first_is_due_at_once_and_the_next_after_its_time() -> None:
    run = PacedRun(4.0)
    assert run.pace.due() == 1
    run.pace.sent(1)
    assert run.pace.due() == 0
    assert run.pace.wait()
    assert run.now == pytest.approx(50.25)
    assert run.told == ["the time of the next payment, at a rate of 4/s"]
    assert run.result.wait is None


def test_what_was_late_is_due_until_it_is_sent() -> None:
    run = PacedRun(10.0)
    run.pace.sent(run.pace.due())
    run.now += 3.0
    assert run.pace.due() == 30
    run.pace.sent(30)
    assert run.pace.due() == 0


@pytest.mark.parametrize("rate", [0.0003, 0.1, 1 / 3, 7.0, 99_999.0])
def test_a_wait_ends_at_every_rate(rate: float) -> None:
    run = PacedRun(rate)
    for _ in range(5):
        assert run.pace.wait()
        assert run.pace.due() >= 1
        run.pace.sent(run.pace.due())
    assert run.now <= 50 + 4 / rate + 0.01


def test_a_run_that_is_stopped_does_not_wait() -> None:
    run = PacedRun(0.1)
    run.pace.sent(1)
    run.stopped = True
    assert not run.pace.wait()
    assert run.told == []


def test_scenarios_say_how_many_in_three_ways(tmp_path: Any) -> None:
    for said, size, number in (
        ("{payments: 30}", 12, 30),
        ("{per_person: 2.5}", 13, 32),
        ("{per_person: 0.01}", 13, 1),
        ("{duration: 90, rate: 0.5}", 13, 45),
    ):
        scenario = load_scenario(written(tmp_path, gift="{threshold: 50}", backend="eth", traffic=said))
        assert scenario.traffic is not None
        assert scenario.traffic.among(size) == number, said
