"""Ethereum JSON-RPC over HTTP, in batches. Reads are tried again when they were not answered; writes never are."""

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
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
_PASSING_STATUSES = (408, 429, *range(500, 600))  # HTTP: the same request may be answered later
_PASSING_CODES = (-32005, 429)  # JSON-RPC: limit exceeded (EIP-1474); some providers use the HTTP status
_PASSING_WORDS = ("rate limit", "too many requests")
_REVERTED = 3  # JSON-RPC: the contract reverted (geth, anvil)
# The same in the words of older geth, OpenEthereum (in ``data``), Nethermind, Besu and anvil, blanks left out. Contracts of
# old compilers end a call to an unknown function with an invalid instruction instead.
_REVERT_WORDS = (
    "revert", "invalidopcode", "invalidfeopcode", "opcodenotfound", "badinstruction", "invalidjump", "badjump",
)  # fmt: skip
_LONG_PAUSE = 5.0  # seconds between attempts once those of retry.PAUSES are used up


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
    def is_passing(self) -> bool:
        """Whether the node asks for fewer requests: the same call may be answered later."""
        return self.code in _PASSING_CODES or any(words in self.text.lower() for words in _PASSING_WORDS)

    @property
    def is_revert(self) -> bool:
        """Whether the contract itself ended the call. Every other refusal is the node's, and says nothing about the contract."""
        said = f"{self.text}{self.data if isinstance(self.data, str) else ''}".lower().replace(" ", "")
        return not self.is_passing and (self.code == _REVERTED or any(words in said for words in _REVERT_WORDS))


class UnansweredError(UnavailableError):
    """A request got no JSON-RPC answer. ``passing``: a later attempt may get one, after ``retry_after`` (the header)."""

    def __init__(self, message: str, *, passing: bool = True, retry_after: str | None = None) -> None:
        super().__init__(message, hint="is the node running, and is `chain.rpc` in the environment file right?")
        self.passing = passing
        self.retry_after = retry_after


class Rpc:
    """A node; ``name`` is its address as it may be shown. ``batch`` is the number of calls in one HTTP request,
    ``timeout`` is seconds for one request.

    Calls that only read are tried again for ``patience`` seconds while they are not answered: no connection, HTTP 408,
    429 or 5xx, a body that is not JSON-RPC, a rate limit. Every other call is sent once: after a failure it may have been
    carried out. Raises UnansweredError, an UnavailableError, when there is no answer, and InterruptedRunError within a
    second after ``stopping`` is set, whatever the node does.

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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self.name = public(url)
        self.batch = batch
        self._patience = patience
        self._stopping = stopping
        self._clock = clock
        self._http = HttpSessions(timeout, stopping)
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
        """Results in the order of ``calls``; a refused call gives its RpcError in its place."""
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
            passing = unanswered.passing if unanswered else any(map(_is_passing, results))
            if not passing or self._clock() - began >= self._patience:
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
            raise self._unanswered(what, passing=not isinstance(error, ValueError)) from None  # ValueError: a bad URL
        if reply.is_redirect:
            raise self._unanswered(
                f"redirects to {public(reply.headers['Location'])}, and redirects are not followed", passing=False
            )
        if not reply.ok:
            raise self._unanswered(
                f"answers with HTTP {reply.status_code} {reply.reason}",
                passing=reply.status_code in _PASSING_STATUSES,
                retry_after=reply.headers.get("Retry-After"),
            )
        try:
            return reply.json()
        except requests.JSONDecodeError:
            raise self._unanswered(f"does not speak JSON-RPC: it answers {reply.text!r:.80}") from None

    def _unanswered(self, what: str, *, passing: bool = True, retry_after: str | None = None) -> UnansweredError:
        return UnansweredError(f"chain node {self.name} {what}", passing=passing, retry_after=retry_after)


@contextmanager
def reading(rpc: Rpc) -> Iterator[None]:
    """Makes an UnavailableError of what is raised in the block when an answer has not the form that the protocol gives it."""
    try:
        yield
    except (TypeError, KeyError, ValueError, IndexError, AttributeError) as error:
        raise UnavailableError(
            f"chain node {rpc.name} gave an answer that is not of the Ethereum protocol ({type(error).__name__}: {error})",
            hint="does `chain.rpc` in the environment file lead to a whole node?",
        ) from error


def _is_passing(result: Any) -> bool:
    return isinstance(result, RpcError) and result.is_passing


def _reason(error: requests.RequestException) -> str:
    """The innermost cause, which is what a person can act on."""
    cause: BaseException = error
    while (inner := cause.__context__ or (cause.args[0] if cause.args else None)) is not None:
        if not isinstance(inner, BaseException) or inner is cause:
            break
        cause = inner
    return str(cause) or type(cause).__name__
