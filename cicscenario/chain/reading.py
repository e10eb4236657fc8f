"""Numbers that are read from the chain for many people at a time."""

from collections.abc import Sequence

from cicscenario.chain.abi import word
from cicscenario.chain.rpc import Call, Rpc
from cicscenario.errors import UnavailableError


def numbers(rpc: Rpc, calls: Sequence[Call]) -> list[int]:
    """What each call gives: a quantity, or the first word of what a contract returns.

    Raises UnavailableError when there is no answer, RpcError when the node or the contract refuses. A contract that returns
    nothing is no 0 either: there is none at the address, or it has no such function.
    """
    return [_number(rpc, call, answer) for call, answer in zip(calls, rpc.calls(calls), strict=True)]


def _number(rpc: Rpc, call: Call, answer: str) -> int:
    method, params = call
    if method != "eth_call":
        return int(answer, 16)
    try:
        return word(answer)
    except ValueError:
        raise UnavailableError(
            f"{rpc.name} answers a call of the contract {params[0]['to']} (function {params[0]['data'][:10]}) with"
            f" {answer!r:.80}, which is not a number",
            hint="check `chain.registry` in the environment file, and whether the node has the newest blocks",
        ) from None


def block_time(rpc: Rpc) -> int:
    """The time of the newest block, in Unix seconds. Raises UnavailableError when the node does not tell."""
    block = rpc.call("eth_getBlockByNumber", "latest", False)
    try:
        return int(block["timestamp"], 16)
    except (KeyError, TypeError, ValueError):
        raise UnavailableError(f"{rpc.name} gives its newest block without a time") from None
