"""The contracts that a run uses, and the selectors of the functions that it calls for each person.

``chain.discovery`` finds the contracts. Both generations of contracts have these functions, except that the older faucet
has only ``cooldown`` and the latest only ``check``.
"""

from dataclasses import dataclass
from typing import Any

from cicscenario.chain.abi import to_hex

# Not computed here: the implementation of keccak takes long to load.
ADD = bytes.fromhex("0a3b0a4f")  # add(address)
HAVE = bytes.fromhex("3ef25013")  # have(address)
GIVE_TO = bytes.fromhex("63e4bff4")  # giveTo(address)
TRANSFER = bytes.fromhex("a9059cbb")  # transfer(address,uint256)
MINT_TO = bytes.fromhex("449a52f8")  # mintTo(address,uint256)
BALANCE_OF = bytes.fromhex("70a08231")  # balanceOf(address)
COOLDOWN = bytes.fromhex("b222e0c2")  # cooldown(address)
CHECK = bytes.fromhex("c23697a8")  # check(address)
#: The first topic of a log of Transfer(address,address,uint256): sender, recipient, base units.
TRANSFER_EVENT = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


@dataclass(frozen=True)
class Token:
    """An ERC-20 token. ``decay`` is the factor by which balances shrink each minute, or None when they do not."""

    address: bytes
    symbol: str
    decimals: int
    decay: float | None

    def base_units(self, whole: int) -> int:
        return whole * int(10**self.decimals)


@dataclass(frozen=True)
class Faucet:
    """The token faucet. It pays out ``amount`` base units of ``token``, once to each account."""

    address: bytes
    token: Token
    amount: int
    probe: (
        bytes  #: selector of the function that tells whether an account has used it: COOLDOWN (0: unused) or CHECK (1)
    )

    def used(self, answer: int) -> bool:
        """Whether an account has used the faucet; ``answer`` is the result of calling ``probe`` for it."""
        unused = 0 if self.probe == COOLDOWN else 1
        return answer != unused


@dataclass(frozen=True)
class Contracts:
    """The contracts of one registry that a run uses. ``default_token`` is the registry's, or None if it names none."""

    registry: bytes
    accounts_index: bytes
    token: Token  #: the token of the gifts
    faucet: Faucet | None
    default_token: bytes | None = None

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """The contracts whose logs prove that a transaction had its effect."""
        found = {self.accounts_index, self.token.address}
        if self.faucet:
            found |= {self.faucet.address, self.faucet.token.address}
        return tuple(sorted(found))


def eth_call(to: bytes, data: bytes, sender: bytes | None = None) -> tuple[str, list[Any]]:
    """A JSON-RPC ``eth_call`` on the newest block."""
    call = {"to": to_hex(to), "data": to_hex(data)}
    if sender:
        call["from"] = to_hex(sender)
    return "eth_call", [call, "latest"]
