"""Ethereum JSON-RPC over HTTP, in batches. Reads are repeated when they get no answer; writes are sent once."""

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from cicscenario.address import public
from cicscenario.errors import CicScenarioError, ExitCode, UnavailableError
from cicscenario.retry import PAUSES, Attempts
from cicscenario.transport import HttpSessions

Call = tuple[str, list[Any]]

_READS = frozenset({
    "eth_blockNumber", "eth_call", "eth_chainId", "eth_estimateGas", "eth_gasPrice", "eth_getBalance",
    "eth_getBlockByNumber", "eth_getCode", "eth_getLogs", "eth_getTransactionByHash", "eth_getTransactionCount",
    "eth_getTransactionReceipt",
})  # fmt: skip
_TRANSIENT_STATUSES = (408, 429, *range(500, 600))  # HTTP: the same request may succeed later
_TRANSIENT_CODES = (-32005, 429)  # JSON-RPC: limit exceeded (EIP-1474); some providers use the HTTP status
_TRANSIENT_WORDS = ("rate limit", "too many requests")
_REVERTED = 3  # JSON-RPC: the contract reverted (geth, anvil)
# Words, without blanks, by which other nodes report the same: older geth, OpenEthereum (in ``data``), Nethermind, Besu and
# anvil. Contracts of old compilers answer an unknown function with an invalid instruction instead of a revert.
_REVERT_WORDS = (
    "revert", "invalidopcode", "invalidfeopcode", "opcodenotfound", "badinstruction", "invalidjump", "badjump",
)  # fmt: skip
_LONG_PAUSE = 5.0  # seconds between attempts, after the shorter retry.PAUSES


class RpcError(CicScenarioError):
    """The node answered a call with an error object: ``code``, ``message`` and ``data`` as the node gave them."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, method: str, node: str, error: Any) -> None:
        fields = error if isinstance(error, dict) else {"message": error}  # some proxies answer with a bare text
        self.code: int = fields.get("code", 0)
        self.text: str = str(fields.get("message", error))
        self.data: Any = fields.get("data")
        super().__init__(f"{node} refused {method}: {self.text}")

    @property
    def is_transient(self) -> bool:
        """Whether the node limits the rate of requests: the same call may succeed later."""
        return self.code in _TRANSIENT_CODES or any(words in self.text.lower() for words in _TRANSIENT_WORDS)

    @property
    def is_revert(self) -> bool:
        """Whether the contract rejected the call. Any other error comes from the node and says nothing about the contract."""
        said = f"{self.text}{self.data if isinstance(self.data, str) else ''}".lower().replace(" ", "")
        return not self.is_transient and (self.code == _REVERTED or any(words in said for words in _REVERT_WORDS))


class UnansweredError(UnavailableError):
    """A request got no JSON-RPC answer. ``transient``: a later attempt may get one. ``retry_after``: the Retry-After header."""

    def __init__(self, message: str, *, transient: bool = True, retry_after: str | None = None) -> None:
        super().__init__(message, hint="is the node running, and is `chain.rpc` in the environment file right?")
        self.transient = transient
        self.retry_after = retry_after


class Rpc:
    """A client of one node. ``name`` is the node's address without secrets, for messages.

    ``batch`` is the number of calls in one HTTP request, ``timeout`` the seconds for one request. Calls that only read are
    repeated for ``patience`` seconds on these failures: no connection, HTTP 408, 429 or 5xx, a body that is not JSON-RPC,
    a rate limit. Every other call is sent once, since the node may have carried it out even if no answer came. Raises
    UnansweredError, an UnavailableError, when there is no answer, and InterruptedRunError within a second after
    ``stopping`` is set. ``ca`` is a PEM file of authorities to trust beside the public ones.

    Safe for use by many threads; each keeps its own connection.
    """

    def __init__(
        self,
        url: str,
        *,
        batch: int = 100,
        timeout: float = 30,
        patience: float = 3,
        stopping: threading.Event | None = None,
        ca: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self.name = public(url)
        self.batch = batch
        self._patience = patience
        self._stopping = stopping
        self._clock = clock
        self._http = HttpSessions(timeout, stopping, ca=ca)
        self._ids = itertools.count(1)

    def call(self, method: str, *params: Any) -> Any:
        """One call; raises RpcError when the node answers with an error."""
        result = self.results([(method, list(params))])[0]
        if isinstance(result, RpcError):
            raise result
        return result

    def calls(self, calls: Iterable[Call]) -> list[Any]:
        """Results in the order of ``calls``; raises the first RpcError among them."""
        results = self.results(list(calls))
        for result in results:
            if isinstance(result, RpcError):
                raise result
        return results

    def results(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        """Results in the order of ``calls``. A call that the node answers with an error has an RpcError as its result."""
        results: list[Any | RpcError] = []
        for start in range(0, len(calls), self.batch):
            part = calls[start : start + self.batch]
            reads = all(method in _READS for method, _ in part)
            results += self._repeated(part) if reads else self._one_request(part)
        return results

    def _repeated(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        began = self._clock()
        results: list[Any | RpcError] = []
        unanswered: UnansweredError | None = None
        attempts = Attempts(self._stopping, PAUSES + (_LONG_PAUSE,) * math.ceil(self._patience / _LONG_PAUSE))
        for _ in attempts:
            try:
                results, unanswered = self._one_request(calls), None
            except UnansweredError as error:
                unanswered = error
                attempts.after(error.retry_after)
            transient = unanswered.transient if unanswered else any(map(_is_transient, results))
            if not transient or self._clock() - began >= self._patience:
                break
        if unanswered:
            raise unanswered
        return results

    def _one_request(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        ids = [next(self._ids) for _ in calls]
        body = [
            {"jsonrpc": "2.0", "id": i, "method": method, "params": params}
            for i, (method, params) in zip(ids, calls, strict=True)
        ]
        replies = self._post(body)
        if not isinstance(replies, list) or not all(isinstance(reply, dict) for reply in replies):
            raise self._unanswered(f"does not take JSON-RPC batches: it answers {replies!r:.200}")
        by_id = {reply.get("id"): reply for reply in replies}
        missing = [calls[n][0] for n, i in enumerate(ids) if i not in by_id]
        if missing:
            raise self._unanswered(f"left {len(missing)} of {len(ids)} calls unanswered: {missing[0]}")
        return [
            RpcError(method, self.name, error)
            if (error := by_id[i].get("error")) is not None
            else by_id[i].get("result")
            for i, (method, _) in zip(ids, calls, strict=True)
        ]

    def _post(self, body: Any) -> Any:
        try:
            reply = self._http.post(self.url, json=body)
        except requests.RequestException as error:
            what = f"does not answer: {_reason(error).replace(self.url, self.name)}"
            raise self._unanswered(what, transient=not isinstance(error, ValueError)) from None  # ValueError: a bad URL
        if reply.is_redirect:
            raise self._unanswered(
                f"redirects to {public(reply.headers['Location'])}, and redirects are not followed", transient=False
            )
        if not reply.ok:
            raise self._unanswered(
                f"answers with HTTP {reply.status_code} {reply.reason}",
                transient=reply.status_code in _TRANSIENT_STATUSES,
                retry_after=reply.headers.get("Retry-After"),
            )
        try:
            return reply.json()
        except (ValueError, RecursionError):
            raise self._unanswered(f"does not speak JSON-RPC: it answers {reply.text!r:.80}") from None

    def _unanswered(self, what: str, *, transient: bool = True, retry_after: str | None = None) -> UnansweredError:
        return UnansweredError(f"chain node {self.name} {what}", transient=transient, retry_after=retry_after)


@contextmanager
def protocol_errors(rpc: Rpc) -> Iterator[None]:
    """Raises UnavailableError when the block fails because an answer of the node has not the form that Ethereum prescribes."""
    try:
        yield
    except (TypeError, KeyError, ValueError, IndexError, AttributeError) as error:
        raise UnavailableError(
            f"chain node {rpc.name} gave an answer that is not of the Ethereum protocol ({type(error).__name__}: {error})",
            hint="is `chain.rpc` in the environment file the address of an Ethereum node?",
        ) from error


def _is_transient(result: Any) -> bool:
    return isinstance(result, RpcError) and result.is_transient


def _reason(error: requests.RequestException) -> str:
    """The innermost cause: it says best what went wrong, such as 'Connection refused'."""
    cause: BaseException = error
    while (inner := cause.__context__ or (cause.args[0] if cause.args else None)) is not None:
        if not isinstance(inner, BaseException) or inner is cause:
            break
        cause = inner
    return str(cause) or type(cause).__name__
