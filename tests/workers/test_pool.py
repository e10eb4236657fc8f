"""Tasks reach workers and results come back, whatever is lost, repeated, late or forged on the way."""

import threading

import bcrypt
import pytest

from cicscenario.errors import InterruptedRunError, UnavailableError
from cicscenario.workers import names
from cicscenario.workers.beats import seen_workers
from cicscenario.workers.envelope import VERSION, Direction, Envelope
from cicscenario.workers.kinds import HASHES
from cicscenario.workers.place import WorkerPlace
from cicscenario.workers.pool import WorkerPool, described, result_message
from cicscenario.workers.worker import make_app
from tests.support.valkey import Valkey
from tests.support.waiting import eventually
from tests.support.worker_hands import Hand, WaitingStep
from tests.support.worker_processes import LINEAGE, PINS, SECRET, pool_at

pytestmark = pytest.mark.usefixtures("quick")


def pins_asked(pool: WorkerPool, pins: list[str]) -> WaitingStep:
    """A step that waits for the hashes of some PINs."""
    return WaitingStep(pool, HASHES, PINS, pins)


def test_the_results_are_those_of_the_items(valkey: Valkey) -> None:
    hand = Hand(valkey)
    with pool_at(valkey) as pool:
        asked = pins_asked(pool, [f"{pin:04}" for pin in range(150)])
        hand.do()
        hand.do()
        found = asked.end()
    assert sorted(found) == list(range(150))
    for pin in (0, 99, 100, 149):
        assert bcrypt.checkpw(f"{pin:04}".encode(), found[pin].encode())
    assert hand.worker.activity.document()["done"] == {"hashes": 150}


def test_a_task_that_is_lost_is_sent_again_and_a_late_result_is_not_heard(valkey: Valkey) -> None:
    """It was fetched by a worker that gives no sign of life."""
    hand = Hand(valkey)
    with pool_at(valkey) as pool:
        asked = pins_asked(pool, ["0042"])
        lost = hand.fetch()
        again = hand.do()
        hand.worker.work(lost[0], *lost[1])
        assert len(asked.end()) == 1
    assert lost == again, "the same task, so that either result is right"
    assert asked.times == 1
    assert "1 task of workers lost, and sent again" in asked.told


def test_a_task_at_a_worker_that_lives_is_not_sent_again(valkey: Valkey) -> None:
    hand = Hand(valkey)
    with pool_at(valkey) as pool:
        asked = pins_asked(pool, ["0042"])
        task, arguments = hand.fetch()
        with hand.worker.activity.at(task):
            for _ in range(8):
                hand.beat()
                assert not valkey.client.blpop([names.QUEUE], timeout=0.1)
        hand.worker.work(task, *arguments)
        asked.end()
    assert asked.told == []


def test_a_result_that_comes_twice_counts_once(valkey: Valkey) -> None:
    hand = Hand(valkey)
    with pool_at(valkey) as pool:
        asked = pins_asked(pool, ["0042"])
        task, arguments = hand.fetch()
        hand.worker.work(task, *arguments)
        hand.worker.work(task, *arguments)
        asked.end()
    assert asked.times == 1


@pytest.mark.parametrize(
    "how", ["another secret", "another task", "another lineage", "a task", "too few", "no hashes", "no JSON"]
)
def test_a_forged_result_is_not_used(valkey: Valkey, how: str) -> None:
    hand = Hand(valkey)
    with pool_at(valkey) as pool:
        asked = pins_asked(pool, ["0042"])
        task, arguments = hand.fetch()
        proper = "$2b$04$" + "a" * 53
        secret = "66" * 32 if how == "another secret" else SECRET
        direction = Direction.TASK if how == "a task" else Direction.RESULT
        content = {
            "results": {"too few": [], "no hashes": [[0, {"value": "0042"}]]}.get(how, [[0, {"value": proper}]]),
            "error": None,
        }
        lineage = "other" if how == "another lineage" else LINEAGE
        sealed = Envelope(secret, lineage).seal(direction, "other" if how == "another task" else task, content)
        session = Envelope(SECRET, LINEAGE).open(Direction.TASK, task, arguments[1])[1]["session"]
        valkey.client.rpush(names.results(session), "{" if how == "no JSON" else result_message(task, sealed))
        eventually(lambda: not valkey.client.exists(names.results(session)), "waited until it was taken")
        hand.worker.work(task, *arguments)
        (found,) = asked.end().values()
    assert found != proper
    assert bcrypt.checkpw(b"0042", found.encode())


def test_a_worker_of_another_version_refuses_by_name_and_another_one_does_it(valkey: Valkey) -> None:
    old, new = Hand(valkey, version="0.0.1/1"), Hand(valkey)
    with pool_at(valkey) as pool:
        asked = pins_asked(pool, ["0042"])
        old.do()
        new.do()
        asked.end()
    assert old.said == [f"a task was refused: it is of version 0.0.1/1, and the run is of {VERSION}"]
    (line,) = [line for line in asked.told if "refuses" in line]
    assert line == f"the worker {old.worker.name} refuses tasks: it is of version 0.0.1/1, and the run is of {VERSION}"


def test_a_worker_with_another_secret_does_nothing_and_says_so(valkey: Valkey) -> None:
    other, right = Hand(valkey, secret="77" * 32), Hand(valkey)
    with pool_at(valkey) as pool:
        asked = pins_asked(pool, ["0042"])
        other.beat()
        other.do()
        eventually(lambda: "1 worker with another secret" in pool.state().seen, "waited for the look")
        right.do()
        asked.end()
    assert other.said == ["a task was refused: it was not sealed with `workers.secret` of this worker"]


def test_without_any_worker_the_run_says_so_and_gives_up_after_its_patience(valkey: Valkey) -> None:
    with pool_at(valkey, patience=1) as pool:
        asked = pins_asked(pool, ["0042"])
        eventually(lambda: pool.state().seen == "no worker is there", "waited for the look")
        with pytest.raises(UnavailableError, match=r"no worker of .* has answered for 1 s: no worker is there"):
            asked.end()


def test_a_run_that_stops_waits_for_no_worker(valkey: Valkey) -> None:
    stopping = threading.Event()
    with pool_at(valkey, stopping=stopping) as pool:
        asked = pins_asked(pool, ["0042"])
        Hand(valkey).fetch()
        stopping.set()
        with pytest.raises(InterruptedRunError):
            asked.end()


def test_a_task_of_a_run_that_has_ended_is_not_worked_on(valkey: Valkey) -> None:
    hand = Hand(valkey)
    with pool_at(valkey) as pool:
        asked = pins_asked(pool, ["0042"])
        task, arguments = hand.do()
        asked.end()
    assert 0 < valkey.client.ttl(names.wanted(LINEAGE)) <= 60
    valkey.client.delete(names.wanted(LINEAGE))
    hand.worker.work(task, *arguments)
    valkey.client.set(names.wanted(LINEAGE), "of a later session")
    hand.worker.work(task, *arguments)
    assert hand.worker.activity.document()["done"] == {"hashes": 1}


def test_workers_are_seen_while_they_give_signs_of_life(valkey: Valkey) -> None:
    hand = Hand(valkey)
    hand.worker.activity.finished(HASHES, 120)
    hand.beat()
    (seen,) = seen_workers(hand.worker.broker, Envelope(SECRET, ""))
    assert (seen.name, seen.version, seen.usable, seen.done) == (hand.worker.name, VERSION, True, {"hashes": 120})
    assert 100 < seen.rates[HASHES] <= 120
    assert described([seen]) == "1 worker there"
    with hand.worker.activity.at("task-1"):
        hand.beat()
    (seen,) = seen_workers(hand.worker.broker, Envelope(SECRET, ""))
    assert seen.running == {"task-1"}


def test_the_engines_keys_and_queues_are_left_alone(valkey: Valkey) -> None:
    """What its workers have fetched and not acknowledged would be put back, and done twice."""
    app = make_app(WorkerPlace(valkey.url, None, None, SECRET), Hand(valkey).worker)
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        keys = {channel.unacked_key, channel.unacked_index_key, channel.unacked_mutex_key}
    assert keys.isdisjoint({"unacked", "unacked_index", "unacked_mutex"})
    assert app.conf.accept_content == ["json"]
    assert (app.conf.task_acks_late, app.conf.worker_prefetch_multiplier) == (True, 1)
    assert not app.conf.worker_enable_remote_control
