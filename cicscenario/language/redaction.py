"""Hides secrets that were written into a file instead of a reference, so that no error message shows them.

Works on the text and not on parsed YAML, because the file may be broken or have misspelt keys.
"""

import re
from collections.abc import Iterator, Sequence

_KEY = re.compile(r"""(?<![\w-])([\w-]++)["']?\s*+[:=]\s*+""")
#: Parts of the names of secrets; they match most misspelt names too.
_SECRET = re.compile("pass|pwd|priv|secret|mnemonic|pepper|key$", re.IGNORECASE)
_HOLDER = "signer"  #: a mapping that holds secrets; a value on its own line is a misplaced secret
_REFERENCE = re.compile(r"""["']?(?:file:|\{\{)""")
_VALUE = re.compile(r"\s*[:=]?\s*")  # the text between a key and its value
_KEY_LINE = re.compile(r""" *(?:- +)*["']?[\w.-]++["']?\s*+:(?:\s|$)""")
_IN_URL = re.compile(r"(?<=://)[^\s/@]+(?=@)")  # user and password in a URL
_PART = r"""(?:\{\{[^{}]*\}\}|[^\s"'CUT])*"""  # of a URL, which may have expressions
_BEHIND_HOST = re.compile(rf"(?<=://)({_PART.replace('CUT', '/?#')})([/?#]{_PART.replace('CUT', '')})")
_KEY_IN_URL = re.compile(r"(?<=[/?&=])[^/?&=#,\]})]{10,}")  # a part of the path, or a value in the query


def redact(line: str) -> str:
    """The line with literal secrets replaced by asterisks. The length stays the same, so that carets stay in place."""
    line = _IN_URL.sub(_stars, line)
    line = _BEHIND_HOST.sub(lambda found: found[1] + _KEY_IN_URL.sub(_stars, found[2]), line)
    secret = _secret(line)
    return _hidden(line, secret.end()) if secret else line


def redact_all(lines: Sequence[str]) -> list[str]:
    """The lines with literal secrets hidden, also those on the lines below their key."""
    shown = [redact(line) for line in lines]
    end = 0
    for number, line in enumerate(lines):
        secret = _secret(line) if number >= end else None
        if secret and secret[1] != _HOLDER:
            end = number + 1 + _hide_below(shown, number)
    return shown


def hide_value(shown: list[str], number: int, column: int) -> None:
    """Hides the value of the key that ends at this place, and the lines that may belong to the value."""
    value = _VALUE.match(shown[number], column)
    if value and not _REFERENCE.match(shown[number], value.end()):
        _hide_below(shown, number)
        shown[number] = _hidden(shown[number], value.end())


def _stars(found: re.Match[str]) -> str:
    return "*" * len(found[0])


def _secret(line: str) -> re.Match[str] | None:
    """The first key in the line whose value is a secret. A mapping does not count, because its keys are matched."""
    named = (found for found in _KEY.finditer(line) if found[1] == _HOLDER or _SECRET.search(found[1]))
    literal = (found for found in named if not _REFERENCE.match(line, found.end()))
    return next((found for found in literal if not line.startswith("{", found.end())), None)


def _hide_below(shown: list[str], number: int) -> int:
    below = list(_below(shown, number))
    for at in below:
        shown[at] = _hidden(shown[at], 0)
    return len(below)


def _below(lines: Sequence[str], number: int) -> Iterator[int]:
    """The lines that may belong to the value of a key: all until the next key that is not indented deeper."""
    depth = _depth(lines[number])
    for at in range(number + 1, len(lines)):
        if _KEY_LINE.match(lines[at]) and _depth(lines[at]) <= depth:
            return
        yield at


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _hidden(line: str, start: int) -> str:
    return line[:start] + "*" * (len(line) - start)
