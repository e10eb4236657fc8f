"""The results of an operation: an answer, or a crash."""

from dataclasses import dataclass

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and, for a success, a body. ``fatal``: the real server crashes right after sending the answer."""

    status: int
    body: str | bytes = ""
    content_type: str = JSON
    fatal: bool = False

    @property
    def reason(self) -> str | None:
        """The reason phrase, or None for the standard one."""
        return "uncaught exception" if self.status == 500 else None

    @property
    def is_success(self) -> bool:
        return self.status < 400


class CrashError(Exception):
    """The real server crashes here: the client's connection is closed without an answer."""
