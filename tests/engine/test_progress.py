"""The tally of a run counts each batch once, and stays small."""

from cicscenario.engine.events import StepProgressed
from cicscenario.engine.progress import POINTS, Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_batches_add_up_on_what_earlier_runs_did() -> None:
    clock = Clock()
    progress = Progress(["accounts", "gift"], 50, {"accounts": (10, 3)}, clock)
    assert progress.unfinished() == "step accounts: 10 ok, 0 failed, 40 pending of 50"
    assert not progress.any_batches
    clock.now = 102.0
    told = progress.add("accounts", ok=30, failed=2, began=101.0)
    assert told == StepProgressed("accounts", 40, 2, 50, 1.0, 32, 1.0, people=32)
    assert progress.any_batches
    assert progress.unfinished() == "step accounts: 40 ok, 2 failed, 8 pending of 50"


def test_the_first_step_that_is_not_through_is_named() -> None:
    progress = Progress(["accounts", "gift"], 50, {"accounts": (50, 0)}, Clock())
    assert progress.unfinished() == "step gift: 0 ok, 0 failed, 50 pending of 50"
    progress.add("gift", ok=50, failed=0, began=100.0)
    assert progress.unfinished() is None


def test_it_stays_small_and_covers_the_whole_run() -> None:
    clock = Clock()
    progress = Progress(["gift"], 1_000_000, {}, clock)
    for _ in range(10_000):
        clock.now += 1
        progress.add("gift", ok=100, failed=0, began=clock.now - 0.5)
    document = progress.document()["steps"]["gift"]
    assert POINTS / 2 <= len(document["points"]) <= POINTS
    assert document["points"][0][1] == 0
    assert document["points"][-1][1] == 1_000_000
    assert document["batches"] == 10_000
    assert document["batch_seconds"]["buckets"]["1.0"] == 10_000
    gaps = [b[1] - a[1] for a, b in zip(document["points"][1:], document["points"][2:], strict=False)]
    assert max(gaps) <= 2 * min(gaps[:-1])


def test_time_is_told_from_the_first_batch_of_a_step_to_its_last() -> None:
    clock = Clock()
    progress = Progress(["gift"], 10, {}, clock)
    for began, ended in ((103.0, 104.0), (101.0, 106.0)):
        clock.now = ended
        told = progress.add("gift", ok=5, failed=0, began=began)
    assert told.seconds == 5.0
    assert progress.document()["seconds"] == 6.0
