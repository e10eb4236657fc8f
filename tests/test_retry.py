"""Waiting between attempts ends with the run, and heeds the server."""

import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from cicscenario.errors import InterruptedRunError
from cicscenario.retry import Attempts, pause, retry_after


def test_there_is_one_attempt_for_each_pause() -> None:
    assert list(Attempts(pauses=(0.0, 0.0, 0.0))) == [0, 1, 2]


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
