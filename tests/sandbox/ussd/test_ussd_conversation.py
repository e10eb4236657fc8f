"""Turns of a conversation that no recording has, as far as cic-ussd's source tells what happens."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_engine import FakeEngine
from tests.support.fake_meta import FakeMeta, signer
from tests.support.postgres import Postgres
from tests.support.ussd_world import World
from tests.support.valkey import Valkey

BLOCKED = "END Your PIN has been blocked. For help, please call 0757628885."
HASH = "$2b$08$abcdefghijklmnopqrstuuxK63Ig36twWcwokXH3TrjY0dIY5tfmG"
PIN_ENTRY = "CON Please enter a new four number PIN for your account."


def active(world: World) -> str:
    """Somebody with tokens and the PIN 1234, who has hung up properly."""
    phone = world.register()
    world.sql("UPDATE account SET status = 2, password_hash = %s WHERE phone_number = %s", HASH, phone)
    return phone


def test_a_pin_over_the_phone_is_hashed_as_it_should_be(world: World) -> None:
    phone = world.register()
    assert str(world.dial(phone, "0000", "0000")[-1]).startswith("CON Balance")
    account = world.account(phone)
    assert account["status"] == 2
    assert str(account["password_hash"]).startswith("$2b$08$")
    assert str(world.dial(phone, "3", "3", "0000")[-1]).startswith("CON Your balances")


def test_a_wrong_pin_is_resumed_at_the_next_dial_and_whatever_is_entered_there_counts(world: World) -> None:
    phone = active(world)
    assert "2 attempts" in str(world.dial(phone, "3", "3", "9999")[-1])
    screens = world.dial(phone, "3", "3")
    assert "2 attempts" in str(screens[0])
    assert screens[-1] == BLOCKED
    assert world.account(phone)["status"] == 3


def test_a_blocked_person_is_let_in_again_after_a_reset_by_sql(world: World) -> None:
    phone = active(world)
    world.dial(phone, "3", "3", "1", "2", "3")
    assert world.dial(phone) == [BLOCKED]
    world.sql("UPDATE account SET status = 4, failed_pin_attempts = 0 WHERE phone_number = %s", phone)
    assert world.dial(phone) == [PIN_ENTRY]


def test_another_phone_with_the_same_session_goes_on_in_it(world: World) -> None:
    session = uuid.uuid4().hex
    world.post(session, world.phone())
    assert str(world.post(session, world.phone(), "11").body).startswith("CON Chagua lugha:\n4. Kikuyu")


def test_a_session_is_forgotten_after_a_minute(world: World) -> None:
    session, phone = uuid.uuid4().hex, world.phone()
    world.post(session, phone)
    assert 50 < int(str(world.redis.ttl(session))) <= 60
    world.redis.delete(session)
    assert str(world.post(session, phone, "1").body).startswith("CON Karibu")


def test_a_state_that_does_not_exist_is_an_invalid_request(world: World) -> None:
    phone = active(world)
    world.sql("UPDATE ussd_session SET state = 'no_such_state', created = now() WHERE msisdn = %s", phone)
    assert world.dial(phone) == ["END Invalid request."]


@pytest.mark.parametrize(
    ("units", "shown"),
    [
        (0, "0.0"),
        (1, "0.0"),
        (9_999, "0.0"),
        (10_000, "0.01"),
        (290_000, "0.28"),
        (290_001, "0.29"),
        (50_000_000, "50.0"),
    ],
)
def test_a_balance_is_cut_after_two_places_in_floating_point(world: World, units: int, shown: str) -> None:
    phone = active(world)
    world.tokens.units = units
    try:
        assert str(world.dial(phone)[0]).splitlines()[0] == f"CON Balance {shown} GFT"
    finally:
        world.tokens.units = 1_234_567_890


def test_a_chain_that_does_not_answer_costs_the_start_menu_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = active(world)

    def away(*_: object) -> int:
        raise ConnectionError

    monkeypatch.setattr(world.tokens, "balance", away)
    assert world.post(uuid.uuid4().hex, phone).status == 500
    monkeypatch.undo()
    assert str(world.dial(phone)[0]).startswith("CON Balance")


def test_a_redis_that_was_away_costs_the_requests_meanwhile_and_nothing_else(
    tmp_path: Path, postgres: Postgres, meta: FakeMeta, running_engine: FakeEngine, worlds: Any
) -> None:
    worlds.close()  # the database is shared
    with Valkey(tmp_path) as valkey:
        world = World(valkey, postgres, meta, running_engine, signer())
        valkey.kill()
        assert world.post(uuid.uuid4().hex, "+254711000001").status == 500
        valkey.start()
        for number, phone in enumerate(("+254711000001", "+254711000002"), 1):
            assert str(world.dial(phone, "1")[-1]).startswith("END Your account")
            assert valkey.client.llen("cic-eth") == number  # nobody takes them: the engine listens elsewhere
        world.close()


def test_two_of_one_language_read_the_same_and_others_their_own(world: World) -> None:
    phones = [world.register(choice, gift=False) for choice in ("6", "6", "4")]
    screens = [world.dial(phone)[0] for phone in phones]
    assert screens[0] == screens[1] == "CON Kiyie to ket namba ni mopondo manyien e akaunt ni."
    assert screens[2] == "CON Ikira namba yaku ya thiri njeru ina namba inna."
