"""What cic-ussd has in Redis is read from messages of a real Celery, and nothing else is taken for it."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection

from cicscenario.errors import UnavailableError
from cicscenario.sandbox.ports import free_port
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.ussd_tasks import QUEUE, Creation, UssdTasks, WaitingTask
from tests.support.valkey import Valkey

CALLBACK = "cic_ussd.tasks.callback_handler.account_creation_callback"
POINTER = "cic_ussd.tasks.metadata.add_phone_pointer"
ADDRESS = "446d13e337294871090432e6c6c6d8a732bb191c"
PHONE = "+254711000001"


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path) as server:
        yield server


@pytest.fixture
def tasks(valkey: Valkey) -> UssdTasks:
    return UssdTasks(Broker(valkey.url, "cic-eth").beside(QUEUE))


def sent(valkey: Valkey, name: str, *arguments: object, root: str | None = None, queue: str = QUEUE) -> str:
    """A task on a queue, as Celery sends it; returns its id."""
    app = Celery(broker=valkey.url, set_as_current=False)
    try:
        with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
            return str(app.send_task(name, args=arguments, queue=queue, root_id=root, producer=producer).id)
    finally:
        app.close()


def pending(valkey: Valkey, phone: str, status: str = "PENDING") -> str:
    """A key of cic-ussd's, as the real one writes it."""
    root = str(uuid.uuid4())
    entry = {"phone_number": phone, "sms_notification_sent": False, "status": status, "task_uuid": root}
    valkey.client.set(root, json.dumps(entry))
    return root


def test_accounts_that_are_being_made_are_found_by_their_keys(valkey: Valkey, tasks: UssdTasks) -> None:
    new, done = pending(valkey, PHONE), pending(valkey, "+254711000002", "CREATED")
    assert sorted(tasks.creations(), key=lambda one: one.phone) == [
        Creation(new, PHONE, reported=False),
        Creation(done, "+254711000002", reported=True),
    ]


@pytest.mark.parametrize(
    "text", ["{", "[]", "7", "null", '{"status": "PENDING"}', '{"task_uuid": "another", "phone_number": "+1"}']
)
def test_keys_of_other_programs_are_none(valkey: Valkey, tasks: UssdTasks, text: str) -> None:
    valkey.client.set(str(uuid.uuid4()), text)
    valkey.client.set("celery-task-meta-" + str(uuid.uuid4()), text)
    valkey.client.hset(str(uuid.uuid4()), "a", text)
    assert tasks.creations() == []


def test_a_task_is_seen_on_the_queue_and_while_a_tasker_has_it(valkey: Valkey, tasks: UssdTasks) -> None:
    task = sent(valkey, POINTER, ADDRESS, PHONE, root="a root")
    queued = WaitingTask(task, POINTER, "a root", (ADDRESS, PHONE), fetched=False)
    assert tasks.waiting() == [queued]
    with Connection(valkey.url) as connection, connection.channel() as channel:
        assert channel.basic_get(QUEUE, no_ack=False)
        assert tasks.waiting() == [WaitingTask(task, POINTER, "a root", (ADDRESS, PHONE), fetched=True)]
    assert queued.concerns(None, bytes.fromhex(ADDRESS))
    assert queued.concerns("a root", None)
    assert not queued.concerns("another", bytes(20))


def test_tasks_of_the_engine_and_what_is_no_task_are_left_out(valkey: Valkey, tasks: UssdTasks) -> None:
    sent(valkey, "cic_eth.eth.account.create", {}, queue="cic-eth")
    valkey.client.lpush(QUEUE, "{", "[]", json.dumps({"headers": {"task": POINTER, "id": "x"}}))
    with Connection(valkey.url) as connection, connection.channel() as channel:
        assert channel.basic_get("cic-eth", no_ack=False)
        assert tasks.waiting() == []


def test_a_queue_that_nobody_has_declared_is_not_an_empty_one(valkey: Valkey, tasks: UssdTasks) -> None:
    assert not tasks.is_known()
    sent(valkey, CALLBACK, ADDRESS, "en", 0)
    assert tasks.is_known()


def test_a_redis_that_is_gone_shows_nothing() -> None:
    tasks = UssdTasks(Broker(f"redis://127.0.0.1:{free_port()}/0", QUEUE, patience=0.1))
    for look in (tasks.creations, tasks.waiting, tasks.is_known):
        with pytest.raises(UnavailableError):
            look()
