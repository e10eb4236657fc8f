"""Ethereum JSON-RPC over HTTP, in batches."""

import itertools
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import requests

from cicscenario.errors import CicScenarioError, ExitCode, UnavailableError

Call = tuple[str, list[Any]]


class RpcError(CicScenarioError):
    """The node answered a call with an error object: ``code``, ``message`` and ``data`` as the node gave them."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, method: str, url: str, error: dict[str, Any]) -> None:
        self.code: int = error.get("code", 0)
        self.text: str = str(error.get("message", error))
        self.data: Any = error.get("data")
        super().__init__(f"{url} refused {method}: {self.text}")


class Rpc:
    """A node. ``batch`` is the number of calls in one HTTP request; ``timeout`` is seconds for one request.

    Safe for use by many threads; each keeps its own connection. Raises UnavailableError when the node cannot be
    reached or does not speak JSON-RPC. A call whose request failed may still have been carried out.
    """

    def __init__(self, url: str, *, batch: int = 100, timeout: float = 30) -> None:
        self.url = url
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
            reply.raise_for_status()
            return reply.json()
        except requests.RequestException as error:
            raise UnavailableError(
                f"chain node {self.url} does not answer: {_reason(error)}",
                hint="is the node running, and is `chain.rpc` in the environment file right?",
            ) from None

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
        if not isinstance(replies, list):
            raise UnavailableError(
                f"chain node {self.url} does not take JSON-RPC batches: it answered {replies!r:.200}"
            )
        by_id = {reply.get("id"): reply for reply in replies}
        missing = [calls[n][0] for n, i in enumerate(ids) if i not in by_id]
        if missing:
            raise UnavailableError(
                f"chain node {self.url} left {len(missing)} of {len(ids)} calls unanswered: {missing[0]}"
            )
        return [
            RpcError(method, self.url, by_id[i]["error"]) if "error" in by_id[i] else by_id[i].get("result")
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
