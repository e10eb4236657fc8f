"""What a node answers to JSON-RPC calls: results, errors, and answers that are none.

Three things are kept apart. A *result* has the form that the method prescribes. A *refusal* (RpcError) comes from the
contract if it is a revert, and from the node otherwise. Everything else is *no answer*: the call may be repeated.

Sources: the JSON-RPC 2.0 specification (section 6, batches), EIP-1474 (methods and codes), and the error texts of geth,
OpenEthereum, Nethermind, Besu, anvil and of providers.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cicscenario.chain.nodes import Node
from cicscenario.errors import CicScenarioError, ExitCode, UnavailableError
from cicscenario.printable import foreign

Call = tuple[str, list[Any]]

_LIMIT_CODES = (-32005, 429)  # limit exceeded (EIP-1474); some providers use the HTTP status
_LIMIT_WORDS = (
    "rate limit", "too many requests", "requests per second", "request rate", "throttl", "quota", "compute units",
)  # fmt: skip
_REVERTED = 3  # the contract reverted (geth, anvil)
# Words, without blanks, by which other nodes report the same: older geth, OpenEthereum (in ``data``), Nethermind, Besu and
# anvil. Contracts of old compilers answer an unknown function with an invalid instruction instead of a revert.
_REVERT_WORDS = (
    "revert", "invalidopcode", "invalidfeopcode", "opcodenotfound", "badinstruction", "invalidjump", "badjump",
)  # fmt: skip
_PASSING_CODES = (-32603, -32002)  # internal error; resource unavailable (EIP-1474)
#: Words of errors that pass: the node is busy, starts, or lags behind the node that was asked before it.
_PASSING_WORDS = (
    "timeout", "timed out", "deadline", "temporar", "try again", "retry", "busy", "overload", "unavailable", "in progress",
    "header not found", "unknown block", "block not found", "not yet", "syncing", "bad gateway", "upstream", "connection",
    "internal error", "internal server error",
)  # fmt: skip
_LASTING_WORDS = ("histor", "pruned", "archive")  # the node does not keep old states
_INVALID_REQUEST = -32600
_NO_SUCH_METHOD = -32601
#: Words by which a node refuses one call of a request because of the others.
_BATCH_WORDS = ("batch", "response too large", "response size")
#: More of them, for the refusal of a whole request.
_SIZE_WORDS = (*_BATCH_WORDS, "too large", "too big", "too many calls", "request size", "payload", "array", "single")
_LONGEST_TEXT = 500  # characters of an error text that are kept


class RpcError(CicScenarioError):
    """The node answered a call with an error object: ``code``, ``message`` and ``data`` as the node gave them."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, method: str, node: str, error: Any) -> None:
        fields = error if isinstance(error, dict) else {"message": error}  # some proxies answer with a bare text
        self.code = _code(fields.get("code", 0))
        self.text = foreign(fields.get("message", error), _LONGEST_TEXT)
        self.data: Any = fields.get("data")
        self._method = method
        super().__init__(f"{node} refused {method}: {self.text}")

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed later: the node limits the rate of calls, or its trouble is a passing one."""
        if self._is_rate_limit or self._method == "eth_getLogs":  # logs are asked for in smaller parts instead
            return self._is_rate_limit
        passes = self.code in _PASSING_CODES or _has(self.text, _PASSING_WORDS)
        lasts = self.is_revert or self.is_missing_method or _has(self.text, _LASTING_WORDS)
        return passes and not lasts

    @property
    def is_revert(self) -> bool:
        """Whether the contract rejected the call. Any other error comes from the node and says nothing about the contract."""
        said = f"{self.text}{self.data if isinstance(self.data, str) else ''}".replace(" ", "")
        return not self._is_rate_limit and (self.code == _REVERTED or _has(said, _REVERT_WORDS))

    @property
    def is_missing_method(self) -> bool:
        """Whether the node has no such method."""
        return self.code == _NO_SUCH_METHOD or (
            "method" in self.text.lower() and _has(self.text, ("not found", "does not exist", "not supported"))
        )

    @property
    def is_too_many_logs(self) -> bool:
        """Whether ``eth_getLogs`` is refused because of the number of blocks or of results; fewer blocks may be accepted.

        Providers use many codes for it, that of the rate limit among them.
        """
        return self._method == "eth_getLogs" and _has(
            self.text, ("range", "block", "results", "too many logs", "too large", "response size")
        )

    @property
    def is_batch_limit(self) -> bool:
        """Whether this call of several was refused because of the number of calls in its request."""
        return _has(self.text, _BATCH_WORDS) and not (self._is_rate_limit or self.is_too_many_logs)

    @property
    def is_of_whole_batch(self) -> bool:
        """Whether a request of several calls was refused as such, this being the answer to all of them."""
        return not self._is_rate_limit and (self.code == _INVALID_REQUEST or _has(self.text, _SIZE_WORDS))

    @property
    def _is_rate_limit(self) -> bool:
        limited = self.code in _LIMIT_CODES or _has(self.text, _LIMIT_WORDS)
        return limited and not self.is_too_many_logs


class UnansweredError(UnavailableError):
    """A request got no JSON-RPC answer. ``transient``: a later attempt may get one. ``retry_after``: the Retry-After header.

    ``slow``: the node was given its whole time-out. ``limited``: it answers, but to too many requests, or not yet. ``given_up``:
    the request was sent again as often as the environment says, and nobody is to wait for the node any longer.
    """

    given_up = False

    def __init__(
        self,
        message: str,
        *,
        transient: bool = True,
        retry_after: str | None = None,
        slow: bool = False,
        limited: bool = False,
    ) -> None:
        super().__init__(message, hint="is the node running, and is `chain.rpc` in the environment file right?")
        self.transient = transient
        self.retry_after = retry_after
        self.slow = slow
        self.limited = limited


def unless_given_up(error: UnavailableError | RpcError) -> UnavailableError | RpcError:
    """The error, after which something may be tried again; raises one after which nothing is: see ``given_up``."""
    if isinstance(error, UnansweredError) and error.given_up:
        raise error
    return error


class TooManyCallsError(UnansweredError):
    """The node refused a request of several calls as such, because of their number. It has carried out none of them."""


class NotAnsweredError(Exception):
    """The body of an answer is not one to the request; the message completes 'the node ...'."""


def question(calls: Sequence[Call], ids: Iterable[int]) -> Any:
    """The body of a request. A single call is not sent as a list, since some nodes take no lists."""
    asked = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        for number, (method, params) in zip(ids, calls, strict=True)
    ]
    return asked if len(asked) > 1 else asked[0]


def answers(calls: Sequence[Call], ids: Sequence[int], body: Any, node: Node) -> list[Any]:
    """The answer to each call: its result, an RpcError, or NotAnsweredError where there is none.

    ``body`` is the answer to one object for one call, or to a list. Raises RpcError when it is one refusal of the whole
    request, and NotAnsweredError when it is no answer to it at all.
    """
    replies = body if isinstance(body, list) else [body]
    if not replies or not all(isinstance(reply, dict) for reply in replies):
        raise NotAnsweredError(f"does not speak JSON-RPC: it answers {node.said(repr(body), 80)}")
    by_id = _by_id(replies)
    if len(calls) == 1 and len(replies) == 1 and replies[0].get("id") is None:
        by_id = {ids[0]: replies}  # a node need not know the id of a request that it rejects
    if not any(number in by_id for number in ids) or (len(replies) == 1 < len(calls) and "error" in replies[0]):
        error = replies[0].get("error")
        if error is not None:
            asked = f"a request of {len(calls)} calls" if len(calls) > 1 else calls[0][0]
            raise RpcError(asked, node.name, _without_secrets(error, node))
        raise NotAnsweredError(f"left {len(calls)} of {len(calls)} calls unanswered: {calls[0][0]}")
    return [_answer(call, by_id.get(number, ()), node) for number, call in zip(ids, calls, strict=True)]


def _by_id(replies: Sequence[Mapping[str, Any]]) -> dict[int, list[Mapping[str, Any]]]:
    """The different replies to each id. Some servers turn the ids into texts."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for reply in replies:
        number = _number(reply.get("id"))
        if number is None:
            continue
        if number not in found:
            found[number] = [reply]
        elif all(
            (one.get("result"), one.get("error")) != (reply.get("result"), reply.get("error")) for one in found[number]
        ):
            found[number].append(reply)
    return found


def _number(value: Any) -> int | None:
    """The number that is an id, or that it is the text of; None for any other id."""
    if type(value) is int:
        return value
    if not isinstance(value, int | float | str) or (isinstance(value, str) and not value.isdecimal()):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):  # not a number, infinite, or of thousands of digits
        return None


def _answer(call: Call, replies: Sequence[Mapping[str, Any]], node: Node) -> Any:
    method, params = call
    if not replies:
        return NotAnsweredError(f"left a call unanswered: {method}")
    if len(replies) > 1:
        return NotAnsweredError(f"answers one call of {method} twice, and not with the same")
    error = replies[0].get("error")
    if error is not None:
        return RpcError(method, node.name, _without_secrets(error, node))
    result = replies[0].get("result")
    if not _fits(method, params, result):
        return NotAnsweredError(
            f"is not a working Ethereum node: it answers {method} with {node.said(repr(result), 80)}"
        )
    return result


def _without_secrets(error: Any, node: Node) -> Any:
    """Nodes repeat the key that they were sent in what they say about it."""
    if isinstance(error, dict):
        return error | ({"message": node.clean(error["message"])} if isinstance(error.get("message"), str) else {})
    return node.clean(str(error))


_QUANTITY = re.compile("0x[0-9a-fA-F]+")
_DATA = re.compile("0x[0-9a-fA-F]*")  # of whole bytes: the number of digits is even
_QUANTITIES = frozenset({
    "eth_blockNumber", "eth_chainId", "eth_estimateGas", "eth_gasPrice", "eth_getBalance", "eth_getTransactionCount",
})  # fmt: skip
_OBJECTS = frozenset({"eth_getBlockByNumber", "eth_getTransactionByHash", "eth_getTransactionReceipt"})
#: Blocks that every chain has; any other may be unknown to a node that lags.
_ALWAYS_THERE = ("latest", "earliest", "0x0")


def _fits(method: str, params: Sequence[Any], result: Any) -> bool:
    """Whether a result has the form that the Ethereum JSON-RPC specification gives it.

    Of ``eth_getLogs`` any is accepted: some nodes answer null, and ``chain.follower`` then reads receipts instead. So is any of
    ``web3_clientVersion``, which may be empty: ``chain.survey`` then knows nothing of the program.
    """
    if method in _QUANTITIES:
        return isinstance(result, str) and _QUANTITY.fullmatch(result) is not None
    if method in ("eth_call", "eth_getCode"):
        return isinstance(result, str) and len(result) % 2 == 0 and _DATA.fullmatch(result) is not None
    if method in _OBJECTS:
        absent = method != "eth_getBlockByNumber" or params[0] not in _ALWAYS_THERE
        return isinstance(result, dict) or (result is None and absent)
    return True


def _code(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _has(text: str, words: Sequence[str]) -> bool:
    text = text.lower()
    return any(word in text for word in words)
