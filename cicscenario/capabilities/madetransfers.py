"""Transfers of tokens among signed transactions, as the custodial engine lists them for an account."""

from collections.abc import Mapping
from typing import NamedTuple

from cicscenario.chain.contracts import TRANSFER
from cicscenario.chain.proof import SentCall


class MadeTransfer(NamedTuple):
    """A signed transfer, sent or not: ``token`` and ``payee`` have 20 bytes, ``amount`` is in base units."""

    hash: bytes
    token: bytes
    payee: bytes
    amount: int


def transfers_by(account: bytes, signed: Mapping[bytes, bytes]) -> list[MadeTransfer]:
    """The transfers by an account, to others, among transactions (by hash) of which it is payer or payee."""
    calls = ((digest, SentCall.of(raw)) for digest, raw in signed.items())
    found = (
        MadeTransfer(digest, call.to, call.argument(0).to_bytes(32, "big")[12:], call.argument(1))
        for digest, call in calls
        if call.function == TRANSFER
    )
    return [one for one in found if one.payee != account]
