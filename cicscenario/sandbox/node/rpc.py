"""JSON-RPC 2.0: decodes requests and batches, and encodes the responses."""

import json
from collections.abc import Callable
from typing import Any

from cicscenario.jsontext import parse_json
from cicscenario.sandbox.node.errors import INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR, JsonRpcError

Call = Callable[[str, list[Any]], Any]


def answer(body: bytes, call: Call) -> bytes | None:
    """The response to a request in JSON; ``call`` runs each method. None when it has notifications only."""
    return answer_to(parsed(body), call)


class NotJson:
    """What is read of a body that is not JSON."""


def parsed(body: bytes) -> Any:
    """The request in a body, or ``NotJson``, for ``answer_to``."""
    try:
        return parse_json(body)
    except ValueError:
        return NotJson()


def answer_to(request: Any, call: Call) -> bytes | None:
    """As ``answer``, of a request that is ``parsed``."""
    if isinstance(request, NotJson):
        return _encode(_error(None, JsonRpcError(PARSE_ERROR, "the request is not JSON")))
    if not isinstance(request, list):
        single = _answer_one(request, call)
        return None if single is None else _encode(single)
    if not request:
        return _encode(_error(None, JsonRpcError(INVALID_REQUEST, "the batch is empty")))
    answers = [one for one in (_answer_one(item, call) for item in request) if one is not None]
    return _encode(answers) if answers else None


def _answer_one(request: Any, call: Call) -> dict[str, Any] | None:
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        number = request.get("id") if isinstance(request, dict) else None
        return _error(number, JsonRpcError(INVALID_REQUEST, "expected an object with a method"))
    number = request.get("id")
    try:
        params = request.get("params") or []
        if not isinstance(params, list):
            raise JsonRpcError.invalid_params("params: expected a list")
        reply = {"jsonrpc": "2.0", "id": number, "result": call(request["method"], params)}
    except JsonRpcError as error:
        reply = _error(number, error)
    except (TypeError, ValueError, OverflowError) as error:  # a parameter in a form that no parser checks
        reply = _error(number, JsonRpcError(INTERNAL_ERROR, f"{request['method']}: {error}"))
    return reply if "id" in request else None


def _error(number: Any, error: JsonRpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": error.as_json()}


def _encode(reply: Any) -> bytes:
    return json.dumps(reply, separators=(",", ":")).encode()
