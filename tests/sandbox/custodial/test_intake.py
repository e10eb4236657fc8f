"""Tasks are fetched, noted, acknowledged and put back as kombu does it, in fewer round trips."""

import contextlib
import gc
import json
import select
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import celery
import pytest
from redis import Redis
from redis.exceptions import RedisError

from cicscenario.sandbox.custodial.intake import Intake
from tests.support.engine_processes import remains
from tests.support.valkey import Valkey

QUEUE, LIMIT = "cic-eth", 8
NAME = "cic_eth.eth.account.create"


@dataclass
class Server:
    url: str
    client: Any  #: gives bytes


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as running, Redis.from_url(running.url) as client:
        yield Server(running.url, client)
        gc.collect()  # results that nobody asks for any more: each talks to Redis when it is deleted


@pytest.fixture
def intake(valkey: Server) -> Iterator[Intake]:
    valkey.client.flushall()
    made = Intake(valkey.url, QUEUE, LIMIT)
    yield made
    made.close()


def ask(valkey: Server, number: int = 1, **options: Any) -> list[str]:
    """Sends tasks; gives their ids."""
    app = celery.Celery("client", broker=valkey.url, set_as_current=False)
    with app.connection_for_write() as connection:
        return [
            str(app.send_task(NAME, [count], queue=QUEUE, connection=connection, **options).id)
            for count in range(number)
        ]


def turn(intake: Intake) -> None:
    """Reads what has come, until nothing comes any more."""
    while ready := select.select([source for source, _ in intake.sources], [], [], 0.05)[0]:
        for source, read in intake.sources:
            if source in ready:
                read()
        intake.settle([])


def ids_of(intake: Intake) -> list[str]:
    return [message.id for message in intake.messages]


def test_what_waits_is_noted_as_kombu_notes_it_and_what_begins_is_not_any_more(valkey: Server, intake: Intake) -> None:
    ids = ask(valkey, LIMIT + 5)
    sent = [json.loads(text) for text in reversed(valkey.client.lrange(QUEUE, 0, -1))]
    intake.connect()
    turn(intake)
    assert ids_of(intake) == ids[:LIMIT]
    left = remains(valkey.client)
    assert (left.unacked, left.queued) == (ids[:LIMIT], ids[LIMIT:])
    for message in sent[:LIMIT]:
        tag = message["properties"]["delivery_tag"]
        assert json.loads(valkey.client.hget("unacked", tag)) == [message, "", QUEUE]
        assert time.time() - 60 < valkey.client.zscore("unacked_index", tag) <= time.time()
    intake.settle([intake.messages.popleft(), intake.messages.popleft()])
    turn(intake)
    assert ids_of(intake) == ids[2 : LIMIT + 2]
    assert remains(valkey.client).unacked == ids[2 : LIMIT + 2], "as many others were fetched as have begun"


def test_one_that_comes_while_it_waits_is_noted_too_unless_it_begins_at_once(valkey: Server, intake: Intake) -> None:
    intake.connect()
    turn(intake)
    (first,) = ask(valkey)
    turn(intake)
    assert (ids_of(intake), remains(valkey.client).unacked) == ([first], [first])
    intake.settle([intake.messages.popleft()])
    turn(intake)
    assert remains(valkey.client).unacked == []
    ask(valkey)
    for source, read in intake.sources:
        if select.select([source], [], [], 5 if source is intake.sources[1][0] else 0)[0]:
            read()
    intake.settle([intake.messages.popleft()])
    assert not valkey.client.exists("unacked", "unacked_index", QUEUE)


@pytest.mark.parametrize("place", ["before", "after", "delivery"])
def test_a_text_that_looks_like_a_tag_is_none(valkey: Server, intake: Intake, place: str) -> None:
    ask(valkey)
    message = json.loads(valkey.client.rpop(QUEUE))
    false = {"delivery_tag": "false"}
    message["headers"]["argsrepr"] = '"delivery_tag": "false"'
    if place == "before":
        message["headers"]["stamps"] = false
    elif place == "after":
        message["stamps"] = false
    else:
        message["properties"]["delivery_info"] = {"exchange": "cic", "routing_key": "another"}
    valkey.client.lpush(QUEUE, json.dumps(message))
    intake.connect()
    turn(intake)
    tag = message["properties"]["delivery_tag"]
    info = message["properties"]["delivery_info"]
    assert valkey.client.hkeys("unacked") == valkey.client.zrange("unacked_index", 0, -1) == [tag.encode()]
    assert json.loads(valkey.client.hget("unacked", tag)) == [message, info["exchange"], info["routing_key"]]


@pytest.mark.parametrize(
    "text", ["no JSON", "[]", '{"headers": {}}', '{"headers": {}, "properties": {"delivery_tag": "a"}}', "\udcff"]
)
def test_what_is_no_task_is_dropped_and_the_next_one_is_fetched(valkey: Server, intake: Intake, text: str) -> None:
    valkey.client.lpush(QUEUE, text.encode("utf-8", "surrogateescape"))
    (task,) = ask(valkey)
    intake.connect()
    turn(intake)
    assert ids_of(intake) == [task]
    assert remains(valkey.client).unacked == [task]


def test_tasks_of_all_priorities_are_fetched_the_most_urgent_first(valkey: Server, intake: Intake) -> None:
    expected = [*ask(valkey, priority=9), *ask(valkey, priority=3), *ask(valkey)]
    intake.connect()
    turn(intake)
    assert ids_of(intake) == expected[::-1]


def test_a_task_for_later_is_kept_apart(valkey: Server, intake: Intake) -> None:
    (later,), (now,) = ask(valkey, countdown=50), ask(valkey, countdown=0)
    intake.connect()
    turn(intake)
    assert ids_of(intake) == [now]
    (kept,) = intake.take_later()
    assert kept.id == later
    assert 40 < kept.wait <= 50
    assert intake.take_later() == []


def test_what_is_put_back_keeps_its_order_and_is_what_kombu_would_put_back(valkey: Server, intake: Intake) -> None:
    ids = ask(valkey, LIMIT + 2)
    intake.connect()
    turn(intake)
    intake.settle_down()
    intake.put_back([])
    left = remains(valkey.client)
    assert (left.queued, left.unacked) == (ids, [])
    messages = [json.loads(text) for text in reversed(valkey.client.lrange(QUEUE, 0, -1))]
    flags = [(message["headers"].get("redelivered"), message["properties"]["delivery_info"]) for message in messages]
    delivery = {"exchange": "", "routing_key": QUEUE}
    assert flags == [(True, {**delivery, "redelivered": True})] * LIMIT + [(None, delivery)] * 2


def test_no_message_is_lost_that_comes_when_it_stops(valkey: Server, intake: Intake) -> None:
    for _ in range(8):
        intake.connect()
        turn(intake)
        name = str(uuid.uuid4())
        sender = threading.Thread(target=valkey.client.lpush, args=(QUEUE, name))
        sender.start()
        intake.settle_down()
        sender.join()
        waiting = valkey.client.rpop(QUEUE)
        dropped = waiting is None  # it came in time, and is no task
        assert dropped or waiting == name.encode()
        intake.close()


def test_what_began_when_the_connection_was_lost_is_acknowledged_by_the_next(valkey: Server, intake: Intake) -> None:
    ids = ask(valkey, LIMIT)
    intake.connect()
    turn(intake)
    valkey.client.client_kill_filter(_type="normal", skipme=True)
    with contextlib.suppress(RedisError, OSError):
        for _ in range(2):
            intake.settle([intake.messages.popleft()])
            turn(intake)
    intake.close()
    intake.connect()
    turn(intake)
    begun = LIMIT - len(intake.messages)
    assert 1 <= begun <= 2
    assert remains(valkey.client).unacked == ids[begun:]
