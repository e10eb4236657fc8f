"""Tasks that are written and sent by the engine's own code are those that Celery would have written and sent."""

import base64
import contextlib
import gc
import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import celery
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kombu import pools
from kombu.connection import Connection
from kombu.transport import virtual
from kombu.utils.json import dumps
from redis.exceptions import RedisError

from cicscenario.sandbox.custodial.chords import backend_url
from cicscenario.sandbox.custodial.outbox import Outbox, PostingApp
from tests.support.valkey import Valkey

QUEUE, OTHER = "cic-eth", "cic-ussd"
NAME = "cic_eth.eth.account.create"
SPEC = {"arch": "evm", "fork": "byzantium", "network_id": 8996, "common_name": "bloxberg", "custom": []}
_RANDOM = {"delivery_tag"}

plain = st.none() | st.booleans() | st.integers() | st.text(max_size=60) | st.floats(allow_nan=False)
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))


class _Channel(virtual.Channel):
    def _put(self, queue: str, message: dict[str, Any], **options: Any) -> None:
        self.connection.client.collected.append((queue, dumps(message)))  # type: ignore[no-untyped-call]


class _Collecting(virtual.Transport):
    Channel = _Channel
    driver_type = driver_name = "collect"


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
def app(valkey: Valkey) -> Iterator[PostingApp]:
    valkey.client.flushall()
    made = PostingApp("cic-eth", valkey.url, broker=valkey.url, backend=backend_url(valkey.url), set_as_current=False)
    made.outbox.declared.update({QUEUE, OTHER})
    yield made
    close(made)


def close(app: PostingApp) -> None:
    """Closes also what Celery leaves open: the connections of its pool, and that of the backend."""
    app.close()
    gc.collect()  # results that nobody asks for any more: each talks to Redis when it is deleted
    app.pool.force_close_all()
    for group in (pools.connections, pools.producers):
        with contextlib.suppress(KeyError):
            del group[app.connection_for_write()]
    if app.conf.result_backend:
        app.backend.client.close()


def of_celery(name: str, args: Any, **options: Any) -> tuple[str, dict[str, Any]]:
    """The queue and the message that Celery and kombu write for the same task."""
    witness = celery.Celery("cic-eth", set_as_current=False)
    nowhere = Connection(transport=_Collecting)  # type: ignore[no-untyped-call]
    nowhere.collected = []
    witness.send_task(name, args, producer=witness.amqp.Producer(nowhere, auto_declare=False), **options)
    ((queue, text),) = nowhere.collected
    return queue, json.loads(text)


def opened(message: dict[str, Any]) -> dict[str, Any]:
    """A message with its body readable, without what is random or names the sender."""
    body = json.loads(base64.b64decode(message.pop("body")))
    properties = {name: value for name, value in message["properties"].items() if name not in _RANDOM}
    assert uuid.UUID(message["properties"]["delivery_tag"])
    assert uuid.UUID(properties.pop("reply_to"))
    return {**message, "body": body, "properties": properties}


def waiting(valkey: Valkey, queue: str = QUEUE) -> list[dict[str, Any]]:
    """The messages of a queue, oldest first."""
    return [json.loads(text) for text in reversed(valkey.client.lrange(queue, 0, -1))]


@pytest.mark.slow
@given(args=st.lists(values, max_size=4), group=st.none() | st.uuids().map(str), queue=st.sampled_from([QUEUE, OTHER]))
@settings(max_examples=40, deadline=None)
def test_a_message_is_the_one_that_celery_writes(valkey: Valkey, args: Any, group: str | None, queue: str) -> None:
    app = PostingApp("cic-eth", valkey.url, broker=valkey.url, set_as_current=False)
    app.outbox.declared.update({QUEUE, OTHER})
    failed = app.signature("cic_eth.callbacks.redis.redis", args=["a", 1], queue=OTHER)
    then = app.signature("cic_eth.eth.account.register", args=[SPEC], queue=QUEUE, link_error=[failed])
    options = {
        "task_id": str(uuid.uuid4()), "root_id": str(uuid.uuid4()), "parent_id": str(uuid.uuid4()), "queue": queue,
        "group_id": group, "group_index": 0 if group else None, "link": [then], "link_error": failed,
        "ignore_result": False,
    }  # fmt: skip
    valkey.client.delete(queue)
    app.send_task(NAME, args, **options)
    close(app)
    (sent,) = waiting(valkey, queue)
    where, real = of_celery(NAME, args, **options)
    assert (queue, opened(sent)) == (where, opened(real))


@pytest.mark.parametrize("option", [{"countdown": 5}, {"priority": 9}, {"expires": 60}, {"shadow": "another name"}])
def test_what_is_not_written_here_is_left_to_celery(app: PostingApp, valkey: Valkey, option: dict[str, Any]) -> None:
    app.send_task(NAME, [SPEC], queue=QUEUE, **option)
    (queue,) = valkey.client.keys(f"{QUEUE}*")  # kombu has a list for each priority
    (sent,) = waiting(valkey, queue)
    _, real = of_celery(NAME, [SPEC], queue=QUEUE, task_id=sent["headers"]["id"], **option)
    moment = re.compile(r"\d{4}-\d\d-\d\dT[^\"]*")
    assert moment.sub("", json.dumps(opened(sent))) == moment.sub("", json.dumps(opened(real)))


def test_the_first_message_to_a_queue_declares_it_and_so_does_the_first_after_a_failure(valkey: Valkey) -> None:
    valkey.client.flushall()
    app = PostingApp("cic-eth", valkey.url, broker=valkey.url, set_as_current=False)
    for _ in range(2):
        app.send_task(NAME, [SPEC], queue=OTHER)
        assert valkey.client.exists(f"_kombu.binding.{OTHER}")
    assert app.outbox.declared == {OTHER}
    with pytest.raises(RedisError):
        app.outbox.send(("SET", "only-a-key"))
    assert app.outbox.declared == set()
    close(app)


def test_the_time_of_a_result_is_written_as_celery_writes_it(app: PostingApp) -> None:
    real = celery.Celery("cic-eth", set_as_current=False)
    assert app.now().utcoffset() == real.now().utcoffset()
    assert abs(app.now() - real.now()).total_seconds() < 60
    assert re.sub(r"\d", "0", app.now().replace(microsecond=1).isoformat()) == re.sub(
        r"\d", "0", real.now().replace(microsecond=1).isoformat()
    )


def task_of(app: PostingApp, body: Any) -> Any:
    """A task of the application, which is run as a worker runs it."""
    from celery.app.trace import build_tracer

    task = app.task(body, name="cic_eth.test", bind=True, shared=False)
    app.finalize()
    tracer = build_tracer(task.name, task, app=app)
    task_id = str(uuid.uuid4())
    request = {"id": task_id, "root_id": task_id, "delivery_info": {"routing_key": QUEUE}, "callbacks": [], "chain": []}
    tracer(task_id, (), {}, request)
    return task_id


def test_messages_wait_for_the_end_of_their_task_and_go_out_in_their_order(app: PostingApp, valkey: Valkey) -> None:
    seen = []

    def body(self: Any) -> str:
        for number in range(3):
            self.app.send_task(NAME, [number], queue=QUEUE)
            seen.append(valkey.client.llen(QUEUE))
        return "done"

    task_id = task_of(app, body)
    assert seen == [0, 0, 0]
    sent = waiting(valkey)
    assert [json.loads(base64.b64decode(message["body"]))[0] for message in sent] == [[0], [1], [2]]
    assert {message["headers"]["parent_id"] for message in sent} == {task_id}
    entry = json.loads(valkey.client.get(f"celery-task-meta-{task_id}"))
    assert (entry["status"], entry["result"]) == ("SUCCESS", "done")
    assert [child[0][0] for child in entry["children"]] == [message["headers"]["id"] for message in sent]
    assert 0 < valkey.client.ttl(f"celery-task-meta-{task_id}") <= 86_400


@pytest.mark.parametrize("fails", [True, False])
def test_they_go_out_as_well_when_the_task_fails_or_has_no_result(app: PostingApp, valkey: Valkey, fails: bool) -> None:
    app.conf.task_ignore_result = not fails

    def body(self: Any) -> None:
        self.app.send_task(NAME, ["sent"], queue=QUEUE)
        if fails:
            raise KeyError("no such chain")

    task_id = task_of(app, body)
    assert len(waiting(valkey)) == 1
    entry = valkey.client.get(f"celery-task-meta-{task_id}")
    assert (json.loads(entry)["result"]["exc_type"] == "KeyError") if fails else entry is None


def test_what_could_not_be_sent_goes_out_with_the_next_and_not_twice(valkey: Valkey, monkeypatch: Any) -> None:
    valkey.client.flushall()
    outbox = Outbox(valkey.url)
    outbox.add(QUEUE, "first")
    with monkeypatch.context() as patch:
        patch.setattr("cicscenario.sandbox.custodial.outbox.round_trip", _broken)  # of no other test's connections
        with pytest.raises(RedisError):
            outbox.send()
    assert valkey.client.llen(QUEUE) == 0
    outbox.add(QUEUE, "second")
    assert outbox.send(("GET", "nothing")) == [None]
    outbox.send()
    assert valkey.client.lrange(QUEUE, 0, -1) == ["second", "first"]
    outbox.close()


def test_outside_a_task_celery_sends_what_could_not_be_sent_and_once(app: PostingApp, valkey: Valkey) -> None:
    app.send_task(NAME, ["first"], queue=QUEUE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cicscenario.sandbox.custodial.outbox.round_trip", _broken)
        app.send_task(NAME, ["second"], queue=QUEUE)
    app.send_task(NAME, ["third"], queue=QUEUE)
    app.send_task(NAME, ["fourth"], queue=QUEUE)
    bodies = [json.loads(base64.b64decode(message["body"]))[0] for message in waiting(valkey)]
    assert bodies == [["first"], ["second"], ["third"], ["fourth"]]


def _broken(*_: Any, **__: Any) -> None:
    raise RedisError("the connection is lost")


@pytest.mark.parametrize("older", ["SUCCESS", "FAILURE"])
def test_a_second_result_replaces_a_failure_and_never_a_success(app: PostingApp, valkey: Valkey, older: str) -> None:
    task_id = str(uuid.uuid4())
    told = valkey.client.pubsub()
    told.subscribe(f"celery-task-meta-{task_id}")
    for state, result in ((older, "older" if older == "SUCCESS" else ValueError("older")), ("SUCCESS", "newer")):
        app.backend.store_result(task_id, result, state)
    entry = json.loads(valkey.client.get(f"celery-task-meta-{task_id}"))
    assert entry["result"] == ("older" if older == "SUCCESS" else "newer")
    messages = [
        message for message in iter(lambda: told.get_message(timeout=0.2), None) if message["type"] == "message"
    ]
    assert len(messages) == (1 if older == "SUCCESS" else 2)
    told.close()


def test_what_is_posted_is_there_once_when_it_is_settled(valkey: Valkey) -> None:
    valkey.client.flushall()
    outbox = Outbox(valkey.url)
    for text in ("first", "second", "third"):
        outbox.add(QUEUE, text)
        outbox.post(("SET", "newest", text))
        assert outbox.is_sent
        assert not outbox.is_settled
    outbox.settle()
    assert outbox.is_settled
    assert valkey.client.lrange(QUEUE, 0, -1) == ["third", "second", "first"]
    outbox.add(QUEUE, "fourth")
    assert outbox.send(("GET", "newest")) == [b"third"], "the answer to this one, not to an earlier one"
    assert valkey.client.llen(QUEUE) == 4
    outbox.close()


@pytest.mark.parametrize("then", ["settle", "post"])
def test_what_was_posted_to_a_connection_that_was_lost_is_sent_again(valkey: Valkey, then: str) -> None:
    valkey.client.flushall()
    outbox = Outbox(valkey.url)
    outbox.post(("SET", "before", "1"))
    outbox.settle()
    valkey.client.client_kill_filter(_type="normal", skipme=True)
    number = 0
    with contextlib.suppress(RedisError):
        for number in range(5):  # a write into a connection that the other end has closed may succeed once
            outbox.add(QUEUE, str(number))
            outbox.post(("SET", "after", "1"))
            if then == "settle":
                outbox.settle()
    assert number < 4, "the loss was noticed"
    outbox.send()
    assert outbox.is_sent
    assert outbox.is_settled
    sent = valkey.client.lrange(QUEUE, 0, -1)[::-1]
    assert sent == [str(each) for each in range(number + 1)]
    outbox.close()
