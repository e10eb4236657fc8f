"""Transactions that use up a nonce and do nothing, so that no other transaction with that nonce can be mined."""

from cicscenario.chain.follower import PLAIN_TRANSFER_GAS
from cicscenario.chain.gasprice import GasPrice, at, most_of
from cicscenario.chain.signer import Signer
from cicscenario.state.ledgertable import PART
from cicscenario.state.rows import LedgerRow

PURPOSE = "void"  #: in the ledger; the person is the nonce


def filler(signer: Signer, nonce: int, gas_price: GasPrice, person: int | None = None) -> LedgerRow:
    """A transfer of nothing to the signer itself. Its price is twice ``gas_price`` (wei): it replaces what waits in a node.

    ``person`` is who signs for themselves; None for the run's own signer.
    """
    signed = signer.sign(
        nonce=nonce,
        gas_price=at(gas_price, 2 * most_of(gas_price)),
        gas=PLAIN_TRANSFER_GAS,
        to=signer.address,
        value=0,
        data=b"",
    )
    purpose, who = (PURPOSE, nonce) if person is None else (f"{PURPOSE}{PART}{nonce}", person)
    return LedgerRow(purpose, who, signer.address, nonce, signed.hash, signed.raw, PLAIN_TRANSFER_GAS, "signed")
