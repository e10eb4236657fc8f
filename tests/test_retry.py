"""Waiting between attempts ends with the run, and heeds the server."""

import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from cicscenario.errors import InterruptedRunError
from cicscenario.retry import PAUSES, Attempts, Patience, pause, retry_after, with_retries
from tests.support.handclock import HandClock


def test_there_is_one_attempt_for_each_pause() -> None:
    assert list(Attempts(pauses=(0.0, 0.0, 0.0))) == [0, 1, 2]


@pytest.mark.parametrize(("retries", "pauses"), [(0, (0.0,)), (1, (0.0, 0.2)), (6, (*PAUSES, 5.0, 5.0))])
def test_a_number_of_retries_replaces_the_number_of_pauses(retries: int, pauses: tuple[float, ...]) -> None:
    assert with_retries(PAUSES, retries) == pauses
    assert Attempts(retries=retries).number == retries + 1
    assert with_retries(PAUSES, None) == PAUSES


def test_patience_is_a_time_or_a_number_and_each_progress_renews_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    monkeypatch.setattr("cicscenario.retry.pause", lambda seconds, _: setattr(clock, "now", clock.now + seconds))
    timed, counted = Patience(None, clock), Patience(None, clock, retries=2)
    assert not timed.is_over(100)
    clock.now += 100
    assert timed.is_over(100)
    for _ in range(2):
        assert not counted.is_over(0), "no time ends one that is counted"
        counted.pause("it is away")
    assert counted.is_over(10**9)
    counted.renew()
    timed.renew()
    assert not counted.is_over(0)
    assert not timed.is_over(100)


def test_a_pause_ends_when_the_run_is_to_end() -> None:
    stopping = threading.Event()
    threading.Timer(0.1, stopping.set).start()
    began = time.monotonic()
    with pytest.raises(InterruptedRunError):
        pause(60, stopping)
    assert time.monotonic() - began < 30


def test_nothing_is_attempted_once_the_run_is_to_end() -> None:
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(InterruptedRunError):
        list(Attempts(stopping))


def test_the_next_pause_is_as_long_as_the_server_asks_for() -> None:
    attempts = Attempts(pauses=(0.0, 0.0))
    times = []
    for _ in attempts:
        times.append(time.monotonic())
        attempts.failed("busy", "0.2")
    assert times[1] - times[0] >= 0.2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("3", 3),
        ("1.5", 1.5),
        ("-7", 0),
        ("soon", 0),
        ("86400", 60),
        ("", 0),
        ("nan", 0),
        ("inf", 60),
        ("-inf", 0),
    ],
)
def test_retry_after_in_seconds(header: str | None, seconds: float) -> None:
    assert retry_after(header) == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Fri, 31 Dec 9999 23:59:59 GMT", 60),  # of a server whose clock was moved, or ours
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 01 Jan 2026 00:00:00 +99999999999999999999", 0),
        ("Thu, 01 Jan 999999 00:00:00 GMT", 0),
        ("Thu, 01 Jan 2026 00:00:00 -0000", 0),
    ],
)
def test_retry_after_a_date_of_another_clock_is_bounded(date: str, seconds: float) -> None:
    assert retry_after(date) == seconds


@pytest.mark.parametrize("seconds", [-1.0, 0.0])
def test_a_pause_that_is_over_is_none(seconds: float) -> None:
    pause(seconds, None)
    pause(seconds, threading.Event())


def test_retry_after_as_a_date() -> None:
    assert 20 < retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)) <= 30
