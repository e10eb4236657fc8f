"""The timeline of a run: nothing is lost when it is made coarser, and it stays small however long the run is."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicscenario.engine.records import PROGRESS, earlier_timeline
from cicscenario.engine.timeline import MOST, SESSIONS, Timeline

EVENTS = st.lists(
    st.tuples(st.sampled_from(("begin", "end", "count")), st.floats(0, 10_000, allow_nan=False), st.integers(0, 1000)),
    max_size=40,
)


@given(EVENTS, st.integers(0, 40))
def test_all_people_and_all_busy_seconds_are_kept_also_by_the_next_session(events: list, cut: int) -> None:
    timeline, now, people, open_batches, busy = Timeline(), 0.0, 0, 0, 0.0
    for number, (kind, later, many) in enumerate(events):
        busy += later if open_batches else 0.0
        now += later
        if kind == "begin":
            timeline.begin("a", now)
            open_batches += 1
        elif kind == "end" and open_batches:
            timeline.end("a", now)
            open_batches -= 1
        elif kind == "count":
            timeline.count("a", many, 1, now)
            people += many
        if number == cut and not open_batches:
            timeline = Timeline.of(timeline.document(now))
    document = timeline.document(now)
    assert document["width"] * MOST >= now
    rows = document["tracks"]["a"]["buckets"] if "a" in document["tracks"] else []
    assert len(rows) <= MOST
    assert sum(ok for _, ok, _, _ in rows) == people
    assert sum(seconds for *_, seconds in rows) == pytest.approx(busy, abs=0.001 * (len(rows) + 1) * 2, rel=1e-6)
    assert all(seconds <= document["width"] + 0.001 for *_, seconds in rows)


def test_a_wait_is_time_with_a_batch_under_way_in_which_nobody_came_through() -> None:
    timeline = Timeline()
    timeline.begin("gift", 1.0)
    timeline.count("gift", 5, 0, 1.1)
    timeline.count("gift", 5, 0, 2.9)
    timeline.end("gift", 2.9)
    track = timeline.document(10.0)["tracks"]["gift"]
    assert (track["first"], track["last"]) == (1.0, 2.9)
    assert [(number, ok) for number, ok, _, busy in track["buckets"] if busy] == [
        (4, 5), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0), (11, 5),
    ]  # fmt: skip


def test_what_is_under_way_is_in_the_record_before_it_ends() -> None:
    timeline = Timeline()
    timeline.begin("gift", 0.0)
    assert timeline.document(1.0)["tracks"]["gift"]["last"] == 1.0
    timeline.end("gift", 2.0)
    assert sum(busy for *_, busy in timeline.document(9.0)["tracks"]["gift"]["buckets"]) == 2.0


def test_the_first_and_the_last_sessions_are_kept() -> None:
    timeline = Timeline()
    for number in range(2 * SESSIONS):
        timeline.begin_session(str(number), "", "")
    kept = [session["began"] for session in timeline.document(0.0)["sessions"]]
    assert kept == ["0", *(str(number) for number in range(SESSIONS + 1, 2 * SESSIONS))]


@pytest.mark.parametrize(
    ("damage", "kept"),
    [
        ({"steps": "?"}, True),
        ({"timeline": "?"}, False),
        ({"timeline": {"width": 1}}, False),
        ({"timeline": {"width": 1, "seconds": "1", "sessions": [], "tracks": {}}}, False),
        ({"timeline": {"width": 10**400, "seconds": 1, "sessions": [], "tracks": {}}}, False),
    ],
)
def test_a_damaged_timeline_is_told_and_begins_anew_and_damage_elsewhere_costs_it_nothing(
    tmp_path: Path, damage: dict[str, Any], kept: bool
) -> None:
    timeline = Timeline()
    timeline.begin("a", 1.0)
    timeline.end("a", 3.0)
    document = {"began": 0.0, "seconds": 3.0, "steps": {}, "timeline": timeline.document(3.0)}
    (tmp_path / PROGRESS).write_text(json.dumps(document | damage))
    told: list[str] = []
    found = earlier_timeline(tmp_path, told.append)
    assert (found is not None) is kept
    assert [line.endswith("the timeline of this run begins anew") for line in told] == ([] if kept else [True])
