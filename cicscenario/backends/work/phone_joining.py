"""Dials for people and chooses their language, with each request saved in the state right before it is sent."""

import uuid
from collections.abc import Callable, Sequence

from cicscenario.capabilities.context import RunContext
from cicscenario.people.person import Person
from cicscenario.retry import PAUSES
from cicscenario.services.circuit import CircuitBreaker
from cicscenario.services.ussd import SILENT, Joining, UssdError
from cicscenario.state.rows import RequestRow


class PhoneJoining:
    """Makes requests for accounts by phone, and keeps their rows in the state."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._circuit = CircuitBreaker(SILENT)

    def join(self, person: Person, *, pending: bool, may_choose: Callable[[], bool]) -> Joining:
        """Dials for a person, and chooses a language unless the account may be ``pending`` already.

        ``may_choose`` is asked right before the choice. A choice whose fate is not known counts as pending: the phone pointer
        will show it. Raises UssdError when certainly nothing was requested; when the interface answers nobody
        (``gives_up``), it concerns everybody.
        """
        error: UssdError | None = None
        for pause in PAUSES[:1] if self._context.services.ussd.repeats_itself else PAUSES:
            if error and not error.answered:
                self._context.stopping.wait(pause)
            request = _Request(self._context, person, may_choose)
            try:
                joined = self._context.services.ussd.choose_language(
                    person.phone, person.language, pending=pending, requesting=request.save
                )
            except UssdError as failure:
                error = failure
                if error.taken is None:
                    break
                request.failed(error.message)
            else:
                self._circuit.succeeded()
                return joined.joining
        assert error
        if error.answered:
            self._circuit.succeeded()
        else:
            self._circuit.failed(error)
        if self._circuit.open or error.taken is not None:
            raise error
        return Joining.PENDING

    @property
    def gives_up(self) -> bool:
        """Whether the interface has answered too many people in a row not at all."""
        return self._circuit.open is not None

    # --- the requests in the state ------------------------------------------------------------------------------

    def requests(self, people: Sequence[Person]) -> dict[int, list[RequestRow]]:
        """The requests that the interface may have accepted, by person id. Requests that have failed are left out."""
        found = self._context.state.requests([person.id for person in people])
        return {person: [row for row in rows if row.status != "failed"] for person, rows in found.items()}

    def created(self, person: Person, address: bytes) -> None:
        """Saves that the last request has made this account."""
        rows = self.requests([person]).get(person.id, [])
        if rows and not any(row.address == address for row in rows):
            self._answer(rows[-1], "created", None, address)

    def over(self, person: Person, made: Sequence[bytes], why: str, *, may_exist: bool) -> None:
        """Saves that the earlier requests have made the accounts ``made``, and no others, or with ``may_exist`` perhaps one."""
        rows = self.requests([person]).get(person.id, [])
        left = [address for address in made if address not in {row.address for row in rows}]
        for row in [row for row in rows if row.status == "asked"]:
            if left:
                self._answer(row, "created", why, left.pop())
            elif may_exist:
                may_exist = False  # this row goes on to count as a possible account
            else:
                self._answer(row, "failed", why)
        more = [RequestRow(uuid.uuid4().hex, person.id, "", "created", address, why) for address in left]
        self._context.state.add_requests(more)

    def _answer(self, row: RequestRow, status: str, why: str | None, address: bytes | None = None) -> None:
        self._context.state.answer_requests([RequestRow(row.id, row.person, row.channel, status, address, why)])


class _Request:
    """One request of a person. It is saved only if the interface comes to the input that makes the account."""

    def __init__(self, context: RunContext, person: Person, may_choose: Callable[[], bool]) -> None:
        self._state = context.state
        self._row = RequestRow(uuid.uuid4().hex, person.id, "")
        self._may_choose = may_choose
        self._is_saved = False

    def save(self) -> bool:
        """Saves it. Returns False when the choice must not be made."""
        if not self._may_choose():
            return False
        self._state.add_requests([self._row])
        self._is_saved = True
        return True

    def failed(self, why: str) -> None:
        if self._is_saved:
            self._state.answer_requests([RequestRow(self._row.id, self._row.person, "", "failed", None, why)])
