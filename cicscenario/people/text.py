"""Text that the services can keep: Unicode without NUL."""

from typing import Any


def text_problem(text: str) -> str | None:
    """The reason why PostgreSQL or a JSON message cannot hold a text; None when they can."""
    if "\0" in text:
        return "has the character U+0000, which PostgreSQL does not store"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        # Bytes that are not UTF-8 are read as surrogates U+DC80 to U+DCFF.
        return f"is not UTF-8 text: byte 0x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else "is not Unicode text"
    return None


def has_nul(value: Any) -> bool:
    """Whether a text or a key in a JSON value has the character U+0000."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(has_nul(item) for pair in value.items() for item in pair)
    return isinstance(value, list) and any(map(has_nul, value))
