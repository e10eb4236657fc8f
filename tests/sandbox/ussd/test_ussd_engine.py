"""What the custodial engine is asked for, and what is remembered of it."""

import json
import uuid
from typing import Any

import pytest

from tests.support.fake_engine import Asked
from tests.support.ussd_world import World

CHAIN = {"arch": "evm", "fork": "byzantium", "network_id": 8996, "common_name": "bloxberg", "custom": []}


def plain(task: str, *arguments: Any, queue: str = "cic-eth", link: list[Any] | None = None) -> dict[str, Any]:
    options: dict[str, Any] = {"queue": queue} | ({"link": link} if link else {})
    shape = {"kwargs": {}, "subtask_type": None, "immutable": False}
    return {"task": task, "args": list(arguments), "options": options} | shape


@pytest.fixture
def asked(world: World) -> Asked:
    world.dial("+254711080001", "1")
    world.wait_for_quiet()
    return world.engine.asked[0]


def test_the_chain_of_tasks_is_cic_ussds_own(asked: Asked) -> None:
    report = plain("cic_ussd.tasks.callback_handler.account_creation_callback", "en", 0, queue="cic-ussd")
    register = plain("cic_eth.eth.account.register", CHAIN)
    nonce = plain("cic_eth.eth.nonce.reserve_nonce", CHAIN, "ACCOUNT_REGISTRY_WRITER", link=[register])
    create = plain("cic_eth.eth.account.create", CHAIN, link=[report, nonce])
    assert asked.body == [["", CHAIN, 4], {}, {"callbacks": [create], "errbacks": None, "chain": None, "chord": None}]


def test_the_message_is_one_of_celery(asked: Asked) -> None:
    assert asked.headers["task"] == "cic_eth.admin.ctrl.check_lock"
    assert asked.headers["id"] == asked.headers["root_id"]
    assert asked.headers["parent_id"] is None
    assert asked.properties["delivery_info"] == {"exchange": "", "routing_key": "cic-eth"}
    assert asked.properties["body_encoding"] == "base64"


def test_the_task_is_written_down_in_both_databases(world: World) -> None:
    world.engine.paused = True
    world.dial("+254711080002", "2")
    (task,) = world.sql("SELECT task_uuid FROM task_tracker")[0]
    assert str(uuid.UUID(task)) == task
    assert json.loads(str(world.redis.get(task))) == {
        "phone_number": "+254711080002", "sms_notification_sent": False, "status": "PENDING", "task_uuid": task,
    }  # fmt: skip
    assert world.redis.ttl(task) == -1
    world.engine.paused = False
    world.wait_for_account("+254711080002")
    world.wait_for_quiet()
    assert json.loads(str(world.redis.get(task)))["status"] == "CREATED"
    assert 0 < int(str(world.redis.ttl(task))) <= 180


def test_choosing_twice_makes_a_second_address_that_nobody_gets(world: World) -> None:
    world.engine.paused = True
    world.dial("+254711080003", "1")
    world.dial("+254711080003", "2")
    world.engine.paused = False
    world.wait_for_account("+254711080003")
    world.wait_for_quiet()
    assert len(world.engine.asked) == 2
    assert world.sql("SELECT count(*) FROM account")[0][0] == 1
    assert world.preferences("+254711080003") == {"preferred_language": "en"}


@pytest.mark.parametrize(
    ("choice", "language"),
    [("1", "en"), ("2", "sw"), ("3", "kam"), ("4", "kik"), ("5", "miji"), ("6", "luo"), ("7", "bor"), ("-6", "en")],
)
def test_each_choice_asks_for_its_language(world: World, choice: str, language: str) -> None:
    world.dial(world.phone(), choice)
    world.wait_for_quiet()
    assert world.engine.asked[0].report["args"] == [language, 0]
