"""A service is sent as many requests as it may be, or as it bears: no more at a time, no more a second, and never none."""

import itertools
import math
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicscenario.errors import InterruptedRunError
from cicscenario.transport.cancellation import Cancellation
from cicscenario.transport.limits import Limit
from cicscenario.transport.traffic import Meter
from tests.support.handclock import HandClock

WITHIN = 10.0  # seconds that a request may take


def test_who_never_waits_has_waited_for_nothing() -> None:
    """By the clock that counts: it goes on while nobody waits."""
    meter = Meter()
    meter.limit = Limit(concurrency=2)
    for _ in range(2000):
        meter.limit.leave(meter.limit.enter(None), WITHIN, trouble=False)
    assert meter.limit.waited == 0.0
    assert "waited" not in meter.document()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    made = HandClock()

    def passes(seconds: float, stopping: threading.Event | None) -> None:
        made.now += seconds

    monkeypatch.setattr("cicscenario.transport.limits.pause", passes)
    return made


def sent(limit: Limit, number: int, clock: HandClock) -> list[float]:
    """When each of so many requests is sent, one after the other, each of which is answered at once."""
    times = []
    for _ in range(number):
        times.append(limit.enter(None))
        limit.leave(times[-1], WITHIN, trouble=False)
    return times


@pytest.mark.parametrize(("rate", "burst", "at_once"), [(5, None, 5), (5, 1, 1), (0.5, None, 1), (2, 10, 10)])
def test_no_more_are_sent_in_a_second_than_the_rate_after_the_burst(
    clock: HandClock, rate: float, burst: int | None, at_once: int
) -> None:
    limit = Limit(rate, burst, clock=clock)
    times = sent(limit, at_once + 20, clock)
    assert times[:at_once] == [100.0] * at_once
    later = [after - before for before, after in itertools.pairwise(times[at_once - 1 :])]
    assert later == pytest.approx([1 / rate] * 20)
    assert limit.waited == pytest.approx(20 / rate)


@given(
    rate=st.floats(0.1, 1000),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=60),
)
def test_in_no_time_more_than_burst_and_rate_allow(rate: float, burst: int, gaps: list[float]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        clock = HandClock()
        patch.setattr(
            "cicscenario.transport.limits.pause", lambda seconds, _: setattr(clock, "now", clock.now + seconds)
        )
        limit, times = Limit(rate, burst, clock=clock), []
        for gap in gaps:
            clock.now += gap
            times += sent(limit, 1, clock)
    for first in range(len(times)):
        for last in range(first, len(times)):
            assert last - first + 1 <= burst + rate * (times[last] - times[first]) + 1e-6


def crowd(limit: Limit, number: int, work: Callable[[], bool]) -> int:
    """So many threads send one request each; ``work`` says whether it is answered. Gives the most that were under way."""
    under_way, most, lock = 0, 0, threading.Lock()

    def one() -> None:
        nonlocal under_way, most
        entered = limit.enter(None)
        with lock:
            under_way += 1
            most = max(most, under_way)
        answered = work()
        with lock:
            under_way -= 1
        limit.leave(entered, WITHIN, trouble=not answered)

    threads = [threading.Thread(target=one) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return most


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_are_under_way_than_are_allowed(concurrency: int) -> None:
    limit = Limit(concurrency=concurrency)
    assert crowd(limit, 12, lambda: time.sleep(0.01) or True) == concurrency  # type: ignore[func-returns-value]


def test_a_number_that_was_given_is_kept_whatever_comes_back() -> None:
    limit = Limit(concurrency=4)
    crowd(limit, 8, lambda: False)
    assert limit.allowed == 4


def test_without_a_number_all_are_sent_until_there_is_trouble() -> None:
    limit = Limit()
    barrier = threading.Barrier(8)
    assert crowd(limit, 8, lambda: barrier.wait(10) >= 0) == 8
    assert limit.allowed == math.inf


def test_trouble_halves_and_answers_raise_by_one_a_round(clock: HandClock) -> None:
    limit = Limit(clock=clock)
    entered = [limit.enter(None) for _ in range(16)]
    clock.now += 1
    limit.leave(entered.pop(), WITHIN, trouble=True)
    assert limit.allowed == 8
    for one in entered:  # they met the same trouble: they do not count again
        limit.leave(one, WITHIN, trouble=True)
    assert limit.allowed == 8
    for _ in range(8):
        clock.now += 1
        limit.leave(limit.enter(None), WITHIN, trouble=False)
    assert limit.allowed == pytest.approx(9, abs=0.1)
    for _ in range(200):
        clock.now += 1
        limit.leave(limit.enter(None), WITHIN, trouble=False)
    assert limit.allowed == math.inf


def test_one_that_took_most_of_its_time_is_trouble(clock: HandClock) -> None:
    limit = Limit(clock=clock)
    entered = [limit.enter(None) for _ in range(4)]
    clock.now += 0.6 * WITHIN
    limit.leave(entered[0], WITHIN, trouble=False)
    assert limit.allowed == 2


def test_however_much_trouble_there_is_one_may_always_be_sent(clock: HandClock) -> None:
    limit = Limit(clock=clock)
    for _ in range(50):
        clock.now += 1
        limit.leave(limit.enter(None), WITHIN, trouble=True)
    assert limit.allowed == 1
    limit.enter(None)


@pytest.mark.parametrize("limit", [Limit(concurrency=1), Limit(rate=0.001, burst=1)], ids=["turn", "rate"])
def test_one_that_waits_ends_when_the_run_is_stopped_and_takes_no_place(limit: Limit) -> None:
    stopping = threading.Event()
    limit.enter(stopping)
    threading.Timer(0.1, stopping.set).start()
    began = time.monotonic()
    with pytest.raises(InterruptedRunError):
        limit.enter(stopping)
    assert time.monotonic() - began < 30
    assert limit._under_way == 1


def exchanged(meter: Meter, refused: bool = False) -> None:
    with Cancellation(meter=meter).exchange(WITHIN, 1000) as exchange:
        exchange.refused = refused


def test_an_exchange_counts_for_its_services_limit() -> None:
    meter = Meter()
    meter.limit = Limit()
    exchanged(meter)
    assert meter.limit.allowed == math.inf
    exchanged(meter, refused=True)
    assert meter.limit.allowed < math.inf
    with pytest.raises(ValueError, match="broken"), Cancellation(meter=meter).exchange(WITHIN, 1000):
        raise ValueError("broken")
    assert meter.limit._under_way == 0


def test_one_within_another_of_the_same_thread_needs_no_second_place() -> None:
    meter = Meter()
    meter.limit = Limit(concurrency=1)
    cancellation = Cancellation(meter=meter)
    with cancellation.exchange(WITHIN, 1000), cancellation.exchange(WITHIN, 1000):
        pass
    assert meter.limit._under_way == 0


def test_a_wait_for_news_takes_no_place() -> None:
    meter = Meter()
    meter.limit = Limit(concurrency=1)
    cancellation = Cancellation(meter=meter)
    with cancellation.exchange(WITHIN, 1000, counted=False):
        thread = threading.Thread(target=exchanged, args=(meter,))
        thread.start()
        thread.join(10)
        assert not thread.is_alive()


def test_after_the_stop_no_place_is_lost() -> None:
    meter, stopping = Meter(), threading.Event()
    meter.limit = Limit(concurrency=2)
    cancellation = Cancellation(stopping, 0.0, meter=meter)
    with pytest.raises(InterruptedRunError), cancellation.exchange(WITHIN, 1000):  # noqa: PT012
        stopping.set()
        while not cancellation._cutting:
            time.sleep(0.01)
        raise OSError("its socket was shut down")
    assert meter.limit._under_way == 0


def test_what_was_waited_is_in_the_figures(clock: HandClock) -> None:
    meter = Meter()
    meter.limit = Limit(2, 1, clock=clock)
    sent(meter.limit, 3, clock)
    assert meter.document()["waited"] == 1.0
    assert "waited" not in Meter().document()
