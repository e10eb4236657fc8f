"""The nodes that serve a chain: their addresses, which of them is asked, and how many calls each takes in one request."""

import threading
from collections.abc import Sequence

from cicscenario.address import Redaction, public
from cicscenario.printable import LONGEST, foreign

_SLOW_DIVISOR = 16  # a request that took the whole time-out is followed by one of so many times fewer calls


class BatchSize:
    """How many calls a node takes in one request, at most ``most``; found out by trying. Thread-safe.

    A refusal because of the number counts at once and for good. A large request that gets no answer, such as a closed
    connection, may have another cause. So smaller ones are tried until one is answered, and then larger ones again. Only
    if these fail once more, the number is the cause.
    """

    def __init__(self, most: int) -> None:
        self._mutex = threading.Lock()
        self._most = most
        self._size = most
        self._failures = 0  # in a row
        self._answered: int | None = None  # calls of a request that was answered after larger ones had failed

    @property
    def size(self) -> int:
        return self._size

    def refused(self, number: int) -> None:
        """The node refuses so many calls because of their number."""
        with self._mutex:
            self._believe(min(self._size, max(1, number // 2)))

    def failed(self, number: int, *, at_once: bool = False, slow: bool = False) -> bool:
        """A request of so many calls got no answer. The second failure in a row makes the next request smaller.

        With ``at_once`` the first one does. ``slow``: it took the whole time-out, so much smaller ones are tried. True when
        the next request is smaller.
        """
        with self._mutex:
            self._failures += 1
            if number <= 1 or (self._failures == 1 and not (at_once or slow)):
                return False
            if self._answered is not None and self._answered < number:
                self._believe(self._answered)
            else:
                self._size = max(1, min(self._size, number // (_SLOW_DIVISOR if slow else 2)))
            return True

    def answered(self, number: int) -> None:
        """A request of so many calls was answered. One of fewer than ``size`` says nothing about larger ones."""
        with self._mutex:
            if number < self._size:
                return
            self._failures = 0
            self._answered = number if self._size < self._most else None
            self._size = min(2 * self._size, self._most)

    def _believe(self, number: int) -> None:
        self._most = self._size = number
        self._answered = None
        self._failures = 0


class Node:
    """One address. ``name`` is the address without secrets, for messages."""

    def __init__(self, url: str, batch: int) -> None:
        self.url = url
        self.name = public(url)
        self.batch = BatchSize(batch)
        self.clean = Redaction(url)  #: removes the address's password, key and path; libraries and nodes repeat them

    def said(self, text: object, longest: int = LONGEST) -> str:
        """What the node or a library said, as a part of a message."""
        return foreign(self.clean(str(text)), longest)


class Nodes:
    """The nodes of one chain, shared by all that ask it. One is asked until it does not answer; then the next is."""

    def __init__(self, urls: Sequence[str], batch: int) -> None:
        self.all = [Node(url, batch) for url in urls]
        self.genesis: str | None = None  #: hash of block 0, once it is known which chain they serve
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
