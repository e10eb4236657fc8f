"""What the engine answers to who asks for an account's transactions: those that it has made, in cic-eth's form."""

from functools import cache
from types import SimpleNamespace
from typing import Any

from celery import Celery

from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import GIVE_TO, TRANSFER, Token
from cicscenario.chain.signer import Signer
from cicscenario.sandbox.custodial import statement_tasks
from cicscenario.sandbox.custodial.context import checksummed
from cicscenario.sandbox.custodial.database import Otx
from tests.support.ussd_memory import SPEC

PAYER, PAYEE, TOKEN = "aa" * 20, "bb" * 20, Token(b"\x70" * 20, "GFT", 6, None)
SIGNER = Signer(b"\x01" * 32, SPEC.network_id)


def otx(number: int, purpose: str, *, to: bytes = TOKEN.address, units: int = 5) -> Otx:
    data = pack(TRANSFER if purpose == "transfer" else GIVE_TO, bytes.fromhex(PAYEE), units)
    signed = SIGNER.sign(nonce=number, gas_price=1, gas=100_000, to=to, value=0, data=data)
    return Otx(number, purpose, PAYEE, PAYER, number, signed.hash.hex(), signed.raw.hex())


class Tables:
    """The engine's tables: transactions with their status and time."""

    def __init__(self, *rows: tuple[Otx, str, int]) -> None:
        self._rows = rows

    def signed_of(self, address: str) -> dict[str, str]:
        return {row.tx_hash: row.signed_tx for row, *_ in self._rows if address in (row.sender, row.account)}

    def dated(self, hashes: list[str]) -> list[tuple[Otx, str, int]]:
        return [row for row in self._rows if row[0].tx_hash in hashes]


CONTEXT = SimpleNamespace(
    contracts=SimpleNamespace(token=TOKEN), settings=SimpleNamespace(chain_spec=SPEC), chain=str(SPEC)
)


@cache
def app() -> Celery:
    """One for all tests: Celery gives the tasks of one to all."""
    made = Celery(set_as_current=False)
    made.engine_context = CONTEXT
    statement_tasks.add_to(made)
    return made


def listed(*rows: tuple[Otx, str, int], of: str = PAYER) -> list[dict[str, Any]]:
    CONTEXT.database = Tables(*rows)
    transactions = app().tasks["cic_eth.queue.query.get_account_tx"](SPEC.asdict(), f"0x{of}")
    found: list[dict[str, Any]] = app().tasks["cic_eth.ext.tx.tx_collate"](transactions, SPEC.asdict(), 0, 9)
    return found


def test_an_account_without_transactions_has_an_empty_list() -> None:
    assert listed() == []
    assert listed((otx(1, "transfer"), "final", 10), of="cc" * 20) == []


def test_a_transfer_has_its_token_both_accounts_and_its_amount() -> None:
    row = otx(1, "transfer", units=7_000_000)
    (found,) = listed((row, "final", 1_600_000_000), of=PAYEE)
    assert {name: found[name] for name in ("sender", "recipient", "timestamp", "status", "hash")} == {
        "sender": PAYER, "recipient": PAYEE, "timestamp": 1_600_000_000, "status": "SUCCESS", "hash": row.tx_hash,
    }  # fmt: skip
    for side, value in (("source", "from_value"), ("destination", "to_value")):
        assert found[f"{side}_token"] == checksummed(TOKEN.address)
        assert (found[f"{side}_token_symbol"], found[f"{side}_token_decimals"], found[value]) == ("GFT", 6, 7_000_000)


def test_what_moves_no_tokens_has_the_zero_address_which_cic_ussd_leaves_out() -> None:
    (found,) = listed((otx(1, "faucet"), "final", 10))
    assert (found["source_token"], found["from_value"]) == (f"0x{'0' * 40}", 0)


def test_only_a_mined_one_is_a_success() -> None:
    shown = {status: listed((otx(1, "transfer"), status, 10))[0]["status"] for status in ("ready", "sent", "failed")}
    assert shown == {"ready": "READYSEND", "sent": "SENT", "failed": "REVERTED"}


def test_the_newest_come_first_and_none_is_left_out() -> None:
    rows = [(otx(number, "transfer"), "final", 1000 + number) for number in range(12)]
    assert [found["nonce"] for found in listed(*rows)] == list(range(11, -1, -1))
