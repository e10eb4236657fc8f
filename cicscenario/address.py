"""Addresses and logins of services as they may be shown: in messages, plans and reports.

Secrets are hidden where they have a form (an address, ``password=``), and else only as whole words: a password that is a part
of other words must not make them unreadable.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote, urlsplit

_HIDDEN = "***"
_SHORTEST = 4  # characters of a secret that is looked for in what others say
_SHORTEST_EVERYWHERE = 8  # the same, in all that is shown
_SHORTEST_KEY = 10  # characters of a part of a path that may be a key
_SURE_KEY = 16  # characters of a part of an address, with digits, that is a key for sure
_SHORTEST_LINE = 16  # characters of a line of a secret of many lines
_known: set[str] = set()


def public(url: str) -> str:
    """``url`` cut down to scheme, host and port: a user name, a password or an API key may be in the rest of it."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(not shown)"
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


class Redaction:
    """Hides the secrets of one service in what it, or a library, says: its address but for the host, and ``secrets``."""

    def __init__(self, url: str = "", *secrets: str | None) -> None:
        self._url = url
        self._name = public(url) if url else ""
        values = [*_of_url(url), *(form for secret in secrets if secret for form in _forms(secret))]
        remember(value for value in values if _is_certain(value) or value in secrets)
        self._pattern = _pattern(values, _SHORTEST)
        self._rest = _rest(url)

    def __call__(self, text: str) -> str:
        if self._url:
            text = text.replace(self._url, self._name)
        if self._rest:
            text = text.replace(self._rest, f"/{_HIDDEN}")
        return self._pattern.sub(_HIDDEN, text) if self._pattern else text


def remember(secrets: Iterable[str]) -> None:
    """Has ``without_known`` hide these secrets from now on. Of one with many lines, each line is hidden."""
    for secret in secrets:
        lines = secret.splitlines()
        _known.update([secret] if len(lines) < 2 else (line for line in lines if len(line) >= _SHORTEST_LINE))


def without_known(text: str) -> str:
    """``text`` without the secrets that this process has read so far: the last net, for tracebacks and messages.

    Short ones stay, since the text is the program's own: a password such as ``chain`` is in many sentences.
    """
    pattern = _pattern(_known, _SHORTEST_EVERYWHERE)
    return pattern.sub(_HIDDEN, text) if pattern else text


def _pattern(secrets: Iterable[str], shortest: int) -> re.Pattern[str] | None:
    """The secrets as whole words, the longest first; None without any."""
    kept = sorted({secret for secret in secrets if len(secret) >= shortest}, key=len, reverse=True)
    return re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, kept))})(?![A-Za-z0-9])") if kept else None


def _is_certain(value: str) -> bool:
    """Whether it is a key, and no name: a part of an address may be the program's own name, which stays."""
    return len(value) >= _SURE_KEY and any(character.isdigit() for character in value)


def _rest(url: str) -> str:
    """Path and query of an address, which libraries name without the host; empty when nothing can be hidden in them."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    rest = parts.path + (f"?{parts.query}" if parts.query else "")
    return rest if parts.query or len(rest) > _SHORTEST_KEY else ""


def _of_url(url: str) -> Iterator[str]:
    """The user, the password, what may be a key in the path, and the values in the query of an address."""
    try:
        parts = urlsplit(url)
        user, password = parts.username, parts.password
    except ValueError:
        yield url
        return
    path = [part for part in parts.path.split("/") if len(part) >= _SHORTEST_KEY]
    values = [part.partition("=")[2] for part in parts.query.split("&")]
    for part in (user, password, *path, *values):
        yield from _forms(part) if part else ()
    if password:
        yield base64.b64encode(f"{unquote(user or '')}:{unquote(password)}".encode()).decode()  # as HTTP sends them


def _forms(secret: str) -> Iterator[str]:
    """A secret as it is, and quoted for an address or not."""
    yield from {secret, unquote(secret), quote(secret, safe="", errors="surrogatepass")}
