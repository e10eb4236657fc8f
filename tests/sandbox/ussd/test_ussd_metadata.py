"""Metadata gets to the server: signed, one write at a time, through whatever goes wrong, and no text is written twice."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pysequoia import Tsk

from cicscenario.errors import InvalidError
from cicscenario.people import pointer
from cicscenario.sandbox.ussd.faults import UssdFaults
from cicscenario.sandbox.ussd.metaclient import EntrySigner, MetaError, SigningMetaClient
from cicscenario.sandbox.ussd.metadata import METADATA_QUEUE, QueuedEntry
from tests.support.fake_meta import FakeMeta, key, signer
from tests.support.ussd_world import World
from tests.support.waiting import eventually

PLACE = "15ee6c56e1c544bdbc990da1b5fd0d0da0b91adad2a2cb99183c616eca9536d2"
ADDRESS = "446d13e337294871090432e6c6c6d8a732bb191c"


@pytest.fixture
def client(meta: FakeMeta) -> Any:
    meta.clear()
    client = SigningMetaClient(meta.url, signer())
    yield client
    client.close()


def test_a_write_is_two_steps_with_a_signature_that_holds(client: SigningMetaClient, meta: FakeMeta) -> None:
    client.put(PLACE, ADDRESS)
    ((place, value, headers),) = meta.writes
    assert (place, value) == (PLACE, ADDRESS)
    assert headers["X-CIC-AUTOMERGE"] == "server"
    assert headers["Content-Type"] == "application/json"


def test_a_signature_of_another_key_does_not_hold(meta: FakeMeta, tmp_path: Path) -> None:
    meta.clear()
    (tmp_path / "key").write_bytes(bytes(Tsk.generate("Stranger <stranger@example.org>")))
    client = SigningMetaClient(meta.url, EntrySigner(tmp_path / "key", ""))
    with pytest.raises(MetaError):
        client.put(PLACE, ADDRESS)
    assert meta.values == {}
    client.close()


def test_a_passphrase_opens_the_key_and_another_does_not(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(bytes(key()))
    with pytest.raises(InvalidError, match="no private key that can sign") as failure:
        EntrySigner(tmp_path / "key", "not its passphrase")
    assert "not its passphrase" not in str(failure.value)


@pytest.mark.parametrize("content", [b"", b"no key"])
def test_a_file_that_is_no_key_is_an_error_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(InvalidError) as failure:
        EntrySigner(tmp_path / "key", "")
    assert "\n" not in failure.value.message


def test_a_missing_entry_is_none_and_a_present_one_its_value(client: SigningMetaClient, meta: FakeMeta) -> None:
    assert client.get(PLACE) is None
    meta.values[PLACE] = {"a": [1, "ü"]}
    assert client.get(PLACE) == {"a": [1, "ü"]}


@pytest.mark.parametrize("how", ["drop", "refuse", "drop_after"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_each_write_arrives_whatever_goes_wrong(world: World, how: str, method: str) -> None:
    getattr(world.meta.behaviour, how)[method] = 7
    phone = world.register(gift=False)
    assert getattr(world.meta.behaviour, how)[method] == 0
    address = world.account(phone)["blockchain_address"]
    assert world.meta.values[pointer.phone(phone).hex()] == address
    assert len(world.meta.values) == 3


def test_a_text_that_is_there_is_not_sent_again_after_a_crash(world: World) -> None:
    """A first step onto a text ends the real server."""
    world.meta.values[PLACE] = ADDRESS
    world.stop()
    world.redis.lpush(f"{METADATA_QUEUE}:sandbox-taken", QueuedEntry(PLACE, ADDRESS).dump())
    world.start_again()
    world.wait_for_quiet()
    assert world.meta.posts == []


def test_only_one_second_step_is_under_way_at_a_time(world: World) -> None:
    world.meta.behaviour.put_seconds = 0.02
    for number in range(30):
        entry = QueuedEntry(pointer.phone(f"+2547{number:08d}").hex(), ADDRESS)
        world.redis.lpush(METADATA_QUEUE, entry.dump())
    world.wait_for_quiet()
    assert len(world.meta.values) == 30
    assert world.meta.parallel_puts == 1


def test_entries_of_one_place_are_written_in_order(world: World) -> None:
    for language in ("en", "sw", "luo"):
        world.redis.lpush(METADATA_QUEUE, QueuedEntry(PLACE, {"preferred_language": language}).dump())
    world.wait_for_quiet()
    assert [value["preferred_language"] for _, value, _ in world.meta.writes] == ["en", "sw", "luo"]


def test_while_the_server_is_away_everything_waits(world: World) -> None:
    world.meta.behaviour.drop = {"GET": 10_000, "POST": 10_000, "PUT": 10_000}
    phone = world.phone()
    world.dial(phone, "1")
    world.wait_for_account(phone)
    assert world.dial(phone) == ["CON Please enter a new four number PIN for your account."]
    assert world.meta.values == {}
    world.meta.behaviour.drop.clear()
    world.wait_for_quiet()
    assert len(world.meta.values) == 3


def test_what_is_refused_for_good_does_not_hold_up_the_others(world: World) -> None:
    world.meta.values[PLACE] = "a text, onto which none can be written"
    world.redis.lpush(METADATA_QUEUE, QueuedEntry(PLACE, ADDRESS).dump())
    phone = world.register(gift=False)
    assert world.meta.values[pointer.phone(phone).hex()] == world.account(phone)["blockchain_address"]
    assert world.meta.values[PLACE] == "a text, onto which none can be written"


def test_an_answer_that_is_no_value_is_an_error_of_the_server(
    client: SigningMetaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeMeta, "get", lambda self, place: (200, '"cut'))
    with pytest.raises(MetaError, match="the answer to a read is not JSON"):
        client.get(PLACE)


def test_stopping_while_the_server_is_away_loses_nothing(world: World) -> None:
    world.meta.behaviour.drop = {"POST": 10_000, "GET": 10_000}
    phone = world.phone()
    world.dial(phone, "1")
    world.wait_for_account(phone)
    world.stop()
    world.meta.behaviour.drop.clear()
    world.start_again()
    world.wait_for_quiet()
    assert world.meta.values[pointer.phone(phone).hex()] == world.account(phone)["blockchain_address"]


def test_writes_can_be_slow(open_world: Callable[..., World]) -> None:
    world = open_world(faults=UssdFaults(meta_delay=2.0))
    phone = world.phone()
    world.dial(phone, "1")
    eventually(lambda: bool(world.redis.exists(f"{METADATA_QUEUE}:sandbox-taken")), "waited for the entry to be taken")
    assert world.meta.values == {}
    world.wait_for_quiet()
    assert len(world.meta.values) == 3


def test_a_preference_written_by_others_comes_with_the_next_dial(world: World) -> None:
    phone = world.register(gift=False)
    address = bytes.fromhex(world.account(phone)["blockchain_address"])
    world.meta.values[pointer.preferences(address).hex()] = {"preferred_language": "bor"}
    assert world.dial(phone) == ["CON Please enter a new four number PIN for your account."]
    world.wait_for_quiet()
    assert world.dial(phone) == ["CON Tafadhal pin hareti kekhae ka namba afuri fulaa akaunti kake"]


@pytest.mark.parametrize("value", ["text", 7, [], {"preferred_language": "fr"}, {}])
def test_a_preference_that_is_no_known_language_is_read_in_the_fallback(world: World, value: Any) -> None:
    phone = world.register("2", gift=False)
    address = bytes.fromhex(world.account(phone)["blockchain_address"])
    world.meta.values[pointer.preferences(address).hex()] = value
    world.dial(phone)
    world.wait_for_quiet()
    assert world.dial(phone) == ["CON Tafadhali weka pin mpya yenye nambari nne kwa akaunti yako"]


def test_an_entry_in_the_queue_is_its_place_and_its_value() -> None:
    assert json.loads(QueuedEntry(PLACE, {"a": 1}).dump()) == [PLACE, {"a": 1}]
