"""Wherever a run is killed, the same command goes on, and everybody arrives once: as the independent checker sees it."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.killed_runs import KilledRun, KillWorld, kill_world
from tests.support.reached import REACHED, of_situation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

OTHERS = ("verify", "report", "export")
#: Written once for each person or each report: killed at the last, too, which is of the reports at the end.
MANY = ("file.replace:before", "file.replace:after")


@pytest.fixture(scope="module", params=REACHED["run"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillWorld]:
    """A sandbox with what the backend needs, in which a person is killed for often."""
    with kill_world(request.param, tmp_path_factory.mktemp(request.param), size=4) as made:
        yield made


@pytest.fixture(scope="module")
def points(world: KillWorld) -> dict[str, list[str]]:
    """For each command the points that it passes, as failpoints, in their order. The run is one that nobody disturbed."""
    run = world.run(seed=1)
    passed = {command: world.points(run, command) for command in ("run", *OTHERS)}
    assert arrived(run)
    for command in passed.keys() & REACHED.keys():
        assert set(of_situation(command, world.backend)) <= {point for point, _ in passed[command]}
    return {
        command: [f"{point}:1:kill" for point, _ in found]
        + [f"{point}:{most}:kill" for point, most in found if point in MANY and most > 1]
        for command, found in passed.items()
    }


def arrived(run: KilledRun) -> bool:
    """Whether the run ended by itself with everybody there once; shows what is wrong."""
    assert not run.by_hand, run.by_hand
    assert not any(end.hung for end in run.ends), [end.said for end in run.ends if end.hung]
    verdict = run.verdict()
    assert verdict.lines() == []
    return True


def test_a_run_goes_on_from_every_point_at_which_it_was_killed(world: KillWorld, points: dict[str, list[str]]) -> None:
    """Each process but the first resumes what was killed at an earlier point, and is killed at a later one."""
    seed, left, never = 2, list(points["run"]), []
    run, killed = world.run(seed), 0
    while left:
        end = run.invoke(failpoint=left[0])
        if end.killed:
            left.pop(0)
            killed += 1
            continue
        run.finish()
        assert arrived(run)
        if len(run.ends) == 2:  # it was the first thing that happened to this run
            never.append(left.pop(0))
        seed += 1
        run = world.run(seed)
    run.finish()
    assert arrived(run)
    assert killed + len(never) == len(points["run"])
    assert never == [], "points that a run passed, and another did not"
    assert run.finish().said.count("nothing to do") == 1


@pytest.mark.parametrize("command", OTHERS)
def test_what_is_killed_after_a_run_can_be_asked_again(
    world: KillWorld, points: dict[str, list[str]], command: str
) -> None:
    run = world.run(seed=1000 + OTHERS.index(command))
    run.finish()
    for failpoint in points[command]:
        assert run.invoke(command, failpoint=failpoint).killed, failpoint
    assert run.finish(command).code == 0
    assert Counter(end.killed for end in run.ends)[True] == len(points[command])
    assert arrived(run)
