"""Numbers that are read from the chain for many people at a time, and reads that need the newest blocks."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from cicscenario.chain.abi import word
from cicscenario.chain.rpc import Call, Rpc, RpcError, without_errors
from cicscenario.errors import UnavailableError
from cicscenario.printable import foreign
from cicscenario.retry import pause

_LAG = 30.0  # seconds to wait for a node that lags
_LOOK_AGAIN = 0.5  # seconds between looks
_FIRST_BLOCK: Call = ("eth_getBlockByNumber", ["0x0", False])


def numbers(rpc: Rpc, calls: Sequence[Call]) -> list[int]:
    """What each call gives: a quantity, or the first word of what a contract returns.

    Raises UnavailableError when there is no answer, RpcError when the node or the contract refuses. A contract that returns
    nothing is no 0 either: there is none at the address, or it has no such function.
    """
    return as_numbers(rpc, calls, rpc.calls(calls))


def as_numbers(rpc: Rpc, calls: Sequence[Call], answers: Sequence[Any]) -> list[int]:
    """The same for answers that are there; raises the first RpcError among them."""
    return [_number(rpc, call, answer) for call, answer in zip(calls, answers, strict=True)]


def on_this_chain(rpc: Rpc, calls: Sequence[Call], stopping: threading.Event | None) -> list[Any | RpcError]:
    """The results of ``calls`` from a node that serves the chain which the session was opened with.

    A node that lost its data and began a new chain, or another node at its address, has the same chain id. It would say that
    nobody has anything, and that a call of a contract which it does not have costs little gas. Its first block is read in
    the same request. Raises UnavailableError when the chain does not come back.
    """
    if (expected := rpc.nodes.genesis) is None:
        return rpc.results(calls)
    began = time.monotonic()
    while True:
        first, *results = rpc.results([_FIRST_BLOCK, *calls])
        if isinstance(first, RpcError):
            raise first
        served = foreign(str((first or {}).get("hash"))).lower()
        if served == expected:
            return results
        if time.monotonic() - began >= _LAG:
            raise UnavailableError(
                f"{rpc.name} serves another chain than before: its first block is {served}, and was {expected}",
                hint="nothing that it says of this run counts. Run the same command again when the node has its chain back",
            )
        pause(_LOOK_AGAIN, stopping)


def up_to_date(
    rpc: Rpc, calls: Sequence[Call], height: Callable[[], int], stopping: threading.Event | None
) -> list[Any | RpcError]:
    """The results of ``calls`` from a node that has block ``height``, which is lower after the chain went back.

    Behind one address there may be several nodes, and one of them may not have the newest blocks yet. Its height and the
    results are read in one request, so that one node answers all of it. Raises UnavailableError when it does not catch up.
    """
    began = time.monotonic()
    while True:
        newest, *results = on_this_chain(rpc, [("eth_blockNumber", []), *calls], stopping)
        if isinstance(newest, RpcError):
            raise newest
        wanted = height()
        if int(newest, 16) >= wanted:
            return results
        if time.monotonic() - began >= _LAG:
            raise UnavailableError(
                f"{rpc.name} is at block {int(newest, 16)}, but this run has seen block {wanted}; so what it says of people"
                " is not their state",
                hint="a node that lags behind may be the cause: run the same command again when it has caught up",
            )
        pause(_LOOK_AGAIN, stopping)


def _number(rpc: Rpc, call: Call, answer: Any | RpcError) -> int:
    method, params = call
    if isinstance(answer, RpcError):
        raise answer
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
    (block,) = without_errors(on_this_chain(rpc, [("eth_getBlockByNumber", ["latest", False])], None))
    try:
        return int(block["timestamp"], 16)
    except (KeyError, TypeError, ValueError):
        raise UnavailableError(f"{rpc.name} gives its newest block without a time") from None
