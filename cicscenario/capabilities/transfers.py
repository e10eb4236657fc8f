"""Reads what people have transferred of the gift's token from its Transfer logs, for many payers at a time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from cicscenario.capabilities.context import RunContext, seen_height
from cicscenario.chain.abi import from_hex, to_hex
from cicscenario.chain.contracts import TRANSFER_EVENT
from cicscenario.chain.proof import event_words
from cicscenario.chain.reading import up_to_date
from cicscenario.chain.rpc import Call, RpcError, protocol_errors


class Transfer(NamedTuple):
    """One Transfer log. Accounts have 20 bytes, ``amount`` is in base units, and ``hash`` is the transaction's."""

    payer: bytes
    payee: bytes
    amount: int
    hash: bytes


def transfers(context: RunContext, payers: Sequence[bytes], first: int, last: int | None = None) -> list[Transfer]:
    """What these accounts have transferred from block ``first`` on, up to ``last`` or the newest one, in the chain's order.

    It is asked of a node that has all blocks that the run knows of. Raises UnavailableError when there is none, RpcError when it
    refuses.
    """
    if not payers:
        return []
    chain = context.services.chain
    topics = [TRANSFER_EVENT, [to_hex(payer.rjust(32, b"\0")) for payer in payers]]
    address = to_hex(chain.contracts.token.address)

    def height() -> int:
        return max(seen_height(chain, context.state), last or 0)

    found: list[Transfer] = []
    with protocol_errors(chain.rpc):
        until = max(first, int(chain.rpc.call("eth_blockNumber"), 16), height()) if last is None else last
        spans = [(first, until)]
        while spans:
            start, end = spans.pop()
            call: Call = (
                "eth_getLogs",
                [{"fromBlock": hex(start), "toBlock": hex(end), "address": address, "topics": topics}],
            )
            (answer,) = up_to_date(chain.rpc, [call], height, context.stopping)
            if isinstance(answer, RpcError):
                if start == end or not answer.is_too_many_logs:
                    raise answer
                middle = (start + end) // 2
                spans += [(middle + 1, end), (start, middle)]
                continue
            found.extend(map(transfer_in, answer))
    return found


def transfer_in(log: Any) -> Transfer:
    """A Transfer log, as JSON-RPC gives it."""
    payer, payee, amount = event_words(log)[:3]
    return Transfer(_account(payer), _account(payee), amount, from_hex(log["transactionHash"]))


def _account(word: int) -> bytes:
    return word.to_bytes(32, "big")[12:]
