"""Ethereum's JSON-RPC encodings (quantities, byte strings, addresses, hashes)."""

from typing import Any

from cicscenario.sandbox.node.errors import JsonRpcError

ZERO_ADDRESS = "0x" + "00" * 20


def to_hex(data: bytes) -> str:
    """0x-prefixed, lower case."""
    return "0x" + data.hex()


def parse_quantity(value: Any, what: str) -> int:
    """A quantity in 0x-hex, or a plain JSON integer, which anvil also accepts in its ``evm_`` methods.

    Raises JsonRpcError (invalid params) for anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise JsonRpcError.invalid_params(f"{what}: expected a quantity such as 0x1f, not {value!r}")


def parse_data(value: Any, what: str, size: int | None = None) -> bytes:
    """A byte string in 0x-hex; ``size`` is its exact length in bytes. Raises JsonRpcError (invalid params)."""
    if isinstance(value, str) and value[:2] in {"0x", "0X"}:
        try:
            data = bytes.fromhex(value[2:])
        except ValueError:
            data = None
        if data is not None and size in {None, len(data)}:
            return data
    expected = "an even number of hex digits" if size is None else f"{2 * size} hex digits"
    shown = value if len(str(value)) <= 80 else f"{str(value)[:77]}..."
    raise JsonRpcError.invalid_params(f"{what}: expected 0x and {expected}, not {shown!r}")


def parse_address(value: Any, what: str = "address") -> str:
    """An address in lower case with 0x, the form used throughout the node. Raises JsonRpcError (invalid params)."""
    return to_hex(parse_data(value, what, 20))


def parse_hash(value: Any, what: str = "hash") -> bytes:
    """32 bytes. Raises JsonRpcError (invalid params)."""
    return parse_data(value, what, 32)


def parse_object(value: Any, what: str) -> dict[str, Any]:
    """A JSON object. Raises JsonRpcError (invalid params)."""
    if not isinstance(value, dict):
        raise JsonRpcError.invalid_params(f"{what}: expected an object, not {value!r}")
    return value
