"""The tally of a run counts each batch once, and its timeline goes on where the last session ended."""

from cicscenario.engine.events import StepProgressed
from cicscenario.engine.progress import CHECKS, Progress
from cicscenario.engine.timeline import Timeline
from tests.support.handclock import HandClock
from tests.support.recordings import validated


def test_batches_add_up_on_what_earlier_runs_did() -> None:
    clock = HandClock()
    progress = Progress(["accounts", "gift"], 50, {"accounts": (10, 3)}, clock)
    assert progress.unfinished() == "step accounts: 10 ok, 0 failed, 40 pending of 50"
    assert not progress.any_batches
    clock.now = 102.0
    told = progress.add("accounts", ok=30, failed=2, began=101.0)
    assert told == StepProgressed("accounts", 40, 2, 50, 1.0, 32, 1.0, people=32)
    assert progress.any_batches
    assert progress.unfinished() == "step accounts: 40 ok, 2 failed, 8 pending of 50"


def test_the_first_step_that_is_not_through_is_named() -> None:
    progress = Progress(["accounts", "gift"], 50, {"accounts": (50, 0)}, HandClock())
    assert progress.unfinished() == "step gift: 0 ok, 0 failed, 50 pending of 50"
    progress.add("gift", ok=50, failed=0, began=100.0)
    assert progress.unfinished() is None


def test_time_is_told_from_the_first_batch_of_a_step_to_its_last() -> None:
    clock = HandClock()
    progress = Progress(["gift"], 10, {}, clock)
    for began, ended in ((103.0, 104.0), (101.0, 106.0)):
        clock.now = ended
        told = progress.add("gift", ok=5, failed=0, began=began)
    assert told.seconds == 5.0
    assert progress.document()["seconds"] == 6.0


def test_the_next_session_continues_the_timeline_and_says_by_whom() -> None:
    clock = HandClock()
    first = Progress(["gift"], 10, {}, clock, by="ann@here", revision="abc")
    began = first.begin("gift")
    clock.now += 4
    first.add("gift", ok=6, failed=0, began=began)
    held = validated(first.document(), "progress-v1")["timeline"]

    clock.now += 100_000  # the night between them is not on the axis
    then = Progress(["gift"], 10, {"gift": (6, 0)}, clock, timeline=Timeline.of(held), by="bob@there")
    began = then.begin("gift")
    clock.now += 2
    then.add("gift", ok=4, failed=0, began=began)
    with then.checking():
        clock.now += 3
    timeline = validated(then.document(), "progress-v1")["timeline"]
    assert timeline["seconds"] == 9
    assert [(one["at"], one["by"], one["revision"]) for one in timeline["sessions"]] == [
        (0, "ann@here", "abc"),
        (4, "bob@there", ""),
    ]
    gift, checks = timeline["tracks"]["gift"], timeline["tracks"][CHECKS]
    assert (gift["first"], gift["last"]) == (0, 6)
    assert sum(ok for _, ok, _, _ in gift["buckets"]) == 10
    assert (checks["first"], checks["last"]) == (6, 9)
