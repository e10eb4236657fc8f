"""Finds every contract from the registry's address, and which generation of its interface each of them has.

Two generations are in use: those compatible with cic-eth 0.12 and the latest releases. They are told apart by asking
the contracts, never by configuration. Functions and keys: the published ABIs of the contract packages.

This module loads eth_abi, which takes a fifth of a second: import it where a chain is opened, not at the top of a module
that every command loads.
"""

import hashlib
import math

from cicscenario.chain.abi import from_hex, text32, to_hex
from cicscenario.chain.contractreader import ContractReader, ViewFunction
from cicscenario.chain.contracts import CHECK, COOLDOWN, Contracts, Faucet, Token
from cicscenario.chain.rpc import Rpc
from cicscenario.errors import UnavailableError
from cicscenario.printable import foreign

#: Of the registry, whose keys are names, and of the token index.
_ADDRESS_OF = ViewFunction("addressOf(bytes32)", "address")
_DECIMALS = ViewFunction("decimals()", "uint256")
_SYMBOL = ViewFunction("symbol()", "bytes")  # a string, encoded like bytes; it may be invalid UTF-8
_DEMURRAGE = ViewFunction("demurrageAmount()", "uint256")  # only of tokens whose balances shrink
#: How fast balances shrink, as 64.64 fixed point: the names of the older and the latest generation.
_LEVELS = (ViewFunction("taxLevel()", "int256"), ViewFunction("decayLevel()", "int256"))
_PAID = ViewFunction("token()", "address")  # of the faucet
_PAYS = ViewFunction("tokenAmount()", "uint256")
_COOLDOWN = ViewFunction("cooldown(address)", "uint256")  # only of the older generation

_NAMES = ("AccountRegistry", "TokenRegistry", "DefaultToken", "Faucet")
_ANY_ADDRESS = f"0x{1:040x}"  # to find out whether a function exists; the answer does not matter


def discover(rpc: Rpc, registry: bytes, symbol: str | None) -> Contracts:
    """Asks the registry; ``symbol`` names the gift token, else the registry's default token is taken.

    Raises UnavailableError when the registry, a contract it must name, or the token does not exist, and when the node does
    not answer a call: that never counts as proof that a contract or a function does not exist.
    """
    reader = ContractReader(rpc)
    if not reader.has_code(registry):
        raise UnavailableError(
            f"no contract at the registry address {to_hex(registry)} on {rpc.name}",
            hint="check `chain.registry` in the environment file, and that the node serves the right chain",
        )
    addresses = _addresses_of(reader, registry, [text32(name) for name in _NAMES])
    named = dict(zip(_NAMES, addresses, strict=True))

    def required(name: str) -> bytes:
        if (address := named[name]) is None:
            raise UnavailableError(
                f"the registry {to_hex(registry)} on {rpc.name} names no {name}",
                hint="deploy the contract and set it in the registry, or check `chain.registry` in the environment file",
            )
        return address

    accounts_index = required("AccountRegistry")
    token = _token(
        reader, _by_symbol(reader, required("TokenRegistry"), symbol) if symbol else required("DefaultToken")
    )
    faucet = named["Faucet"]
    return Contracts(
        registry,
        accounts_index,
        token,
        faucet=_faucet(reader, faucet, token) if faucet else None,
        default_token=named["DefaultToken"],
    )


def _addresses_of(reader: ContractReader, registry: bytes, keys: list[bytes]) -> list[bytes | None]:
    """The address that the registry or the token index has under each key, or None."""
    return [_address(value) for value in reader.values(*(_ADDRESS_OF.at(registry, key) for key in keys))]


def _address(value: str | None) -> bytes | None:
    address = from_hex(value) if value else b""
    return address if any(address) else None  # the zero address means that there is no entry


def _by_symbol(reader: ContractReader, index: bytes, symbol: str) -> bytes:
    # The older index keys a token by sha256 of its symbol, the latest by the symbol itself.
    keys = [hashlib.sha256(symbol.encode()).digest()] + ([text32(symbol)] if len(symbol.encode()) <= 32 else [])
    for address in _addresses_of(reader, index, keys):
        if address:
            return address
    raise UnavailableError(
        f"the token index {to_hex(index)} on {reader.node} knows no token with the symbol {symbol!r}",
        hint="check `gift.token` (symbols are case-sensitive), or register the token in the index",
    )


def _token(reader: ContractReader, address: bytes) -> Token:
    asked = (_DECIMALS, _SYMBOL, _DEMURRAGE, *_LEVELS)
    decimals, symbol, demurrage, *levels = reader.values(*(one.at(address) for one in asked))
    if decimals is None:
        raise UnavailableError(
            f"the contract at {to_hex(address)} on {reader.node} is not a token: it has no decimals()"
        )
    decay = None
    if demurrage is not None:
        decay = _per_minute(next((level for level in levels if level is not None), 0))
    return Token(address, "?" if symbol is None else foreign(symbol.decode("utf-8", "replace")), decimals, decay)


def _per_minute(level: int) -> float:
    """The contracts keep the natural logarithm of the factor, negative; the oldest kept the factor itself."""
    value = level / 2**64
    return math.exp(value) if value < 0 else value


def _faucet(reader: ContractReader, address: bytes, gift_token: Token) -> Faucet:
    token, amount, cooldown = reader.values(_PAID.at(address), _PAYS.at(address), _COOLDOWN.at(address, _ANY_ADDRESS))
    paid = _address(token)
    if paid is None or amount is None:
        raise UnavailableError(f"the faucet {to_hex(address)} on {reader.node} does not say what it pays out")
    return Faucet(
        address,
        gift_token if paid == gift_token.address else _token(reader, paid),
        amount,
        CHECK if cooldown is None else COOLDOWN,
    )
