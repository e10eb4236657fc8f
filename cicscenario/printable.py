"""Makes text safe to print. What services, files and people's data say may hold characters that a terminal obeys.

Escaped are control characters (C0 without line break and tabulator, DEL, C1), those that change the direction of text or
cannot be seen, line separators and lone surrogates. Joiners stay: names in Persian and emoji need them. Source: ECMA-48 for
the controls, Unicode's Technical Report 36 for the rest.
"""

import json
import re
import sys
from enum import StrEnum
from typing import Any, TextIO

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BREAK = re.compile("[\n\t]")
#: User and password in an address, and what a connection string or a query calls a secret.
_LOGIN = re.compile(r"(?<=://)[^\s/@]+(?=@)")
_NAMED = re.compile(r"(?i)\b(pass(?:word|wd|phrase)?|pwd|secret|token|api_?key|private_?key)(\s?=\s?)[^\s&'\",;)]+")
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four are full-width forms
_LOOKED_AT = 100_000  # characters of what a service says; the rest is not shown anyway
_TONES = {"good": "32", "bad": "31", "doubtful": "33", "faint": "2"}
LONGEST = 300  #: characters of what a service says that are shown


class Colour(StrEnum):
    """When output is coloured."""

    AUTO = "auto"  #: on a terminal, unless NO_COLOR is set
    ALWAYS = "always"
    NEVER = "never"


def printable(text: str) -> str:
    """The text with unsafe characters as ``\\x1b`` or ``\\u202e``. Line breaks and tabulators stay."""
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_escaped, text)


def one_line(text: str) -> str:
    """The same, with line breaks and tabulators escaped, too: no part of it looks like a line of its own."""
    return text if text.isprintable() else _BREAK.sub(_escaped, printable(text))


def foreign(text: object, longest: int = LONGEST) -> str:
    """What a service or a library said, as a part of a message: one line of at most ``longest`` characters, and an ellipsis.

    Logins in addresses, and what is called a secret, are hidden, whoever's they are. See ``address.Redaction`` for our own.
    """
    said = _NAMED.sub(r"\1\2***", _LOGIN.sub("***", str(text)[:_LOOKED_AT]))
    line = one_line(said[: longest + 1])
    return line if len(line) <= longest else f"{line[:longest]}…"


def cell(text: object) -> str:
    """Text as a cell of a CSV file for people. A spreadsheet would compute what begins as a formula, so that gets a quote.

    Not for the old tools' own files, which programs read: phone numbers there begin with +. Source: OWASP, "CSV Injection".
    """
    line = one_line(str(text))
    return f"'{line}" if line.lstrip(" ").startswith(_FORMULA) or line[:2] in ("\\t", "\\r") else line


def json_text(value: Any, **options: Any) -> str:
    """A value as JSON whose text is safe to print, and readable: letters of all scripts stay. ``options`` are json.dumps's."""
    return _UNSAFE.sub(_json_escaped, json.dumps(value, ensure_ascii=False, **options))


def say(
    text: object = "", *, stream: TextIO | None = None, end: str = "\n", flush: bool = False, tone: str | None = None
) -> None:
    """Prints text, on stdout or ``stream``, after making it safe; in the colour of ``tone`` unless that is None."""
    print(painted(str(text), tone), file=stream or sys.stdout, end=end, flush=flush)


def painted(text: str, tone: str | None) -> str:
    """The text, made safe, in the colour of a tone: good, bad, doubtful or faint. Source: ECMA-48, SGR."""
    safe = printable(text)
    return f"\x1b[{_TONES[tone]}m{safe}\x1b[0m" if tone else safe


def _escaped(found: re.Match[str]) -> str:
    known = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    number = ord(found[0])
    return known.get(found[0]) or (f"\\x{number:02x}" if number < 0x100 else _json_escaped(found))


def _json_escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
