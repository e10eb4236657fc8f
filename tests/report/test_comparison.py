"""Two runs beside each other: what is slower, what fails now, and nothing that is within what is allowed."""

import copy
from typing import Any

import pytest

from cicscenario.report.comparison import compare_runs
from cicscenario.report.recorded import Recorded
from tests.support import recordings


def ran(seconds: float, people: int = 1000, **changes: Any) -> Recorded:
    """A run whose step gift took so long."""
    report = copy.deepcopy(recordings.good())
    for key, value in changes.items():
        kind, name = key.split("_")
        entry = next(one for one in report[kind] if one["name"] == name)
        entry |= value
    track = {"first": 1.0, "last": 1.0 + seconds, "buckets": [[4, people, 0, seconds]]}
    timeline = {"width": 8.0, "seconds": seconds + 1, "sessions": [], "tracks": {"gift": track}}
    return Recorded(report, {"timeline": timeline, "steps": {}})


@pytest.mark.parametrize(
    ("before", "now", "people", "slower"),
    [
        (10, 12, 1000, False),  # by 17 %
        (10, 20, 1000, True),
        (0.4, 0.9, 1000, False),  # half a second
        (20, 10, 1000, False),
        (10, 20, 2000, False),  # twice the people
        (10, 15, 500, True),  # half of them
    ],
)
def test_a_step_is_slower_by_people_per_second_and_only_if_it_matters(
    before: float, now: float, people: int, slower: bool
) -> None:
    found = compare_runs(ran(before), ran(now, people))
    assert [speed.step for speed in found.speeds if speed.slower] == (["gift"] if slower else [])
    assert found.worse is slower
    assert found.document()["worse"] is slower


def test_what_is_allowed_can_be_said() -> None:
    assert compare_runs(ran(10), ran(12), percent=5).worse
    assert compare_runs(ran(10), ran(20), percent=60).worse
    assert not compare_runs(ran(10), ran(20), percent=110).worse


@pytest.mark.parametrize(
    ("now", "percent", "slower"),
    [
        (12.5, 25, False),  # just as much is not more
        (12.6, 25, True),
        (20, 100, False),
        (20.1, 100, True),  # 100 % can be reached: it is twice the time, and not no people per second
        (31, 200, True),
        (11.5, 0, True),
        (10.9, 0, False),  # any more, but it is less than a second
        (9, 0, False),
    ],
)
def test_percent_is_of_the_time_that_a_person_takes(now: float, percent: float, slower: bool) -> None:
    """The first run took ten seconds."""
    assert compare_runs(ran(10), ran(now), percent=percent).worse is slower


def test_fewer_people_per_second_are_told_as_more_time() -> None:
    gift = next(one for one in compare_runs(ran(10, 1740), ran(10, 1070)).speeds if one.step == "gift")
    assert (gift.before, gift.now) == (174, 107)
    assert gift.change == pytest.approx(-38.5, abs=0.1)
    assert gift.more_time == pytest.approx(62.6, abs=0.1)


def test_a_step_with_nothing_to_do_has_no_speed() -> None:
    population = next(one for one in compare_runs(ran(1), ran(1)).speeds if one.step == "population")
    assert (population.before, population.now, population.change, population.slower) == (None, None, None, False)


FAILED: dict[str, Any] = {"ok": 990, "failed": 10}
WRONG: dict[str, Any] = {"errors": 4}


@pytest.mark.parametrize(
    ("before", "now", "fails", "mended"),
    [
        ({}, {"steps_gift": FAILED}, ["step gift: 10 of 1,000 people"], []),
        ({"steps_gift": FAILED}, {}, [], ["step gift: 10 of 1,000 people"]),
        ({"steps_gift": FAILED}, {"steps_gift": FAILED}, [], []),
        ({"checks_gas": {"errors": 1}}, {"checks_gas": WRONG}, ["check gas: 4 of 1,000 people; 1 before"], []),
        ({}, {"steps_gift": {"ok": 3, "pending": 997}}, ["step gift: 997 of 1,000 people pending"], []),
        (
            {"checks_gas": WRONG},
            {"checks_gas": WRONG | {"total": 2000}},
            [],
            ["check gas: 4 of 1,000 people; 4 before"],
        ),
    ],
)
def test_what_fails_now_and_what_no_longer_does(
    before: dict[str, Any], now: dict[str, Any], fails: list[str], mended: list[str]
) -> None:
    found = compare_runs(ran(10, **before), ran(10, **now))
    assert (found.fails, found.mended, found.worse) == (fails, mended, bool(fails))


def test_a_check_that_is_no_longer_made_is_told() -> None:
    now = ran(10)
    now.report["checks"].pop()
    assert compare_runs(ran(10), now).fails == ["check balance: not made"]


def test_runs_of_earlier_versions_can_be_compared() -> None:
    old = Recorded(recordings.good(), None)
    assert not compare_runs(old, old).worse
