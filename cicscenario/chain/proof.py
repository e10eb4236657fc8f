"""What proves that a mined transaction did what it was sent for: a log that the called contract left.

A status of 1 says only that nothing reverted: a token may answer false instead. What to expect is read from the
transaction itself, so that it is known after a crash too. Events of both generations of contracts: AddressAdded
(address, index) or (address); Transfer (from, to, value); Mint (minter, beneficiary, value), which ``mintTo`` leaves instead
of a Transfer; FaucetUsed (recipient, token, value), which the latest faucet does not leave: there the token's log is the proof.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rlp
from eth_hash.auto import keccak

from cicscenario.chain.abi import from_hex, to_hex
from cicscenario.chain.contracts import ADD, GIVE_TO, MINT_TO, TRANSFER
from cicscenario.state.rows import LedgerRow

Log = Mapping[str, Any]  #: as JSON-RPC gives it

_TRANSFER_EVENT = to_hex(keccak(b"Transfer(address,address,uint256)"))
_FAUCET_FAIL_EVENT = to_hex(keccak(b"FaucetFail(address,address,uint256)"))


@dataclass(frozen=True)
class SentCall:
    """What a signed transaction carries; ``value`` in wei."""

    to: bytes
    value: int
    data: bytes

    @classmethod
    def of(cls, raw: bytes) -> "SentCall":
        """Reads the bytes of a signed legacy transaction."""
        to, value, data = rlp.decode(raw)[3:6]
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
    """Whether a transaction did its work; ``detail`` says why not, or in what it differs from what was intended."""

    ok: bool
    detail: str | None = None


def judge(row: LedgerRow, logs: Sequence[Log], contracts: Collection[str]) -> ProofVerdict:
    """What ``logs``, those of one mined transaction that did not revert, prove of it.

    ``contracts`` are the addresses of the contracts that are known. A function that is none of the four sent by the steps of
    this package leaves no log that could be expected: it has done its work when it did not revert.
    """
    message = SentCall.of(row.raw)
    rule = _RULES.get(message.function)
    return rule(row, message, logs, contracts) if rule else ProofVerdict(ok=True)


def _words(log: Log) -> list[int]:
    """The arguments of an event: indexed ones are topics, the others data. In these events the indexed ones come first."""
    data = from_hex(log["data"])
    plain = [int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32)]
    return [int(topic, 16) for topic in log["topics"][1:]] + plain


def _of(log: Log, contract: bytes) -> bool:
    return bool(log["address"].lower() == to_hex(contract))


def _missing(row: LedgerRow, contract: str, what: str) -> ProofVerdict:
    return ProofVerdict(
        ok=False,
        detail=f"transaction {to_hex(row.hash)} was mined, but {contract} shows no {what}: it may have answered false",
    )


def _is_registered(row: LedgerRow, message: SentCall, logs: Sequence[Log], contracts: Collection[str]) -> ProofVerdict:
    if any(_of(log, message.to) and message.argument(0) in _words(log) for log in logs):
        return ProofVerdict(ok=True)
    return _missing(row, f"the accounts index at {to_hex(message.to)}", f"entry of {message.account}")


def _is_transferred(row: LedgerRow, message: SentCall, logs: Sequence[Log], contracts: Collection[str]) -> ProofVerdict:
    sender, recipient, value = int.from_bytes(row.signer, "big"), message.argument(0), message.argument(1)
    moves = [_words(log) for log in logs if _of(log, message.to) and log["topics"][:1] == [_TRANSFER_EVENT]]
    if [sender, recipient, value] in moves:
        return ProofVerdict(ok=True)
    moved = sum(move[2] for move in moves if move[:2] == [sender, recipient] and len(move) == 3)
    return _amount(row, message, moved)


def _is_minted(row: LedgerRow, message: SentCall, logs: Sequence[Log], contracts: Collection[str]) -> ProofVerdict:
    """The token's Mint log, or its Transfer log from nobody: the recipient is the second argument of both."""
    recipient, value = message.argument(0), message.argument(1)
    words = [_words(log) for log in logs if _of(log, message.to)]
    moved = [word[2] for word in words if len(word) == 3 and word[1] == recipient]
    return ProofVerdict(ok=True) if value in moved else _amount(row, message, max(moved, default=0))


def _amount(row: LedgerRow, message: SentCall, moved: int) -> ProofVerdict:
    """Some of it was moved: it must not be sent again. The check of balances says whether that amount is good enough."""
    if not moved:
        return _missing(row, f"the token at {to_hex(message.to)}", f"transfer to {message.account}")
    return ProofVerdict(
        ok=True,
        detail=f"transaction {to_hex(row.hash)} moved {moved} base units of the token at {to_hex(message.to)},"
        f" {message.argument(1)} were sent",
    )


def _is_given(row: LedgerRow, message: SentCall, logs: Sequence[Log], contracts: Collection[str]) -> ProofVerdict:
    """A log of the faucet that names the recipient, or a token's log of a payment to them; of any amount, also 0."""
    recipient = message.argument(0)
    for log in logs:
        words = _words(log)
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
