"""The timeline as it is drawn: bars on one axis with their waits, curves, and labels that fit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicscenario.engine.timeline import MOST, Timeline
from cicscenario.report.axis import IDLE, WAITED, WORKED, Axis


def axis(*rows: list[float], first: float = 0.0, last: float = 10.0, seconds: float = 10.0, width: float = 0.5) -> Axis:
    track = {"first": first, "last": last, "buckets": list(rows)}
    return Axis({"width": width, "seconds": seconds, "sessions": [], "tracks": {"gift": track}})


def test_a_bar_goes_from_its_begin_to_its_end_and_shows_where_it_waited() -> None:
    rows = [[number, 5 if number in (6, 12) else 0, 0, 0.5] for number in range(4, 13)]
    track = axis(*rows, first=2.0, last=6.4).track("gift")
    assert track
    assert [(span.kind, span.left, span.width) for span in track.spans] == [
        (WAITED, 20, 10),
        (WORKED, 30, 5),
        (WAITED, 35, 25),
        (WORKED, 60, 4),
    ]
    assert (track.took, track.waited, track.people) == (pytest.approx(4.4), pytest.approx(3.5), 10)
    assert track.rate == pytest.approx(10 / 4.4)


def test_between_two_sessions_a_step_is_idle() -> None:
    track = axis([0, 9, 0, 0.5], [19, 9, 0, 0.5]).track("gift")
    assert track
    assert [span.kind for span in track.spans] == [WORKED, IDLE, WORKED]


def test_gaps_between_bursts_are_no_waits() -> None:
    track = axis(*[[number, 5 * (number % 2), 0, 0.5] for number in range(20)]).track("gift")
    assert track
    assert [span.kind for span in track.spans] == [WORKED]
    assert track.waited == 0


def test_a_step_that_had_nothing_to_do_has_no_bar() -> None:
    assert axis().track("gas") is None


def test_the_peak_is_people_per_second() -> None:
    track = axis([0, 30, 10, 0.5], [1, 20, 0, 0.5], [8, 6, 0, 0.5]).track("gift")
    assert track
    assert track.curve
    assert track.curve.peak == 60  # 30 + 10 + 20 in one second


@given(st.floats(0.001, 1e9))
def test_there_are_few_labels_and_none_is_beyond_the_end(seconds: float) -> None:
    ticks = axis(seconds=seconds, last=seconds).ticks()
    assert len(ticks) <= 6
    assert seconds < 1 or ticks
    assert all(0 < place <= 100 for _, place in ticks)


@given(st.lists(st.tuples(st.floats(0, 500), st.sampled_from("abc"), st.integers(0, 50)), max_size=30))
def test_whatever_happened_all_bars_are_on_the_axis_without_gaps_and_overlaps(events: list[Any]) -> None:
    timeline, now = Timeline(), 0.0
    for later, name, people in events:
        timeline.begin(name, now)
        now += later
        timeline.count(name, people, 0, now)
        timeline.end(name, now)
    drawn = Axis(timeline.document(now))
    for name in "abc":
        if track := drawn.track(name):
            edges = [edge for span in track.spans for edge in (span.left, span.left + span.width)]
            assert len(track.spans) <= MOST + 1
            assert edges == pytest.approx(sorted(edges), abs=0.05)
            assert all(-0.01 <= edge <= 100.01 for edge in edges)
            assert 0 <= track.waited <= track.took + 0.001
