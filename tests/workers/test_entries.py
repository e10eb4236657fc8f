"""Entries of the metadata store are written by workers as by the run itself: once, one at a time, where the run means it."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.errors import InterruptedRunError, StepFailedError, UnavailableError
from cicscenario.people import pointer
from cicscenario.services.metaerrors import NoReplyError
from cicscenario.workers import names, turns
from cicscenario.workers.answers import read
from cicscenario.workers.entries import entry_item
from cicscenario.workers.envelope import Direction, Envelope
from cicscenario.workers.hands import Hands
from cicscenario.workers.kinds import ENTRIES, KINDS
from cicscenario.workers.pool import WorkerPool, result_message
from cicscenario.workers.turns import Turns
from tests.support.openpgp_keys import PASSPHRASE
from tests.support.valkey import Valkey
from tests.support.waiting import eventually
from tests.support.worker_hands import Hand, WaitingStep
from tests.support.worker_meta import ClientsMeta, services, writer
from tests.support.worker_processes import LINEAGE, SECRET, pool_at

pytestmark = pytest.mark.usefixtures("quick")
POINTERS = [pointer.phone(f"+25471122{n:04}") for n in range(30)]
KEEPS, REPLACES = {"keeps": True}, {"keeps": False}
ITEMS = [entry_item(at, {"number": n}) for n, at in enumerate(POINTERS)]
WRITTEN, PRESENT = ({"end": end, "away": False} for end in ("written", "present"))


def asked(pool: WorkerPool, meta: ClientsMeta, items: list[Any], common: dict[str, bool] = REPLACES) -> WaitingStep:
    return WaitingStep(pool, ENTRIES, common, items, services(meta))


def by_worker(
    valkey: Valkey, meta: ClientsMeta, items: list[Any], common: dict[str, bool] = REPLACES
) -> dict[int, Any]:
    """What one worker makes of them."""
    with pool_at(valkey) as pool:
        step, hand = asked(pool, meta, items, common), writer(valkey, meta)
        for _ in range(0, len(items), KINDS[ENTRIES].size(common)):
            hand.do("meta")
        return step.end()


def in_process(
    valkey: Valkey, meta: ClientsMeta, items: list[Any], common: dict[str, bool] = REPLACES
) -> dict[int, Any]:
    return dict(KINDS[ENTRIES].work(Hands(services(meta), threading.Event()), common, items))


HOW = pytest.mark.parametrize("how", [in_process, by_worker])


@HOW
def test_entries_are_written_once_and_can_be_read(valkey: Valkey, meta: ClientsMeta, how: Any) -> None:
    """Thirty are two tasks."""
    assert how(valkey, meta, ITEMS) == dict.fromkeys(range(30), WRITTEN)
    assert meta.client().get_many(POINTERS) == [{"number": n} for n in range(30)]
    assert how(valkey, meta, ITEMS) == dict.fromkeys(range(30), PRESENT)
    assert len(meta.bodies("PUT")) == 30


@HOW
def test_another_value_is_kept_until_it_is_to_be_replaced(valkey: Valkey, meta: ClientsMeta, how: Any) -> None:
    meta.values[POINTERS[1].hex()] = ("", "somebody's")
    found = how(valkey, meta, ITEMS[:3], KEEPS)
    assert found == {0: WRITTEN, 1: {"end": "another", "present": "somebody's", "away": False}, 2: WRITTEN}
    assert meta.client().get(POINTERS[1]) == "somebody's"
    known = [entry_item(POINTERS[1], {"number": 1}, "somebody's")]
    assert how(valkey, meta, known) == {0: WRITTEN}
    assert meta.client().get(POINTERS[1]) == {"number": 1}


@HOW
def test_what_is_known_to_be_absent_is_not_looked_up(valkey: Valkey, meta: ClientsMeta, how: Any) -> None:
    how(valkey, meta, [entry_item(POINTERS[0], {"new": True}, None)])
    first = next(method for method, *_ in meta.requests)
    assert first == "PUT"


@HOW
def test_what_would_end_the_server_when_it_is_written_twice_is_always_looked_up(
    valkey: Valkey, meta: ClientsMeta, how: Any
) -> None:
    """In two steps cic-meta merges into objects only; the task may be done for the second time."""
    new = [entry_item(POINTERS[0], "text", None)]
    assert (how(valkey, meta, new), how(valkey, meta, new)) == ({0: WRITTEN}, {0: PRESENT})
    assert len(meta.bodies("PUT")) == 1


@HOW
def test_an_entry_that_is_refused_fails_alone(valkey: Valkey, meta: ClientsMeta, how: Any) -> None:
    meta.fault = lambda method, number: "403" if method == "PUT" and number == 1 else None
    found = how(valkey, meta, ITEMS[:5])
    (error,) = [end for end in found.values() if isinstance(end, Exception)]
    assert isinstance(error, StepFailedError)
    assert "refuses to store" in error.message
    assert error.hint
    assert "trust the key" in error.hint
    assert [end for end in found.values() if end is not error] == [WRITTEN] * 4


@HOW
def test_a_server_that_is_away_ends_the_work_as_what_it_is(valkey: Valkey, meta: ClientsMeta, how: Any) -> None:
    meta.fault = lambda method, number: "drop"
    with pytest.raises(NoReplyError, match="does not answer") as caught:
        how(valkey, meta, ITEMS[:5])
    assert caught.value.exit_code == 3
    by = [note for note in getattr(caught.value, "__notes__", []) if "says the worker" in note]
    assert len(by) == (how is by_worker), "the run names the worker"


def test_what_was_written_before_the_server_went_away_counts(valkey: Valkey, meta: ClientsMeta) -> None:
    with pool_at(valkey) as pool:
        hand, first = writer(valkey, meta), asked(pool, meta, ITEMS[20:21])
        hand.do("meta")
        first.end()
        meta.fault = lambda method, number: "drop" if len(meta.values) >= 10 else None
        step = asked(pool, meta, ITEMS[:20])
        hand.do("meta")
        with pytest.raises(UnavailableError):
            step.end()
    assert sum(end == WRITTEN for end in step.found.values()) >= 5


@HOW
def test_a_server_that_left_a_request_unanswered_is_told(valkey: Valkey, meta: ClientsMeta, how: Any) -> None:
    """It may have lost since what it had: the checks ask about everybody then."""
    meta.fault = lambda method, number: "drop" if number == 1 else None
    assert any(end["away"] for end in how(valkey, meta, ITEMS[:3]).values())


def test_a_task_that_is_done_twice_at_the_same_time_writes_each_entry_once(valkey: Valkey, meta: ClientsMeta) -> None:
    """Two workers never write at the same time; who comes later writes the same again, or finds it.

    The lock of a process is for one address; under two of them, the two are as in processes of their own.
    """
    meta.fault = lambda method, number: "slow"
    clients = [SimpleNamespace(meta=meta.client(host)) for host in ("127.0.0.1", "localhost")]
    with pool_at(valkey) as pool:
        step = asked(pool, meta, ITEMS[:10])
        hands = [Hand(valkey, known, sections=["meta"]) for known in clients]
        task, arguments = hands[0].fetch("meta")
        both = [threading.Thread(target=hand.worker.work, args=(task, *arguments)) for hand in hands]
        for one in both:
            one.start()
        for one in both:
            one.join(30)
        assert len(step.end()) == step.times == 10
    assert meta.together == 1
    assert meta.client().get_many(POINTERS[:10]) == [{"number": n} for n in range(10)]


def test_a_task_that_comes_late_does_not_write_over_what_is_newer(valkey: Valkey, meta: ClientsMeta) -> None:
    """Its worker stood still, and goes on when a later session of the run has written another value."""
    hand = writer(valkey, meta)
    with pool_at(valkey) as pool:
        step = asked(pool, meta, ITEMS[:1])
        task, arguments = hand.fetch("meta")

        def later(method: str, number: int) -> None:
            if method == "GET" and number == 1:
                meta.values[POINTERS[0].hex()] = ("", "newer")
                valkey.client.set(names.wanted(LINEAGE), "a later session")

        meta.fault = later
        hand.worker.work(task, *arguments)
        assert meta.bodies("PUT") == []
        assert hand.worker.activity.document()["done"] == {}
        meta.fault = lambda method, number: None
        meta.values.clear()
        hand.do("meta")  # it was sent again, by the session that the test has
        step.end()


def test_a_worker_that_knows_another_server_is_found_out(valkey: Valkey, meta: ClientsMeta) -> None:
    with ClientsMeta() as elsewhere, pool_at(valkey) as pool:
        step = asked(pool, meta, ITEMS[:3])
        hand = writer(valkey, elsewhere)
        hand.do("meta")
        with pytest.raises(UnavailableError, match="is not as it says at the metadata server") as caught:
            step.end()
    assert hand.worker.name in caught.value.message
    assert step.found == {}, "nothing that it said counts"
    assert caught.value.hint == "is `meta` in its environment file that of the run's?"


def test_a_worker_without_the_section_refuses_by_name_and_another_one_writes(valkey: Valkey, meta: ClientsMeta) -> None:
    without = Hand(valkey)
    with pool_at(valkey) as pool:
        step = asked(pool, meta, ITEMS[:3])
        without.beat()
        waits = "1 worker there, and none has `meta` in its environment file, which is needed"
        eventually(lambda: pool.state().seen == waits, "waited for the look")
        without.do("meta")
        writer(valkey, meta).do("meta")
        step.end()
    why = "its environment file has no section `meta`"
    assert without.said == [f"a task was refused: {why}"]
    assert f"the worker {without.worker.name} refuses tasks: {why}" in step.told
    assert "no worker has a `meta` section in its environment file; what needs it waits" in step.told


@pytest.mark.parametrize(
    "results",
    [
        [[0, {"value": "written"}]],
        [[0, {"value": {"end": "thrown", "away": False}}]],
        [[0, {"value": {"end": "another", "away": False}}]],
        [[0, {"value": {"end": "written"}}]],
        [[1, {"value": WRITTEN}]],
        [[0, {"value": WRITTEN}]] * 2,
        [[0, {"error": "NoReplyError"}]],
        [[0, {}]],
        [0],
        [],
        {},
        None,
    ],
    ids=str,
)
def test_results_of_another_form_are_none(results: Any) -> None:
    content = {"results": results, "error": None, "worker": "w"}
    assert read(KINDS[ENTRIES], REPLACES, 1, content) is None
    good = read(KINDS[ENTRIES], REPLACES, 1, content | {"results": [[0, {"value": WRITTEN}]]})
    assert good
    assert good.results == {0: WRITTEN}


def test_an_error_without_the_form_of_one_is_none() -> None:
    assert read(KINDS[ENTRIES], REPLACES, 1, {"results": [], "error": {"value": 3}}) is None
    known = {"error": "KeyboardInterrupt", "message": "gone", "hint": None}
    found = read(KINDS[ENTRIES], REPLACES, 1, {"results": [], "error": known})
    assert found
    assert type(found.error) is UnavailableError


def test_a_wrong_form_is_told_and_the_task_is_done_by_another_worker(valkey: Valkey, meta: ClientsMeta) -> None:
    hand = writer(valkey, meta)
    with pool_at(valkey) as pool:
        step = asked(pool, meta, ITEMS[:1])
        task, arguments = hand.fetch("meta")
        envelope = Envelope(SECRET, LINEAGE)
        session = envelope.open(Direction.TASK, task, arguments[1])[1]["session"]
        content = {"results": [[0, {"value": True}]], "error": None, "worker": "odd"}
        valkey.client.rpush(
            names.results(session), result_message(task, envelope.seal(Direction.RESULT, task, content))
        )
        eventually(lambda: len(step.told), "waited until it was taken")
        hand.do("meta")
        assert step.end() == {0: WRITTEN}
    assert step.told[0] == "the worker odd gives results of another form, which are not used"


def test_nothing_of_an_entry_is_readable_at_the_broker(valkey: Valkey, meta: ClientsMeta) -> None:
    with pool_at(valkey) as pool:
        step = asked(pool, meta, [entry_item(POINTERS[0], {"family": "Otieno-the-third"})])
        hand = writer(valkey, meta)
        task, arguments = hand.fetch("meta")
        hand.worker.work(task, *arguments)
        step.end()
    said = str(arguments) + str([valkey.client.dump(key) for key in valkey.client.scan_iter()])
    assert not any(word in said for word in ("Otieno", POINTERS[0].hex(), PASSPHRASE, "entries", meta.url))


def test_a_turn_is_one_at_a_time(valkey: Valkey) -> None:
    valkey.client.set(names.wanted(LINEAGE), "s")
    turn = Turns(Hand(valkey).worker.broker, "meta")
    entered = threading.Event()

    def enter() -> None:
        with turn.turn(LINEAGE, "s"):
            entered.set()

    with turn.turn(LINEAGE, "s"):
        second = threading.Thread(target=enter)
        second.start()
        assert not entered.wait(0.3)
    assert entered.wait(10)
    second.join(10)
    with pytest.raises(InterruptedRunError), turn.turn(LINEAGE, "another session"):
        pass


def test_a_turn_is_had_by_who_asks_again_since_the_answer_was_lost(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand, lost = Hand(valkey), []
    valkey.client.set(names.wanted(LINEAGE), "s")
    read = hand.worker.broker.read
    monkeypatch.setattr(hand.worker.broker, "read", lambda command: (lost.append(read(command)), read(command))[1])
    began = time.monotonic()
    with Turns(hand.worker.broker, "meta").turn(LINEAGE, "s"):
        assert time.monotonic() - began < 5
    assert lost[0] == 1


def test_the_turn_of_a_killed_worker_ends(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_LONGEST", 300)
    valkey.client.set(names.wanted(LINEAGE), "s")
    turn = Turns(Hand(valkey).worker.broker, "meta")
    killed = turn.turn(LINEAGE, "s")
    killed.__enter__()
    with turn.turn(LINEAGE, "s"):
        valkey.client.persist(names.turn("meta"))
        killed.__exit__(None, None, None)
        assert valkey.client.exists(names.turn("meta")), "it is not the late one's to give back"
    assert not valkey.client.exists(names.turn("meta"))
