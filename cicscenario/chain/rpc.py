"""Ethereum JSON-RPC over HTTP, in batches. Reads are repeated when they get no answer; writes are sent once."""

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from cicscenario.address import public
from cicscenario.chain.answers import Call as Call
from cicscenario.chain.answers import NotAnsweredError, TooManyCallsError, answers, question
from cicscenario.chain.answers import RpcError as RpcError
from cicscenario.chain.answers import UnansweredError as UnansweredError
from cicscenario.chain.nodes import Node, Nodes
from cicscenario.errors import UnavailableError
from cicscenario.jsontext import JsonTextError, parse_json
from cicscenario.printable import foreign
from cicscenario.retry import Patience
from cicscenario.transport.exchange import MEGABYTE, LateError
from cicscenario.transport.http import TRANSIENT, HttpSessions, ResponseTooLargeError
from cicscenario.transport.traffic import Meter

READS = frozenset({
    "eth_blockNumber", "eth_call", "eth_chainId", "eth_estimateGas", "eth_gasPrice", "eth_getBalance",
    "eth_getBlockByNumber", "eth_getCode", "eth_getLogs", "eth_getTransactionByHash", "eth_getTransactionCount",
    "eth_getTransactionReceipt", "web3_clientVersion",
})  # fmt: skip
_LIMITED = (429, 503)  # HTTP: the server says when to come back, whatever the body is
_TOO_LARGE = 413  # HTTP: Content Too Large
MOST = 32 * MEGABYTE  # of an answer; geth itself ends a batch's answer at 25 MB
_UNDONE = object()  # the result of a call that is still to be asked


class Rpc:
    """A client of one chain. ``name`` is the address, without secrets, of the node that is asked at present; for messages.

    ``batch`` is the most calls in one HTTP request; a node that takes fewer, or none but single ones, is found out, and is
    sent fewer from then on. ``timeout`` is in seconds, for one request and its whole answer. Calls that only read are
    repeated until there was no progress for ``patience`` seconds, on these failures: no connection, HTTP 408, 425, 429 or
    5xx, an answer that is late, not JSON-RPC or not of the method's form, a rate limit, a trouble that the node calls a
    passing one. A node that limits the rate is there, so it may be given the longer ``patience_when_limited``. If there are
    several addresses, each attempt after a failure goes to the next.

    Every other call is sent once, since the node may have carried it out even if no answer came; but a request that was
    refused because of its number of calls is sent again in parts, since then none was carried out. Raises UnansweredError,
    an UnavailableError, when there is no answer, and InterruptedRunError within a second after ``stopping`` is set.
    ``ca`` is a PEM file of authorities to trust beside the public ones.

    Safe for use by many threads; each keeps its own connection.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        batch: int = 100,
        timeout: float = 30,
        patience: float = 3,
        patience_when_limited: float = 0,
        stopping: threading.Event | None = None,
        ca: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        nodes: Nodes | None = None,
        meter: Meter | None = None,
    ) -> None:
        """``nodes`` are those of another Rpc, with what it has found out about them; then ``url`` is not used."""
        self.batch = batch
        self.nodes = nodes or Nodes([url] if isinstance(url, str) else url, batch)
        self._timeout = timeout
        self._patience = patience
        self._patience_when_limited = max(patience, patience_when_limited)
        self._stopping = stopping
        self._clock = clock
        self._ca = ca
        self._meter = meter or Meter()
        self._http = HttpSessions(timeout, stopping, most=MOST, ca=ca, meter=self._meter)
        self._ids = itertools.count(1)

    def again(self, *, patience: float, stopping: threading.Event | None) -> "Rpc":
        """Another client of the same nodes. What one finds out about them, the other knows."""
        return Rpc(
            (), batch=self.batch, timeout=self._timeout, patience=patience, stopping=stopping, ca=self._ca,
            clock=self._clock, nodes=self.nodes, meter=self._meter,
        )  # fmt: skip

    @property
    def url(self) -> str:
        return self.nodes.current.url

    @property
    def name(self) -> str:
        return self.nodes.current.name

    def call(self, method: str, *params: Any) -> Any:
        """One call; raises RpcError when the node answers with an error."""
        return self.calls([(method, list(params))])[0]

    def calls(self, calls: Iterable[Call]) -> list[Any]:
        """Results in the order of ``calls``; raises the first RpcError among them."""
        return without_errors(self.results(list(calls)))

    def results(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        """Results in the order of ``calls``. A call that the node answers with an error has an RpcError as its result."""
        if all(method in READS for method, _ in calls):
            return self._read(calls)
        return self._write(calls)

    def _write(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        results: list[Any | RpcError] = []
        while len(results) < len(calls):
            node = self.nodes.current
            part = calls[len(results) : len(results) + node.batch.size]
            try:
                found = self._ask(node, part)
            except TooManyCallsError as error:
                self._meter.repeats(str(error))
                continue
            except UnansweredError as error:
                node.batch.failed(len(part), at_once=not error.transient, slow=error.slow)
                self.nodes.leave(node)
                raise
            for answer in found:
                if isinstance(answer, NotAnsweredError):
                    raise self._unanswered(node, str(answer), len(part))
            results += found
        return results

    def _read(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        results: list[Any | RpcError] = [_UNDONE] * len(calls)
        patience = Patience(self._stopping, self._clock, self._meter.repeats)
        left = list(range(len(calls)))
        while left:
            node = self.nodes.current
            part = left[: node.batch.size]
            try:
                found = self._ask(node, [calls[number] for number in part])
            except TooManyCallsError as error:
                self._meter.repeats(str(error))
                continue
            except UnansweredError as error:
                self._bear(node, len(part), error, patience)
                continue
            settled = {number for number, answer in zip(part, found, strict=True) if not _is_passing(answer)}
            for number, answer in zip(part, found, strict=True):
                results[number] = answer
            limited = any(isinstance(answer, RpcError) for answer in found)
            if settled:
                patience.renew()
            elif patience.waited >= (self._patience_when_limited if limited else self._patience):
                settled = {number for number in part if isinstance(results[number], RpcError)}
                if not settled:
                    raise self._unanswered(node, str(results[part[0]]), len(part))
            else:
                self.nodes.leave(node)
                patience.pause(f"chain node {node.name} answered {found[0]}")
            left = [number for number in left if number not in settled]
        return results

    def _bear(self, node: Node, number: int, error: UnansweredError, patience: Patience) -> None:
        """Waits before the next attempt, which may be smaller or go to another node; raises ``error`` when there is none."""
        others = len(self.nodes.all) > 1
        smaller = node.batch.failed(number, at_once=not error.transient, slow=error.slow)
        self.nodes.leave(node)
        if smaller and not error.transient and not others:
            self._meter.repeats(error.message)
            return
        longest = self._patience_when_limited if error.limited else self._patience
        if not smaller and (patience.waited >= longest or not (error.transient or others)):
            raise error
        patience.pause(error.message, error.retry_after, short=smaller)

    # --- one request --------------------------------------------------------------------------------------------------

    def _ask(self, node: Node, calls: Sequence[Call]) -> list[Any]:
        """The answer to each call: a result, an RpcError, or NotAnsweredError. Raises UnansweredError when there is none."""
        ids = [next(self._ids) for _ in calls]
        try:
            reply = self._post(node, question(calls, ids), len(calls))
        except ResponseTooLargeError as error:
            if len(calls) == 1 and calls[0][0] == "eth_getLogs":  # those of fewer blocks can be asked for
                return [RpcError("eth_getLogs", node.name, {"message": f"response too large: {error}"})]
            raise self._unanswered(node, f"does not answer: {error}", len(calls), transient=False) from None
        try:
            found = self._answers(node, calls, ids, reply)
        except NotAnsweredError as error:
            raise self._unanswered(node, str(error), len(calls)) from None
        refused = sum(isinstance(one, RpcError) and len(calls) > 1 and one.is_batch_limit for one in found)
        if refused:
            node.batch.refused(len(calls))
            if refused == len(calls):
                raise self._too_many(node, str(found[0].text), len(calls))
            return [
                NotAnsweredError(f"refuses one of {len(calls)} calls: {one.text}")
                if isinstance(one, RpcError) and one.is_batch_limit
                else one
                for one in found
            ]
        node.batch.answered(len(calls))
        return found

    def _answers(self, node: Node, calls: Sequence[Call], ids: Sequence[int], reply: requests.Response) -> list[Any]:
        if reply.status_code in _LIMITED:
            raise self._failed(node, reply, len(calls))
        try:
            body = parse_json(reply.content)
        except JsonTextError:
            if not reply.ok:
                raise self._failed(node, reply, len(calls)) from None
            raise NotAnsweredError(f"does not speak JSON-RPC: it answers {node.said(repr(reply.text), 80)}") from None
        try:
            return answers(calls, ids, body, node)
        except RpcError as error:
            if len(calls) > 1 and error.is_of_whole_batch:
                node.batch.refused(len(calls))
                raise self._too_many(node, error.text, len(calls)) from None
            if not reply.ok:
                raise self._failed(node, reply, len(calls)) from None
            transient = len(calls) > 1 or error.is_transient
            raise self._unanswered(
                node, f"refuses {len(calls)} calls: {error.text}", len(calls), transient=transient
            ) from None
        except NotAnsweredError:
            if not reply.ok:
                raise self._failed(node, reply, len(calls)) from None
            raise

    def _post(self, node: Node, body: Any, number: int) -> requests.Response:
        try:
            reply = self._http.post(node.url, json=body)
        except ResponseTooLargeError:
            raise
        except requests.RequestException as error:
            raise self._unanswered(
                node,
                f"does not answer: {node.said(_reason(error))}",
                number,
                transient=not isinstance(error, ValueError),  # a bad address, or a redirect to one
                slow=isinstance(error, requests.Timeout),
            ) from None
        if reply.is_redirect:
            where = public(reply.headers["Location"])
            raise self._unanswered(
                node, f"redirects to {where}, and redirects are not followed", number, transient=False
            )
        if reply.status_code == _TOO_LARGE and number > 1:
            node.batch.refused(number)
            raise self._too_many(node, f"HTTP {reply.status_code} {node.said(reply.reason)}", number)
        return reply

    def _failed(self, node: Node, reply: requests.Response, number: int) -> UnansweredError:
        return self._unanswered(
            node,
            f"answers with HTTP {reply.status_code} {node.said(reply.reason)}",
            number,
            transient=reply.status_code in TRANSIENT,
            retry_after=reply.headers.get("Retry-After"),
            limited=reply.status_code in _LIMITED,
        )

    def _too_many(self, node: Node, said: str, number: int) -> TooManyCallsError:
        return TooManyCallsError(f"chain node {node.name} refuses {number} calls in one request: {said}")

    def _unanswered(self, node: Node, what: str, number: int, **how: Any) -> UnansweredError:
        error = UnansweredError(f"chain node {node.name} {what}", **how)
        if number > 1 and error.hint:
            error.hint += f" If it takes fewer than {number} calls in one request, set `chain.batch` to what it takes"
        return error


@contextmanager
def protocol_errors(rpc: Rpc) -> Iterator[None]:
    """Raises UnavailableError when the block fails because an answer of the node has not the form that Ethereum prescribes."""
    try:
        yield
    except (TypeError, KeyError, ValueError, IndexError, AttributeError) as error:
        why = f"{type(error).__name__}: {foreign(error)}"
        raise UnavailableError(
            f"chain node {rpc.name} gave an answer that is not of the Ethereum protocol ({why})",
            hint="is `chain.rpc` in the environment file the address of an Ethereum node?",
        ) from error


def _is_passing(answer: Any) -> bool:
    return isinstance(answer, NotAnsweredError) or (isinstance(answer, RpcError) and answer.is_transient)


def _reason(error: BaseException) -> str:
    """The innermost cause: it says best what went wrong, such as 'Connection refused'."""
    cause = error
    while not isinstance(cause, LateError):
        inner = cause.__context__ or (cause.args[0] if cause.args else None)
        if not isinstance(inner, BaseException) or inner is cause:
            break
        cause = inner
    return str(cause) or type(cause).__name__


def without_errors(results: Sequence[Any | RpcError]) -> list[Any]:
    """The same results; raises the first RpcError among them."""
    for result in results:
        if isinstance(result, RpcError):
            raise result
    return list(results)
