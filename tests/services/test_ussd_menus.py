"""Payments and statements by phone: each input goes only to the screen that asks for it, and a PIN nowhere else.

Screens are those of cic-ussd 0.3.1a7: recorded where a recording has them, and else by its texts with values of our own.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from cicscenario.services.ussd import UssdClient, UssdError
from cicscenario.services.ussd_menus import Paying, PhoneMenus, StatementLine, lines_of
from cicscenario.services.ussd_screens import Dialect, recognise
from tests.support.scripted_server import CLOSED, FAILED, ScriptedServer, screen

PHONE, PAYEE, PIN = "+254711080002", "+254711080003", "9305"
START = "CON Balance 1234.56 GFT\n1. Send\n2. My Sarafu\n3. My Account\n4. Help"
RECIPIENT = "CON Enter phone number\n0. Back"
AMOUNT = "CON Maximum: 1234.56 GFT\nEnter amount\n0. Back"
PROMPT = f"CON Amina Otieno {PAYEE} will receive 5.0 GFT from {PHONE}.\nPlease enter your PIN to confirm.\n0. Back"
SENT = f"CON Your request has been sent. Amina Otieno {PAYEE} will receive 5.0 GFT from {PHONE}.\n00. Back\n99. Exit"
SHORT = f"CON Payment of 5.0 GFT to {PAYEE} has failed due to insufficient balance\nBalance: 1.0\n00. Back\n99. Exit"
WRONG = "CON Incorrect PIN entered, please try again.You have 2 attempts remaining.\n0. Back"
BLOCKED = "END Your PIN has been blocked. For help, please call 0757628885."
GOODBYE = "END Thank you for using the service."
ACCOUNT = (
    "CON My account\n1. My profile\n2. Change language\n3. Check balance\n4. Check statement\n5. PIN options\n0. Back"
)
ASKS_PIN = "CON Please enter your PIN to view statement\n0. Back"
EMPTY = "CON No transaction history\n0. Back\n11. Next\n00. Exit"
NOBODY = "CON Recipient's phone number is not registered or is invalid:\n00. Retry\n99. Exit"
MENU = "CON Welcome to Sarafu Network!\n1. English\n2. Kiswahili\n3. Kamba\n11. Next\n00. Exit"
TO_PROMPT = (START, RECIPIENT, AMOUNT, PROMPT)

Serve = Callable[..., ScriptedServer]


@pytest.fixture
def serving() -> Iterator[Serve]:
    servers: list[ScriptedServer] = []

    def serve(*answers: str | bytes) -> ScriptedServer:
        servers.append(ScriptedServer([screen(one) if isinstance(one, str) else one for one in answers]))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


def menus(server: ScriptedServer) -> PhoneMenus:
    stopping = Event()
    return PhoneMenus(UssdClient(server.url, stopping=stopping), stopping)


def pay(server: ScriptedServer) -> Paying:
    return menus(server).pay(PHONE, PIN, PAYEE, 5, "GFT")


def fails(server: ScriptedServer) -> UssdError:
    with pytest.raises(UssdError) as caught:
        pay(server)
    assert PIN not in str(caught.value) + str(caught.value.hint)
    return caught.value


def test_a_payment_is_the_recipient_the_amount_and_the_pin_in_one_session(serving: Serve) -> None:
    server = serving(*TO_PROMPT, SENT)
    assert pay(server) is Paying.SENT
    assert server.texts() == ["", "1", PAYEE, "5", PIN]
    assert len({form["sessionId"] for form in server.forms()}) == 1


def test_who_has_too_little_is_not_asked_for_the_pin_and_the_session_is_left(serving: Serve) -> None:
    """Else the next dial would resume it."""
    server = serving(START, RECIPIENT, AMOUNT, SHORT, GOODBYE)
    assert pay(server) is Paying.NOT_ENOUGH
    assert server.texts() == ["", "1", PAYEE, "5", "99"]


@pytest.mark.parametrize(
    "left", [PROMPT, ASKS_PIN, RECIPIENT, "CON Please enter a new four number PIN for your account."]
)
def test_a_session_that_was_left_open_is_left_before_anything_is_typed(serving: Serve, left: str) -> None:
    server = serving(left, START, *TO_PROMPT, SENT)
    assert pay(server) is Paying.SENT
    assert server.texts() == ["", "0", "", "1", PAYEE, "5", PIN]


def test_an_open_prompt_without_its_data_is_left_too(serving: Serve) -> None:
    """Recorded: a dial that resumes it is answered 500."""
    server = serving(FAILED, START, *TO_PROMPT, SENT)
    assert pay(server) is Paying.SENT
    assert server.texts()[:3] == ["", "0", ""]


@pytest.mark.parametrize(
    ("shown", "typed"),
    [
        ([MENU], [""]),  # any input there may make an account
        ([BLOCKED], [""]),
        (["CON Balance 1234.56 OLD\n1. Send\n2. My Sarafu\n3. My Account\n4. Help"], [""]),
        ([START, RECIPIENT, NOBODY], ["", "1", PAYEE]),
        ([START, RECIPIENT, AMOUNT, WRONG], ["", "1", PAYEE, "5"]),
        ([START, RECIPIENT, AMOUNT, PROMPT.replace("5.0", "15.0")], ["", "1", PAYEE, "5"]),
        ([START, RECIPIENT, AMOUNT, PROMPT.replace("GFT", "OLD")], ["", "1", PAYEE, "5"]),
        ([START, RECIPIENT, CLOSED], ["", "1", PAYEE]),
    ],
)  # fmt: skip
def test_where_anything_else_is_shown_the_pin_is_not_typed_and_nothing_was_paid(
    serving: Serve, shown: list[str | bytes], typed: list[str]
) -> None:
    server = serving(*shown)
    assert fails(server).taken is False
    assert server.texts() == typed


def test_a_prompt_that_has_counted_a_wrong_pin_says_why_none_is_typed(serving: Serve) -> None:
    assert "blocked" in str(fails(serving(START, RECIPIENT, AMOUNT, WRONG)).hint)


@pytest.mark.parametrize(
    ("answer", "taken"), [(WRONG, False), (BLOCKED, False), (FAILED, None), (CLOSED, None), (START, None)]
)
def test_after_the_pin_only_a_refusal_of_the_pin_says_that_nothing_was_paid(
    serving: Serve, answer: str | bytes, taken: bool | None
) -> None:
    assert fails(serving(*TO_PROMPT, answer)).taken is taken


def page(*lines: str, foot: str) -> str:
    return "CON " + "\n".join(lines) + foot


def test_a_statement_is_read_page_by_page_and_left(serving: Serve) -> None:
    sent = "Sent 5.0 GFT To Amina Otieno +254711080003 15/04/22, 11:20 AM"
    got = "Received 3.5 GFT From +254711080004 15/04/22, 11:19 AM"
    server = serving(
        START,
        ACCOUNT,
        ASKS_PIN,
        page(sent, got, sent, foot="\n0. Back\n11. Next\n00. Exit"),
        page(got, foot="\n11. Next\n22. Previous\n00. Exit"),
        "CON No transaction history\n22. Previous\n00. Exit",
        GOODBYE,
    )
    found = menus(server).statement(PHONE, PIN)
    one, other = (
        StatementLine(sent=True, amount=5.0, symbol="GFT", whom="To Amina Otieno +254711080003"),
        StatementLine(sent=False, amount=3.5, symbol="GFT", whom="From +254711080004"),
    )
    assert found == [one, other, one, other]
    assert server.texts() == ["", "3", "4", PIN, "11", "11", "00"]


def test_an_empty_statement_has_no_lines(serving: Serve) -> None:
    server = serving(START, ACCOUNT, ASKS_PIN, EMPTY, GOODBYE)
    assert menus(server).statement(PHONE, PIN) == []
    assert server.texts() == ["", "3", "4", PIN, "00"]


def test_a_statement_whose_prompt_has_counted_a_wrong_pin_is_not_asked_for(serving: Serve) -> None:
    server = serving(START, ACCOUNT, WRONG)
    with pytest.raises(UssdError):
        menus(server).statement(PHONE, PIN)
    assert server.texts() == ["", "3", "4"]


@pytest.mark.parametrize("language", ["en", "sw", "kam", "kik", "miji", "luo", "bor"])
def test_lines_are_read_in_every_language(language: str) -> None:
    """By the words that cic-ussd's tables have, a copy of which the sandbox serves."""
    texts = Path(__file__).parent.parent.parent / "cicscenario/sandbox/ussd/texts-current.json"
    words = {name: forms[language] for name, forms in json.loads(texts.read_text("utf-8"))["words"].items()}
    shown = page(
        f"{words['sent']} 5.0 GFT {words['to']} {PAYEE} 15/04/22, 11:20 AM",
        f"{words['received']} 1e+16 GFT {words['from']} Amina Otieno {PAYEE} 15/04/22, 23:20 PM",
        foot="\n0. Back\n11. Next\n00. Exit",
    )
    found = lines_of(recognise(shown, Dialect.CURRENT))
    assert [(one.sent, one.amount, one.symbol) for one in found] == [(True, 5.0, "GFT"), (False, 1e16, "GFT")]
    assert all(one.whom.endswith(PAYEE) for one in found)
