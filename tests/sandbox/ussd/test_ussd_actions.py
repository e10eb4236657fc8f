"""What people do in the menus past the start has its effects: profiles, PINs, guardians, tokens, transfers, statements."""

import base64
import json
from typing import Any

import pytest

from cicscenario.people import pointer, vcard
from cicscenario.sandbox.ussd.cache import key
from tests.support.fake_engine import Asked
from tests.support.ussd_world import World

HASH = "$2b$08$abcdefghijklmnopqrstuuxK63Ig36twWcwokXH3TrjY0dIY5tfmG"  # of 1234
CHAIN = {"arch": "evm", "fork": "byzantium", "network_id": 8996, "common_name": "bloxberg", "custom": []}
START = "CON Balance 1234.56 GFT\n1. Send\n2. My Sarafu\n3. My Account\n4. Help"
PIN = "CON Please enter your PIN\n0. Back"
EXIT = "END Thank you for using the service."


def active(world: World, language: str = "1") -> str:
    """Somebody with tokens and the PIN 1234."""
    phone = world.register(language)
    world.sql("UPDATE account SET status = 2, password_hash = %s WHERE phone_number = %s", HASH, phone)
    return phone


def address(world: World, phone: str) -> str:
    return str(world.account(phone)["blockchain_address"])


def person(world: World, phone: str) -> Any:
    return world.meta.values.get(pointer.person(bytes.fromhex(address(world, phone))).hex())


def guardians(world: World, phone: str) -> Any:
    return world.sql("SELECT guardians FROM account WHERE phone_number = %s", phone)[0][0]


def messages(world: World) -> list[list[Any]]:
    """What was sent to the service of messages: channels, text, queue and number of each, the newest first."""
    bodies = [json.loads(str(text))["body"] for text in world.redis.lrange("cic-notify", 0, -1)]
    return [json.loads(base64.b64decode(body))[0] for body in bodies]


def last(world: World, phone: str, *texts: str) -> str | None:
    screen = world.dial(phone, *texts)[-1]
    world.wait_for_quiet()
    return screen


@pytest.fixture
def jane(world: World) -> str:
    """Somebody who has filled in the whole profile."""
    phone = active(world)
    world.sql("UPDATE account SET created = '2026-11-20 12:00:00' WHERE phone_number = %s", phone)
    assert last(world, phone, "3", "1", "1", "Jane", "Roe; x", "2", "1990", "Kilifi", "maize,beans") == START
    return phone


def test_a_whole_profile_is_a_person_document(world: World, jane: str) -> None:
    document = person(world, jane)
    contact = vcard.decode(document.pop("vcard"))
    assert contact == vcard.Contact("Jane", "Roe; x", None, jane)
    assert document == {
        "date_registered": 1795176000,
        "date_of_birth": {"year": 1990},
        "gender": "Female",
        "identities": {"evm": {"byzantium": {"8996:bloxberg": [address(world, jane)]}}},
        "location": {"area_name": "Kilifi"},
        "products": ["maize", "beans"],
    }


@pytest.mark.parametrize(
    ("choices", "field", "value"),
    [
        (["2", "3"], "gender", "Other"),
        (["3", "1975"], "date_of_birth", {"year": 1975}),
        (["4", "Nairobi"], "location", {"area_name": "Nairobi"}),
        (["5", "honey,wax"], "products", ["honey", "wax"]),
    ],
)
def test_a_known_profile_is_changed_in_one_place_after_the_pin(
    world: World, jane: str, choices: list[str], field: str, value: Any
) -> None:
    before = person(world, jane)
    last(world, jane)  # the document is read at a dial
    assert world.dial(jane, "3", "1", *choices, "1234")[-2:] == [PIN, EXIT]
    world.wait_for_quiet()
    assert person(world, jane) == before | {field: value}


def test_a_new_name_keeps_the_rest(world: World, jane: str) -> None:
    before = person(world, jane)
    last(world, jane)
    assert last(world, jane, "3", "1", "1", "Mary", "Major", "1234") == EXIT
    after = person(world, jane)
    assert vcard.decode(after.pop("vcard")) == vcard.Contact("Mary", "Major", None, jane)
    assert after == {name: value for name, value in before.items() if name != "vcard"}


def test_a_wrong_pin_changes_no_profile(world: World, jane: str) -> None:
    before = person(world, jane)
    last(world, jane)
    assert "2 attempts" in str(last(world, jane, "3", "1", "4", "Nairobi", "9999"))
    assert person(world, jane) == before


def test_a_profile_that_is_begun_in_the_middle_cannot_be_written(world: World) -> None:
    phone = active(world)
    assert last(world, phone, "3", "1", "5", "maize") == ""
    assert person(world, phone) is None


def test_the_profile_is_shown_after_the_pin(world: World, jane: str) -> None:
    last(world, jane)
    shown = last(world, jane, "3", "1", "6", "1234")
    assert str(shown).splitlines()[1:4] == ["Name: Jane Roe; x", "Gender: Female", "Age: 36"]
    assert last(world, active(world), "3", "1", "6", "1234") == (
        "CON Profile:\nName: Not provided\nGender: Not provided\nAge: Not provided\n"
        "Location: Not provided\nYou sell: Not provided\n0. Back"
    )


@pytest.mark.parametrize("value", ["text", [1], {"vcard": "x"}, {"date_registered": 1, "identities": {}, "vcard": "*"}])
def test_what_is_no_person_document_is_not_taken_for_one(world: World, value: Any) -> None:
    phone = active(world)
    world.meta.values[pointer.person(bytes.fromhex(address(world, phone))).hex()] = value
    last(world, phone)
    assert "Not provided" in str(last(world, phone, "3", "1", "6", "1234"))


def test_a_language_is_changed_by_way_of_the_metadata_server(world: World) -> None:
    phone = active(world)
    screen = last(world, phone, "3", "2", "11", "11", "7")
    assert screen == "CON Your request has been sent. You will receive an SMS shortly.\n00. Back\n99. Exit"
    place = pointer.preferences(bytes.fromhex(address(world, phone))).hex()
    assert world.meta.values[place] == {"preferred_language": "bor"}
    last(world, phone)
    assert str(last(world, phone, "00")).startswith("CON Balans 1234.56 GFT")


def test_a_new_pin_is_the_only_one_that_opens(world: World) -> None:
    phone = active(world)
    assert str(last(world, phone, "3", "5", "1", "1234", "2468", "2468")).startswith("CON Your request has been sent")
    assert str(last(world, phone, "00", "3", "3", "2468")).startswith("CON Your balances")
    world.sql("UPDATE ussd_session SET state = 'exit'")
    assert "2 attempts" in str(last(world, phone, "3", "3", "1234"))


def test_the_old_pin_is_no_new_pin_and_two_different_ones_are_none(world: World) -> None:
    phone = active(world)
    assert last(world, phone, "3", "5", "1", "1234", "1234") == "END Invalid request."
    assert last(world, phone, "3", "5", "1", "1234", "2468", "2469") == (
        "END The new PIN does not match the one you entered. Please try again. For help, call %{support_phone}."
    )
    assert world.account(phone)["password_hash"] == HASH


def test_guardians_are_added_listed_and_removed(world: World) -> None:
    phone, friend, other = active(world), active(world), active(world)
    added = last(world, phone, "3", "5", "3", "2", friend, "1234")
    assert added == f"CON Success: {friend} can now reset your PIN\n0. Back\n9. Exit"
    assert guardians(world, phone) == friend
    assert f"CON Your PIN guards are:\n{friend}\n" in str(last(world, phone, "3", "5", "3", "1", "1234"))
    world.sql("UPDATE ussd_session SET state = 'exit'")
    refused = last(world, phone, "3", "5", "3", "2", friend)
    assert refused == "CON This phone number is already added as a PIN guardian\n0. Back\n9. Exit"
    world.sql("UPDATE ussd_session SET state = 'exit'")
    assert str(last(world, phone, "3", "5", "3", "3", other)).startswith("CON Phone number not set as PIN guardian")
    world.sql("UPDATE ussd_session SET state = 'exit'")
    last(world, phone, "3", "5", "3", "3", friend, "1234")
    assert guardians(world, phone) == ""


def test_two_guardians_are_stored_in_the_form_of_a_list(world: World) -> None:
    phone, friend, other = active(world), active(world), active(world)
    for one in (friend, other):
        world.sql("UPDATE ussd_session SET state = 'exit'")
        last(world, phone, "3", "5", "3", "2", one, "1234")
    assert guardians(world, phone) == f"{{{friend},{other}}}"
    world.sql("UPDATE ussd_session SET state = 'exit'")
    assert str(last(world, phone, "3", "5", "3", "1", "1234")).splitlines()[1:3] == [friend, other]


def test_a_guardian_resets_the_pin_of_another(world: World) -> None:
    phone, friend = active(world), active(world)
    world.sql(
        "UPDATE account SET guardians = %s, failed_pin_attempts = 3, status = 3 WHERE phone_number = %s", friend, phone
    )
    screen = last(world, friend, "3", "5", "2", phone, "1234")
    assert screen == f"CON Success: You have initiated a PIN reset for {phone}\n0. Back\n9. Exit"
    assert (world.account(phone)["failed_pin_attempts"], world.account(phone)["status"]) == (0, 4)
    text = f"{friend} has sent a request to initiate your PIN reset"
    assert messages(world) == [[["sms"], text, "cic-notify", phone]]
    assert last(world, phone) == "CON Please enter a new four number PIN for your account."


def test_who_is_no_guardian_resets_no_pin(world: World) -> None:
    phone, stranger = active(world), active(world)
    world.sql("UPDATE account SET failed_pin_attempts = 3, status = 3 WHERE phone_number = %s", phone)
    assert "not authorized" in str(last(world, stranger, "3", "5", "2", phone))
    assert world.account(phone)["status"] == 3
    assert messages(world) == []


def link(asked: dict[str, Any] | Asked) -> dict[str, Any]:
    (following,) = asked.body[2]["callbacks"] if isinstance(asked, Asked) else asked["options"]["link"]
    return dict(following)


def test_a_transfer_is_the_chain_of_tasks_of_cic_ussd(world: World) -> None:
    phone, friend = active(world), active(world)
    screens = world.dial(phone, "1", friend, "5.5", "1234")
    world.wait_for_quiet()
    assert screens[1:4] == [
        "CON Enter phone number\n0. Back",
        "CON Maximum: 1234.56 GFT\nEnter amount\n0. Back",
        f"CON {friend} will receive 5.5 GFT from {phone}.\nPlease enter your PIN to confirm.\n0. Back",
    ]
    assert str(screens[4]).startswith(f"CON Your request has been sent. {friend} will receive 5.5 GFT from {phone}.")
    (root,) = [asked for asked in world.engine.others if asked.headers["task"] == "cic_eth.admin.ctrl.check_lock"]
    me, them = address(world, phone), address(world, friend)
    assert root.body[0] == [["GFT"], CHAIN, 16, me]
    nonce = link(root)
    tokens = link(nonce)
    transfer = link(tokens)
    assert [(task["task"], task["args"]) for task in (nonce, tokens, transfer)] == [
        ("cic_eth.eth.nonce.reserve_nonce", [CHAIN, me]),
        ("cic_eth.eth.erc20.resolve_tokens_by_symbol", [CHAIN]),
        ("cic_eth.eth.erc20.transfer", [me, them, 5_500_000, CHAIN]),
    ]


def test_nothing_is_sent_without_the_pin_or_beyond_the_balance(world: World) -> None:
    phone, friend = active(world), active(world)
    assert "2 attempts" in str(last(world, phone, "1", friend, "5", "9999"))
    world.sql("UPDATE ussd_session SET state = 'exit'")
    poor = last(world, phone, "1", friend, "1234.57")
    assert poor == (
        f"CON Payment of 1234.57 GFT to {friend} has failed due to insufficient balance\n"
        "Balance: 1234.56\n00. Back\n99. Exit"
    )
    assert {asked.headers["task"] for asked in world.engine.others} == {"cic_eth.queue.query.get_account_tx"}


def test_a_number_that_is_not_registered_is_invited(world: World) -> None:
    phone = active(world)
    screen = last(world, phone, "1", "0799000001")
    assert screen == "CON Recipient's phone number is not registered or is invalid:\n00. Retry\n99. Exit"
    ((channels, text, _, number),) = messages(world)
    assert (channels, number) == (["sms"], "+254799000001")
    assert text.startswith(f"{phone} tried to send you GFT.")


def test_an_amount_that_is_no_json_number_is_kept_out_of_the_table(world: World) -> None:
    phone, friend = active(world), active(world)
    assert "insufficient" in str(last(world, phone, "1", friend, "1e999"))
    session = world.last_session(phone)
    assert session is not None
    assert session["state"] == "enter_transaction_amount"


def transaction(number: int, mine: str, other: str, **changes: Any) -> dict[str, Any]:
    """A transaction in the engine's form, received by ``mine``."""
    return {
        "sender": other, "recipient": mine, "source_token": "0xab", "destination_token": "0xab", "status": "SUCCESS",
        "source_token_symbol": "GFT", "destination_token_symbol": "GFT", "source_token_decimals": 6,
        "destination_token_decimals": 6, "from_value": number * 1_000_000, "to_value": number * 1_000_000,
        "timestamp": 1_650_000_000 + number * 3600,
    } | changes  # fmt: skip


def test_a_statement_has_three_transactions_on_a_page_the_newest_first(world: World) -> None:
    phone, friend = active(world), active(world)
    me, them = address(world, phone), address(world, friend)
    world.engine.transactions = [
        *[transaction(number, me, "cc" * 20) for number in (1, 2, 3)],
        transaction(4, them, me),
        transaction(5, me, them, status="PENDING"),
        transaction(6, me, them, source_token="0x" + 40 * "0"),
    ]
    last(world, phone)
    screens = world.dial(phone, "3", "4", "1234", "11", "11", "22", "22", "00")
    assert screens[3:5] == [
        (
            f"CON Sent 4.0 GFT To {friend} 15/04/22, 12:20 PM\n"
            "Received 3.0 GFT From GRASSROOTS ECONOMICS 15/04/22, 11:20 AM\n"
            "Received 2.0 GFT From GRASSROOTS ECONOMICS 15/04/22, 10:20 AM\n0. Back\n11. Next\n00. Exit"
        ),
        "CON Received 1.0 GFT From GRASSROOTS ECONOMICS 15/04/22, 09:20 AM\n11. Next\n22. Previous\n00. Exit",
    ]
    assert screens[5] == "CON No transaction history\n22. Previous\n00. Exit"
    assert screens[6:] == [screens[4], screens[3], EXIT]


def test_a_wrong_pin_for_the_statement_fails_and_does_not_count(world: World) -> None:
    phone = active(world)
    assert last(world, phone, "3", "4", "9999") == ""
    assert world.account(phone)["failed_pin_attempts"] == 0


def test_tokens_are_paged_chosen_by_number_or_symbol_and_then_used(world: World) -> None:
    phone = active(world)
    for symbol in ("ABC", "DEF", "XYZ"):
        world.engine.gift(address(world, phone), symbol)
    world.wait_for_quiet()
    screens = world.dial(phone, "2", "11", "11", "22", "22", "abc", "1234")
    assert screens[1:3] == [
        (
            "CON Choose a number or symbol from your balances:\n1. XYZ 1234.56\n2. GFT 1234.56\n3. ABC 1234.56\n"
            "0. Back\n11. Next\n00. Exit"
        ),
        "CON Choose a number or symbol from your balances:\n4. DEF 1234.56\n11. Next\n22. Previous\n00. Exit",
    ]
    assert str(screens[3]).splitlines()[1] == "No more Sarafu"
    assert screens[4:6] == [screens[2], screens[1]]
    assert str(screens[6]).startswith("CON ABC (ABC)\n")
    assert str(screens[7]).startswith("CON Success! ABC")
    assert str(last(world, phone)).startswith("CON Balance 1234.56 ABC")


def test_what_the_metadata_server_knows_of_a_token_is_shown(world: World) -> None:
    phone = active(world)
    symbol = b"MTK"
    world.meta.values[key(":cic.token.meta.symbol", symbol)] = {"contact": {"phone": "0700"}, "location": "Mombasa"}
    world.meta.values[key(":cic.token.proof.symbol", symbol)] = {"description": "?", "issuer": "A group"}
    world.engine.gift(address(world, phone), "MTK")
    world.wait_for_quiet()
    assert str(last(world, phone, "2", "mtk")).startswith("CON MTK (MTK)\nA group\n0700\nMombasa\n")
