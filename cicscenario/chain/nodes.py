"""The nodes that serve a chain: their addresses, which of them is asked, and how many calls each takes in one request."""

import re
import threading
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from cicscenario.address import public

_ENOUGH = 2  # times that a smaller request is answered where a larger one got no answer, until it is believed
_SHORTEST_SECRET = 3  # characters of a secret that is removed from texts
_SHORTEST_KEY = 10  # characters of a part of a path that may be a key


class BatchSize:
    """How many calls a node takes in one request, at most ``most``; found out by trying. Thread-safe.

    A refusal because of the number counts at once and for good. A large request that gets no answer, such as a closed
    connection, may have another cause. So smaller ones are tried, then the large one once more; when it fails again and a
    smaller one does not, the number is the cause.
    """

    def __init__(self, most: int) -> None:
        self._mutex = threading.Lock()
        self._most = most
        self._size = most
        self._failures = 0  # in a row
        self._suspect: int | None = None  # the largest request that may have failed because of its size
        self._answered: int | None = None  # a smaller one that was answered
        self._times = 0

    @property
    def size(self) -> int:
        return self._size

    def refused(self, number: int) -> bool:
        """The node refuses so many because of their number. False when it cannot be asked for fewer."""
        with self._mutex:
            self._most = self._size = min(self._size, max(1, number // 2))
            self._forget()
        return number > 1

    def failed(self, number: int, *, at_once: bool = False, divisor: int = 2) -> bool:
        """A request of so many got no answer. The second failure in a row makes the next request smaller.

        With ``at_once`` the first one does. True when the next request is smaller.
        """
        with self._mutex:
            self._failures += 1
            if number <= 1 or (self._failures == 1 and not at_once and self._answered is None):
                return False
            self._suspect = number if self._suspect is None else max(self._suspect, number)
            self._size = min(self._size, self._answered or max(1, number // divisor))
            return True

    def answered(self, number: int) -> None:
        """A request of so many was answered. One of fewer than ``size`` says nothing about larger ones."""
        with self._mutex:
            if number < self._size:
                return
            self._failures = 0
            if self._suspect is None:
                return
            if number >= self._suspect:
                self._size = self._most
                self._forget()
                return
            self._answered = number
            self._times += 1
            if self._times >= _ENOUGH:
                self._most = self._size
                self._forget()
            else:
                self._size = self._most

    def _forget(self) -> None:
        self._suspect = self._answered = None
        self._failures = self._times = 0


class Node:
    """One address. ``name`` is the address without secrets, for messages."""

    def __init__(self, url: str, batch: int) -> None:
        self.url = url
        self.name = public(url)
        self.batch = BatchSize(batch)
        self._secrets = _secrets(url)

    def clean(self, text: str) -> str:
        """``text`` without the address's password, key and path; libraries and nodes repeat them in what they say."""
        text = text.replace(self.url, self.name)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class Nodes:
    """The nodes of one chain, shared by all that ask it. One is asked until it does not answer; then the next is."""

    def __init__(self, urls: Sequence[str], batch: int) -> None:
        self.all = [Node(url, batch) for url in urls]
        self._mutex = threading.Lock()
        self._current = 0

    @property
    def current(self) -> Node:
        return self.all[self._current]

    def leave(self, node: Node) -> None:
        """``node`` does not answer: the next one is asked from now on, unless another thread has changed it already."""
        with self._mutex:
            if self.all[self._current] is node:
                self._current = (self._current + 1) % len(self.all)


def _secrets(url: str) -> list[str]:
    """What must not be shown of an address, the longest first."""
    try:
        parts = urlsplit(url)
        keys = [part for part in re.split("[/?&=]", f"{parts.path}?{parts.query}") if len(part) >= _SHORTEST_KEY]
        given = [parts.password or "", parts.username or ""]
    except ValueError:
        return [url]
    found = {form for part in (*keys, *given) for form in (part, unquote(part)) if len(part) >= _SHORTEST_SECRET}
    return sorted(found, key=len, reverse=True)
