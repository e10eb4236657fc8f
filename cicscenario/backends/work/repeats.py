"""Requests to the custodial engine that are repeated: for one person after the other, and only while it can sign.

The engine reserves a nonce of a role's account before it signs. When it then cannot sign, the nonce stays unused, and every
later transaction of that account waits for it. So a request is repeated only when the engine has just used its signer, and
for nobody else before the transaction of the last one was mined.
"""

import threading
from collections.abc import Callable, Sequence

from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import Signing


class Repeats:
    """Repeats one kind of request, once for each person and run. Safe for use by many threads.

    ``send`` requests it for an account and returns the request's id, by which ``signing`` tells how far it is. ``done`` is
    whether a person has got it. ``idle`` is whether all transactions of the role that the node has are mined. ``unwell``
    returns why the engine cannot sign, or None.
    """

    def __init__(
        self,
        *,
        send: Callable[[bytes], str],
        signing: Callable[[str], Signing],
        done: Callable[[Person], bool],
        idle: Callable[[], bool],
        unwell: Callable[[], str | None],
    ) -> None:
        self._send = send
        self._signing = signing
        self._done = done
        self._idle = idle
        self._unwell = unwell
        self._mutex = threading.Lock()
        self._asked: dict[int, str] = {}  # request ids by person id
        self._last: Person | None = None  # the person whose request is not known to be fulfilled
        self._refusal: str | None = None
        self._failed: dict[int, str] = {}

    def ask(self, people: Sequence[Person]) -> bool:
        """Repeats the request for the first of the people for whom this may be done now. Returns whether it did."""
        with self._mutex:
            if self._failed or not self._has_ended() or not self._idle():
                return False
            person = next((person for person in people if person.id not in self._asked), None)
            if person is None:
                return False
            self._refusal = self._unwell()
            if self._refusal:
                return False
            self._asked[person.id] = self._send(person.account)
            self._last = person
            return True

    def _has_ended(self) -> bool:
        if self._last and self._done(self._last):
            self._last = None
        return self._last is None

    def failures(self, people: Sequence[Person]) -> dict[int, str]:
        """The people for whom the repeated request is known to have failed, with the reason. Nobody is asked for after that."""
        with self._mutex:
            if self._last and self._last.id not in self._failed:
                failed = self._signing(self._asked[self._last.id]).failed
                if failed:
                    self._failed[self._last.id] = failed.advised
            return {person.id: self._failed[person.id] for person in people if person.id in self._failed}

    @property
    def stopped(self) -> bool:
        """Whether a repeated request has failed, so that no other is sent."""
        with self._mutex:
            return bool(self._failed)

    @property
    def refusal(self) -> str:
        """Why nobody is asked for again at present, in words that follow a semicolon; empty when there is no reason."""
        with self._mutex:
            if self._refusal:
                return f"; nothing was requested again, because it would leave another nonce unused: {self._refusal}"
            if self._last:
                return f"; it was requested again for person {self._last.id} alone, and is not done for them"
            return ""
