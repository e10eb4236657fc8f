"""Proves from its logs that a mined transaction had its effect.

A receipt's status of 1 only means that nothing reverted; a token may have returned false. The expected log follows from the
bytes of the signed transaction, which the state still has after a crash. Events in both generations of contracts:

- AddressAdded (address, index) or (address)
- Transfer (from, to, value)
- Mint (minter, beneficiary, value): ``mintTo`` emits it instead of Transfer
- FaucetUsed (recipient, token, value): the latest faucet does not emit it, so the token's log is the proof
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cicscenario.chain.abi import from_hex, to_hex
from cicscenario.chain.contracts import ADD, GIVE_TO, MINT_TO, TRANSFER, TRANSFER_EVENT
from cicscenario.chain.flatrlp import first_strings
from cicscenario.chain.rlpcode import rlp_decoded
from cicscenario.keccak import keccak
from cicscenario.state.rows import LedgerRow

Log = Mapping[str, Any]  #: as JSON-RPC gives it

_FAUCET_FAIL_EVENT = to_hex(keccak(b"FaucetFail(address,address,uint256)"))

_PLACES = {1: 4, 2: 5}  # where the recipient is among the fields of a typed transaction


@dataclass(frozen=True)
class SentCall:
    """The call that a signed transaction makes; ``value`` in wei."""

    to: bytes
    value: int
    data: bytes

    @classmethod
    def of(cls, raw: bytes) -> "SentCall":
        """Decodes a signed transaction: legacy, or of EIP-2930 or EIP-1559, which begin with their type."""
        typed = raw[0] in _PLACES
        place = _PLACES[raw[0]] if typed else 3
        encoded = raw[1:] if typed else raw
        to, value, data = (first_strings(encoded, place + 3) or rlp_decoded(encoded))[place : place + 3]
        return cls(to, int.from_bytes(value, "big"), data)

    @property
    def function(self) -> bytes:
        return self.data[:4]

    def argument(self, number: int) -> int:
        """A 32-byte argument of the call as an integer."""
        return int.from_bytes(self.data[4 + 32 * number : 36 + 32 * number], "big")

    @property
    def account(self) -> str:
        """The first argument, an address."""
        return to_hex(self.data[16:36])


@dataclass(frozen=True)
class ProofVerdict:
    """Whether a transaction had its effect. ``detail`` says why not, or how the effect differs from the intended one."""

    ok: bool
    detail: str | None = None


def judge(row: LedgerRow, logs: Sequence[Log], contracts: Collection[str]) -> ProofVerdict:
    """Whether ``logs``, those of a mined transaction that did not revert, prove that it had its effect.

    ``contracts`` are the addresses of the known contracts. For a function other than the four that this package sends, no
    log can be expected: not having reverted is enough.
    """
    message = SentCall.of(row.raw)
    rule = _RULES.get(message.function)
    return rule(row, message, logs, contracts) if rule else ProofVerdict(ok=True)


def event_words(log: Log) -> list[int]:
    """The arguments of an event, in order: first the indexed ones, which are topics, then the others, which are data."""
    data = from_hex(log["data"])
    plain = [int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32)]
    return [int(topic, 16) for topic in log["topics"][1:]] + plain


def _of(log: Log, contract: bytes) -> bool:
    return bool(log["address"].lower() == to_hex(contract))


def _missing(row: LedgerRow, contract: str, what: str) -> ProofVerdict:
    return ProofVerdict(
        ok=False,
        detail=f"transaction {to_hex(row.hash)} was mined, but {contract} shows no {what}: it may have returned false",
    )


def _is_registered(row: LedgerRow, message: SentCall, logs: Sequence[Log], contracts: Collection[str]) -> ProofVerdict:
    if any(_of(log, message.to) and message.argument(0) in event_words(log) for log in logs):
        return ProofVerdict(ok=True)
    return _missing(row, f"the accounts index at {to_hex(message.to)}", f"entry of {message.account}")


def _is_transferred(row: LedgerRow, message: SentCall, logs: Sequence[Log], contracts: Collection[str]) -> ProofVerdict:
    sender, recipient, value = int.from_bytes(row.signer, "big"), message.argument(0), message.argument(1)
    moves = [event_words(log) for log in logs if _of(log, message.to) and log["topics"][:1] == [TRANSFER_EVENT]]
    if [sender, recipient, value] in moves:
        return ProofVerdict(ok=True)
    moved = sum(move[2] for move in moves if move[:2] == [sender, recipient] and len(move) == 3)
    return _amount(row, message, moved)


def _is_minted(row: LedgerRow, message: SentCall, logs: Sequence[Log], contracts: Collection[str]) -> ProofVerdict:
    """The token's Mint log, or a Transfer log from the zero address; in both the recipient is the second argument."""
    recipient, value = message.argument(0), message.argument(1)
    words = [event_words(log) for log in logs if _of(log, message.to)]
    moved = [word[2] for word in words if len(word) == 3 and word[1] == recipient]
    return ProofVerdict(ok=True) if value in moved else _amount(row, message, max(moved, default=0))


def _amount(row: LedgerRow, message: SentCall, moved: int) -> ProofVerdict:
    """If any amount was moved, the gift must not be sent again; the balance check decides whether the amount is right."""
    if not moved:
        return _missing(row, f"the token at {to_hex(message.to)}", f"transfer to {message.account}")
    return ProofVerdict(
        ok=True,
        detail=f"transaction {to_hex(row.hash)} moved {moved} base units of the token at {to_hex(message.to)},"
        f" {message.argument(1)} were sent",
    )


def _is_given(row: LedgerRow, message: SentCall, logs: Sequence[Log], contracts: Collection[str]) -> ProofVerdict:
    """A log of the faucet that names the recipient, or a token's log of a payment to them, of any amount, even 0."""
    recipient = message.argument(0)
    for log in logs:
        words = event_words(log)
        if _of(log, message.to):
            given = recipient in words and log["topics"][:1] != [_FAUCET_FAIL_EVENT]
        else:
            given = log["address"].lower() in contracts and len(words) == 3 and words[1] == recipient
        if given:
            return ProofVerdict(ok=True)
    return _missing(row, f"the faucet at {to_hex(message.to)}", f"payment to {message.account}")


_RULES: Mapping[bytes, Callable[[LedgerRow, SentCall, Sequence[Log], Collection[str]], ProofVerdict]] = {
    ADD: _is_registered,
    TRANSFER: _is_transferred,
    MINT_TO: _is_minted,
    GIVE_TO: _is_given,
}
