"""People of a village buy at a market, by phone. Each test has people of its own, for all share one stack."""

import hashlib
import time

import pytest
from web3 import Web3

from cicscenario.testing.stack import Stack

BALANCE_OF = [
    {
        "name": "balanceOf",
        "type": "function",
        "stateMutability": "view",
        "inputs": [{"name": "holder", "type": "address"}],
        "outputs": [{"name": "", "type": "uint256"}],
    }
]
PATIENCE = 120  # seconds until a payment has arrived


@pytest.fixture
def village(cic_stack) -> Stack:
    return cic_stack("scenarios/village.yaml")


def balance(village: Stack, account: str) -> int:
    """Whole tokens, of six decimals."""
    token = village.web3.eth.contract(village.contracts["token"], abi=BALANCE_OF)
    return token.functions.balanceOf(account).call() // 10**6


def test_a_phone_shows_the_balance_that_the_chain_has(village: Stack) -> None:
    person = village.people[0]
    screen = village.dial(person.phone)
    assert screen.startswith(f"Balance {balance(village, person.address)}.0 GFT\n1. Send")


def test_somebody_pays_by_phone(village: Stack) -> None:
    buyer, seller = village.people[1:3]
    before = balance(village, buyer.address), balance(village, seller.address)
    screen = village.dial(buyer.phone, f"1*{seller.phone}*3*{buyer.pin}")
    assert f"{seller.phone} will receive 3.0 GFT from {buyer.name}" in screen
    deadline = time.monotonic() + PATIENCE
    while balance(village, seller.address) == before[1] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (balance(village, buyer.address), balance(village, seller.address)) == (before[0] - 3, before[1] + 3)


def test_nobody_pays_with_a_wrong_pin_and_who_it_is_is_known_everywhere(village: Stack) -> None:
    person = village.person(village.people[3].phone)
    before = balance(village, person.address)
    wrong = "0001" if person.pin == "0000" else "0000"
    screen = village.dial(person.phone, f"1*{village.people[4].phone}*1*{wrong}")
    assert "will receive" not in screen
    assert balance(village, person.address) == before
    with village.postgres() as database, database.cursor() as cursor:
        cursor.execute("SELECT blockchain_address FROM account WHERE phone_number = %s", (person.phone,))
        ((address,),) = cursor.fetchall()
    assert Web3.to_checksum_address(address) == person.address
    assert village.web3.eth.account.from_key(person.key).address == person.address
    assert village.redis.ping()
    assert village.ussd.get("/health-check").text.strip() == "healthy"
    pointer = hashlib.sha256(person.phone.encode() + b":cic.phone").hexdigest()
    answer = village.meta.get(pointer)
    assert answer.status_code == 200
    assert person.address.removeprefix("0x").lower() in answer.text.lower()
