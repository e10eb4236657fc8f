"""What becomes of the engine's reports, the good ones and the others."""

import base64
import hashlib
import json
import secrets
import uuid
from collections.abc import Callable

import pytest

from cicscenario.people import pointer
from cicscenario.sandbox.ussd.faults import UssdFaults, is_affected
from cicscenario.sandbox.ussd.inbox import decode
from tests.support.ussd_world import World
from tests.support.waiting import eventually

ADDRESS = "446d13e337294871090432e6c6c6d8a732bb191c"


def pending(world: World, phone: str, language: str = "1") -> str:
    """Somebody who has chosen a language, and whom the engine has not heard of yet; the task's id."""
    world.engine.paused = True
    world.dial(phone, language)
    world.redis.delete("cic-eth")
    world.engine.paused = False
    task: str = world.sql("SELECT task_uuid FROM task_tracker ORDER BY id DESC LIMIT 1")[0][0]
    return task


def test_a_report_makes_the_row_of_a_pending_account(world: World) -> None:
    world.engine.report(pending(world, "+254711000001"), ADDRESS, "en")
    world.wait_for_account("+254711000001")
    assert world.account("+254711000001") == {
        "blockchain_address": ADDRESS, "phone_number": "+254711000001", "preferred_language": None,
        "password_hash": None, "failed_pin_attempts": 0, "status": 1,
    }  # fmt: skip
    assert world.sql("SELECT guardians, guardian_quora, created = updated FROM account") == [(None, 1, True)]


def test_a_report_fills_the_cache_under_the_real_keys(world: World) -> None:
    world.engine.report(pending(world, "+254711000001"), ADDRESS, "en")
    world.wait_for_quiet()
    active = "a82362bd8ee386f3454fe1c5fdecd006001219b4a3a3180a99231e304c59c57e"
    preferences = "ca24b30d46d3837474e8c852f078735824d8db8f8c3bfd3424c44f9d86627146"
    assert world.redis.get(active) == "GFT"
    assert world.redis.get(preferences) == '{"preferred_language": "en"}'


def test_a_report_writes_preferences_pointer_and_tags_to_the_real_places(world: World) -> None:
    world.engine.report(pending(world, "+254711000001"), ADDRESS, "en")
    world.wait_for_quiet()
    assert world.meta.values == {
        "ca24b30d46d3837474e8c852f078735824d8db8f8c3bfd3424c44f9d86627146": {"preferred_language": "en"},
        "15ee6c56e1c544bdbc990da1b5fd0d0da0b91adad2a2cb99183c616eca9536d2": ADDRESS,
        "3c5814541fc41e1c05d4ea58cb6deb17a84c98a508302e029244cac19c5d9d87": {"tags": ["ussd", "individual"]},
    }


def test_from_the_start_the_default_token_and_the_languages_are_cached(open_world: Callable[..., World]) -> None:
    world = open_world()
    token = hashlib.sha256(b"evm:byzantium:8996:bloxberg:cic.token.default").hexdigest()
    assert json.loads(str(world.redis.get(token))) == {
        "symbol": "GFT", "address": "00" * 20, "name": "Giftable Token", "decimals": 6,
    }  # fmt: skip
    languages = hashlib.sha256(b"system:languages").hexdigest()
    assert json.loads(str(world.redis.get(languages)))[:2] == ["1. English", "2. Kiswahili"]


@pytest.mark.parametrize("status", [1, 2])
def test_a_report_of_a_failure_makes_no_account(world: World, status: int) -> None:
    world.engine.report(pending(world, "+254711000001"), ADDRESS, "en", status)
    world.wait_for_quiet()
    assert world.account("+254711000001") == {}
    assert world.meta.values == {}


def test_a_report_that_nobody_asked_for_is_dropped(world: World) -> None:
    world.engine.report(str(uuid.uuid4()), ADDRESS, "en")
    world.wait_for_quiet()
    assert world.sql("SELECT count(*) FROM account") == [(0,)]


def test_an_address_with_0x_leaves_a_row_that_is_of_no_use(world: World) -> None:
    phone = world.phone()
    world.engine.report(pending(world, phone), f"0x{ADDRESS}", "en")
    world.wait_for_quiet()
    assert world.account(phone)["blockchain_address"] == f"0x{ADDRESS}"
    assert world.meta.values == {}
    assert world.post(uuid.uuid4().hex, phone).status == 500


def test_what_cannot_be_stored_does_not_hold_up_the_others(world: World) -> None:
    good, bad = world.phone(), world.phone()
    tasks = [pending(world, bad), pending(world, good)]
    world.engine.report(tasks[0], "nul\0", "en")
    world.engine.report(tasks[1], ADDRESS, "en")
    world.wait_for_account(good)
    world.wait_for_quiet()
    assert world.account(bad) == {}


@pytest.mark.parametrize("message", ["no json", "[]", "{}", '{"headers": {}, "body": "x"}'])
def test_garbage_in_the_queue_is_dropped(world: World, message: str) -> None:
    world.redis.lpush("cic-ussd", message)
    world.wait_for_quiet()
    world.register()


def test_tasks_of_others_are_dropped(world: World) -> None:
    world.engine.send("cic_ussd.tasks.callback_handler.statement_callback", [[], ADDRESS, 0])
    world.engine.send("cic_ussd.tasks.callback_handler.account_creation_callback", ["too", "few"])
    world.engine.send("cic_ussd.tasks.callback_handler.transaction_callback", [{"recipient": "?"}, "transfer", 0])
    world.wait_for_quiet()
    world.register()


def test_only_a_transaction_lets_the_start_menu_through(world: World) -> None:
    phone = world.register(gift=False)
    assert world.dial(phone, "1234", "1234")[-1] == ""
    assert world.account(phone)["password_hash"] is None
    world.engine.gift(world.account(phone)["blockchain_address"])
    world.wait_for_quiet()
    assert str(world.dial(phone, "1234", "1234")[-1]).startswith("CON Balance 1234.56 GFT\n")
    assert world.account(phone)["status"] == 2


def test_a_failed_transaction_does_not(world: World) -> None:
    phone = world.register(gift=False)
    world.engine.gift(world.account(phone)["blockchain_address"], status=1)
    world.wait_for_quiet()
    assert world.dial(phone, "1234", "1234")[-1] == ""


def test_a_reader_that_died_with_messages_in_hand_is_no_loss(open_world: Callable[..., World]) -> None:
    world = open_world()
    phone = world.phone()
    task = pending(world, phone)
    world.stop()
    world.engine.report(task, ADDRESS, "en")
    world.redis.lmove("cic-ussd", "cic-ussd:sandbox-taken")  # as far as the dead one came
    again = open_world(database=world.settings.database.name)
    again.wait_for_account(phone)
    again.wait_for_quiet()
    assert again.meta.values[pointer.phone(phone).hex()] == ADDRESS


def test_a_crash_between_the_row_and_the_rest_is_made_good(open_world: Callable[..., World]) -> None:
    world = open_world()
    phone = world.phone()
    world.engine.report(pending(world, phone), ADDRESS, "en")
    world.wait_for_account(phone)
    world.wait_for_quiet()
    world.stop()
    # The row stays; what came after it is taken back, and the message is in hand again.
    world.meta.clear()
    task: str = world.sql("SELECT task_uuid FROM task_tracker")[0][0]
    world.engine.report(task, ADDRESS, "en")
    world.redis.lmove("cic-ussd", "cic-ussd:sandbox-taken")
    again = open_world(database=world.settings.database.name)
    again.wait_for_quiet()
    assert again.meta.values[pointer.phone(phone).hex()] == ADDRESS


def test_a_share_of_accounts_is_never_reported(open_world: Callable[..., World]) -> None:
    world = open_world(faults=UssdFaults(no_callback=0.5))
    phones = [world.phone() for _ in range(20)]
    for phone in phones:
        world.dial(phone, "1")
    world.wait_for_quiet()
    silent = [phone for phone in phones if not world.account(phone)]
    assert silent == [phone for phone in phones if is_affected(0.5, "no-callback", phone)]
    assert 2 <= len(silent) <= 18


def test_reports_can_be_slow(open_world: Callable[..., World]) -> None:
    world = open_world(faults=UssdFaults(slow_callback=0.7))
    phone = world.phone()
    task = pending(world, phone)
    world.engine.report(task, ADDRESS, "en")
    eventually(lambda: not world.redis.exists("cic-ussd"), "waited for the message to be taken")
    assert world.account(phone) == {}
    assert world.dial(phone)[0] != ""
    world.wait_for_account(phone)


def test_a_report_that_comes_twice_makes_one_account(open_world: Callable[..., World]) -> None:
    world = open_world(faults=UssdFaults(duplicate_callback=1))
    phone = world.register()
    assert world.sql("SELECT count(*) FROM account") == [(1,)]
    assert len(world.meta.writes) == 3
    assert world.dial(phone) == ["CON Please enter a new four number PIN for your account."]


def test_lost_metadata_leaves_an_account_without_entries(open_world: Callable[..., World]) -> None:
    world = open_world(faults=UssdFaults(lost_metadata=1))
    phone = world.register()
    assert world.account(phone)
    assert world.meta.writes == []
    assert world.dial(phone) == ["CON Please enter a new four number PIN for your account."]


def test_a_lost_database_connection_costs_one_request_and_no_account(world: World) -> None:
    phone = world.phone()
    task = pending(world, phone)
    world.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    world.engine.report(task, ADDRESS, "en")
    world.wait_for_account(phone)
    statuses = [world.post(uuid.uuid4().hex, phone).status for _ in range(3)]
    assert statuses[1:] == [200, 200]


def test_shares_hit_as_many_as_they_say() -> None:
    hit = sum(is_affected(0.25, "no-callback", f"+2547{number:08d}") for number in range(4000))
    assert 900 < hit < 1100
    assert not is_affected(0, "no-callback", "+254711000001")
    assert is_affected(1, "no-callback", "+254711000001")


def test_a_message_of_an_older_celery_is_read_too() -> None:
    body = base64.b64encode(json.dumps([[ADDRESS, "en", 0], {}, {"callbacks": None}]).encode()).decode()
    root = secrets.token_hex(8)
    message = {"body": body, "headers": {"task": "a.b", "id": "1", "root_id": root}, "content-type": "application/json"}
    task = decode(json.dumps(message))
    assert (task.name, task.root, task.arguments) == ("a.b", root, [ADDRESS, "en", 0])
