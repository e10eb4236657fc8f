"""What a client gets."""

from dataclasses import dataclass

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and, when it is a success, a body; ``fatal`` when the real server ends right after sending it."""

    status: int
    body: str | bytes = ""
    content_type: str = JSON
    fatal: bool = False

    @property
    def reason(self) -> str | None:
        """The reason phrase, where it is not the usual one."""
        return "uncaught exception" if self.status == 500 else None

    @property
    def is_success(self) -> bool:
        return self.status < 400


class CrashError(Exception):
    """Here the real server's process ends, and a client sees its connection closed without an answer."""
