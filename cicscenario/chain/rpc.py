"""Ethereum JSON-RPC over HTTP, in batches."""

import itertools
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import requests

from cicscenario.address import public
from cicscenario.errors import CicScenarioError, ExitCode, UnavailableError

Call = tuple[str, list[Any]]


class RpcError(CicScenarioError):
    """The node answered a call with an error object: ``code``, ``message`` and ``data`` as the node gave them."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, method: str, node: str, error: Any) -> None:
        fields = error if isinstance(error, dict) else {"message": error}  # some proxies answer with a bare text
        self.code: int = fields.get("code", 0)
        self.text: str = str(fields.get("message", error))
        self.data: Any = fields.get("data")
        super().__init__(f"{node} refused {method}: {self.text}")


class Rpc:
    """A node; ``name`` is its address as it may be shown. ``batch`` is the number of calls in one HTTP request;
    ``timeout`` is seconds for one request.

    Safe for use by many threads; each keeps its own connection. Raises UnavailableError when the node cannot be
    reached or does not speak JSON-RPC. A call whose request failed may still have been carried out.
    """

    def __init__(self, url: str, *, batch: int = 100, timeout: float = 30) -> None:
        self.url = url
        self.name = public(url)
        self._batch = batch
        self._timeout = timeout
        self._local = threading.local()
        self._ids = itertools.count(1)

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False  # a proxy setting of the shell is not part of the environment file
        session: requests.Session = self._local.session
        return session

    def _post(self, body: Any) -> Any:
        try:
            reply = self._session().post(self.url, json=body, timeout=self._timeout)
        except requests.RequestException as error:
            raise self._silent(f"does not answer: {_reason(error).replace(self.url, self.name)}") from None
        if not reply.ok:
            raise self._silent(f"answers with HTTP {reply.status_code} {reply.reason}")
        try:
            return reply.json()
        except requests.JSONDecodeError:
            raise self._silent(f"does not speak JSON-RPC: it answers {reply.text!r:.80}") from None

    def _silent(self, what: str) -> UnavailableError:
        hint = "is the node running, and is `chain.rpc` in the environment file right?"
        return UnavailableError(f"chain node {self.name} {what}", hint=hint)

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
        for start in range(0, len(calls), self._batch):
            results += self._one_request(calls[start : start + self._batch])
        return results

    def _one_request(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        ids = [next(self._ids) for _ in calls]
        body = [
            {"jsonrpc": "2.0", "id": i, "method": method, "params": params}
            for i, (method, params) in zip(ids, calls, strict=True)
        ]
        replies = self._post(body)
        if not isinstance(replies, list) or not all(isinstance(reply, dict) for reply in replies):
            raise self._silent(f"does not take JSON-RPC batches: it answers {replies!r:.200}")
        by_id = {reply.get("id"): reply for reply in replies}
        missing = [calls[n][0] for n, i in enumerate(ids) if i not in by_id]
        if missing:
            raise self._silent(f"left {len(missing)} of {len(ids)} calls unanswered: {missing[0]}")
        return [
            RpcError(method, self.name, error)
            if (error := by_id[i].get("error")) is not None
            else by_id[i].get("result")
            for i, (method, _) in zip(ids, calls, strict=True)
        ]


def _reason(error: requests.RequestException) -> str:
    """The innermost cause, which is what a person can act on."""
    cause: BaseException = error
    while (inner := cause.__context__ or (cause.args[0] if cause.args else None)) is not None:
        if not isinstance(inner, BaseException) or inner is cause:
            break
        cause = inner
    return str(cause) or type(cause).__name__
