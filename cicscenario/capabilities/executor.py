"""An executor does the work of one step for one batch of people."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cicscenario.people.person import Person
from cicscenario.state.rows import Outcome


@dataclass(frozen=True)
class Wait:
    """What a batch waits for.

    ``what`` is a thing, such as ``accounts of the custodial engine``. Nothing of it has come for ``seconds``; after ``patience``
    seconds, None when that is not known, it is given up. ``seen`` is what was seen last.
    """

    what: str
    seconds: float
    patience: float | None = None
    seen: str = ""


@dataclass
class Result:
    """What a step has made of a batch so far. Thread-safe.

    The engine writes new entries into the state while the executor still works, about every half second. ``people`` (new or
    changed) and ``addresses`` (person id, account address) are written together with the outcomes. ``spelled`` is, by person
    id, how person documents write the account.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    addresses: list[tuple[int, bytes]] = field(default_factory=list)
    spelled: dict[int, str] = field(default_factory=dict)
    #: What the executor waits for, or a function that says it; None when it does not wait, or does not say.
    wait: Wait | Callable[[], Wait] | None = field(default=None, compare=False)
    _mutex: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)
    _taken: tuple[int, int, int] = field(default=(0, 0, 0), init=False, repr=False, compare=False)

    def done(self, person: int, detail: str | None = None, *, read_back: bool = False) -> None:
        """Adds a success. ``read_back``: the service was asked for the result afterwards, and has it."""
        self.add([Outcome(person, True, detail, read_back)])

    def found(self, person: int, address: bytes, spelled: str | None = None, *, detail: str | None = None) -> None:
        """Adds a success: the person has this account.

        ``spelled`` is how person documents write it; None: in lower case without 0x, as the custodial engine gives it.
        """
        with self._mutex:
            self.spelled[person] = spelled or address.hex()
            self.addresses.append((person, address))
            self.outcomes.append(Outcome(person, ok=True, detail=detail))

    def created(self, person: Person) -> None:
        """Adds a success: this person is new."""
        with self._mutex:
            self.people.append(person)
            self.outcomes.append(Outcome(person.id, ok=True))

    def fail(self, person: int, why: str) -> None:
        """Adds a failure of one person."""
        self.add([Outcome(person, ok=False, detail=why)])

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Adds outcomes."""
        with self._mutex:
            self.outcomes.extend(outcomes)

    def include(self, other: "Result") -> None:
        """Adds the entries of another result; does nothing for this one itself."""
        if other is not self:
            with self._mutex:
                self.people += other.people
                self.addresses += other.addresses
                self.spelled |= other.spelled
                self.outcomes += other.outcomes

    def waiting(self) -> Wait | None:
        """What the executor waits for now."""
        wait = self.wait
        return wait() if callable(wait) else wait

    def take(self) -> "Result":
        """The entries that are new since the last call."""
        with self._mutex:
            outcomes, people, addresses = self._taken
            self._taken = (len(self.outcomes), len(self.people), len(self.addresses))
            return Result(self.outcomes[outcomes:], self.people[people:], self.addresses[addresses:], self.spelled)


@dataclass(frozen=True)
class Batch:
    """Part of the population: the ids to process, and the people (none in the first step, which makes them).

    ``result`` takes each outcome as soon as it is known. ``fresh`` are the people whose account this process has just made.
    """

    ids: Sequence[int]
    people: Sequence[Person]
    result: Result = field(default_factory=Result, compare=False)
    fresh: frozenset[int] = frozenset()


class Executor(Protocol):
    """Executes one step for a batch. It is called from several threads, as many as the lane has.

    Adds each outcome to ``batch.result`` as soon as it is known, and returns that result. Begins no further person when the
    context's ``stopping`` is set. Raises UnavailableError or ReconcileError when the step cannot continue for any person;
    outcomes that were added before count. The failure of one person is an outcome. A person without an outcome stays pending.

    An executor that is done within a second may return a result of its own instead.
    """

    def __call__(self, batch: Batch) -> Result: ...
