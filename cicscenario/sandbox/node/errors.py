"""JSON-RPC 2.0 errors, with the codes of geth and anvil."""

from typing import Any

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SERVER_ERROR = -32000  #: geth's code for a refused transaction, an unknown filter, or pruned state
EXECUTION_REVERTED = 3  #: geth's code for a call that reverted; ``data`` is the revert data


class JsonRpcError(Exception):
    """Becomes the ``error`` member of a response."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    @classmethod
    def invalid_params(cls, message: str) -> "JsonRpcError":
        return cls(INVALID_PARAMS, message)

    def as_json(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        return error if self.data is None else error | {"data": self.data}
