"""Transfers are read from signed bytes; what an account received, and other calls, are not its transfers."""

from cicscenario.capabilities.madetransfers import MadeTransfer, transfers_by
from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import GIVE_TO, TRANSFER
from cicscenario.chain.signer import Signer

PAYER, PAYEE, TOKEN = b"\xaa" * 20, b"\xbb" * 20, b"\x70" * 20


def signed(payee: bytes, units: int, function: bytes = TRANSFER) -> dict[bytes, bytes]:
    data = pack(function, payee, units)
    made = Signer(b"\x01" * 32, 8996).sign(nonce=0, gas_price=1, gas=9, to=TOKEN, value=0, data=data)
    return {made.hash: made.raw}


def test_a_transfer_has_its_token_its_payee_and_its_amount() -> None:
    ((digest, _),) = signed(PAYEE, 7).items()
    assert transfers_by(PAYER, signed(PAYEE, 7)) == [MadeTransfer(digest, TOKEN, PAYEE, 7)]


def test_what_was_received_and_what_is_no_transfer_is_left_out() -> None:
    assert transfers_by(PAYER, signed(PAYER, 7) | signed(PAYEE, 8, GIVE_TO)) == []
