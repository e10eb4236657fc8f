"""What a backend is: the way in which accounts come to be."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

from cicscenario.connections import Connections
from cicscenario.language import Scenario
from cicscenario.state.store import Outcome, PersonRow, RequestRow


class RequestLog(Protocol):
    """The part of the state that backends write to by themselves, because it has to be there before they ask."""

    def add_requests(self, rows: Iterable[RequestRow]) -> None: ...

    def requests(self, people: Sequence[int]) -> dict[int, list[RequestRow]]: ...

    def answer_requests(self, rows: Iterable[RequestRow]) -> None: ...


@dataclass(frozen=True)
class BackendContext:
    """What a backend may use. ``stopping`` is set when a run is to end: waits end with it."""

    scenario: Scenario
    directory: Path
    services: Connections
    log: RequestLog
    existing: Callable[[int], bytes | None]  #: the account that a person has in the population's source
    stopping: threading.Event
    lineage: str  #: of the state; the same in every run of it, and no other has it


@dataclass(frozen=True)
class Made:
    """Accounts as (person, address), and an outcome for each person whose end is known."""

    addresses: list[tuple[int, bytes]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def add(self, person: int, address: bytes) -> None:
        self.addresses.append((person, address))
        self.outcomes.append(Outcome(person, ok=True))

    def fail(self, person: int, why: str) -> None:
        self.outcomes.append(Outcome(person, ok=False, detail=why))


class Deed(Enum):
    """What the custodial engine does by itself with an account that it has made."""

    REGISTRATION = auto()
    GIFT = auto()  #: of gas, and the faucet's


class Backend(Protocol):
    """Gives people accounts. Threads share one; a person without outcome is asked about again by the next run.

    Raises UnavailableError when nobody can be given one at present.
    """

    def accounts(self, people: Sequence[PersonRow]) -> Made: ...

    def trouble(self, people: Sequence[PersonRow]) -> dict[int, str]:
        """Why people who have an account will never be registered, for those of whom that is known."""

    def again(self, deed: Deed, people: Sequence[PersonRow]) -> bool:
        """Has a deed done that should have been done by now, once a person in a run; says whether it asked for anybody.

        What was done meanwhile is not done twice: the contracts refuse it, which costs the engine a little gas.
        """

    def close(self) -> None: ...
