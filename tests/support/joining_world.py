"""A phone interface, an engine, a tasker and a metadata store that do what a test says, at the pace of a test's clock."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cicscenario.backends.work.cic_ussd import CicUssdBackend
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Result
from cicscenario.errors import UnavailableError
from cicscenario.people import pointer
from cicscenario.people.person import Person
from cicscenario.services.accounts import AccountRow
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Lost, Trace
from cicscenario.services.meta import Wanted
from cicscenario.services.ussd import Joined, Joining, UssdError
from cicscenario.services.ussd_tasks import Creation, UssdTasks, WaitingTask
from cicscenario.state.rows import Outcome
from cicscenario.state.store import Store

JOINING_PATIENCE = 40.0
QUEUED = Lost(Trace.QUEUED, "no worker has taken its task from the queue")
NOWHERE = Lost(Trace.UNKNOWN, "the custodial engine has no result of it")


def account(phone: str, number: int = 1) -> bytes:
    """The account that a phone's ``number``-th choice makes."""
    return bytes([number]) + pointer.phone(phone)[:19]


class JoiningWorld:
    """An account's pointer shows ``delay`` seconds after its choice, for whom it ever does.

    ``is_seen`` says whether the environment has `custodial`, and ``has_table`` whether it has `accounts`.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.delay = 1.0
        self.lost: set[str] = set()  # phones whose first choice leads nowhere
        self.errors: list[UssdError] = []  # what the next calls end with
        self.taken_anyway = False  # whether a choice that ends with an error makes an account
        self.choices: list[str] = []
        self.dials: list[str] = []
        self.looks = 0
        self.written_before: list[bool] = []
        self.is_seen = True
        self.has_table = False
        self.store: Store
        # what Redis shows
        self.redis_fails = False
        self.repeats_itself = False  # whether the client sends again what is not answered
        self.has_keys = True  # whether cic-ussd's keys are in that Redis
        self.knows_queue = True  # whether the tasker's queue is
        self.engine: Callable[[str], AccountOutcome] = lambda root: Created(bytes.fromhex(root))
        self.busy_until = 0.0  # until when workers are seen to work
        self.answers = True  # whether the engine answers questions
        self.tasks: list[WaitingTask] = []
        # the account table, and metadata entries that were written
        self.rows: dict[str, AccountRow] = {}
        self.entries: dict[bytes, Any] = {}
        self.signs = True
        self._ready: dict[bytes, tuple[float, bytes]] = {}
        self._registered: set[str] = set()

    # the event that pauses
    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False

    # the phone interface
    def choose_language(
        self, phone: str, language: str, *, pending: bool = False, requesting: Callable[[], bool] = lambda: True
    ) -> Joined:
        self.dials.append(phone)
        person = int(phone[-3:])
        there = self.there(phone)
        requested = not there and not pending and requesting()
        self.written_before.append(any(row.status == "asked" for row in self.store.requests([person]).get(person, [])))
        if self.errors:
            if self.taken_anyway:
                self.choose(phone)
            raise self.errors.pop(0)
        if there:
            return Joined(Joining.EXISTS, None)
        if requested:
            self.choose(phone)
        return Joined(Joining.PENDING, None)

    def choose(self, phone: str) -> None:
        self.choices.append(phone)
        if phone in self.lost and self.choices.count(phone) == 1:
            return
        made = account(phone, self.choices.count(phone))
        self._ready.setdefault(pointer.phone(phone), (self.now + self.delay, made))

    def report(self, phone: str, *, after: float) -> None:
        """The tasker handles the report on the account of a phone's first choice; it needs ``after`` seconds for it."""
        self._ready[pointer.phone(phone)] = (self.now + after, account(phone))

    def register(self, phone: str, *, pointer_after: float = 0.0) -> None:
        """Somebody else has an account made for a phone."""
        self._registered.add(phone)
        self._ready[pointer.phone(phone)] = (self.now + pointer_after, account(phone))

    def lose_pointer(self, phone: str, *, age: float = 60.0) -> bytes:
        """cic-ussd has the account, and its tasker never writes the entries."""
        self._registered.add(phone)
        self._ready.pop(pointer.phone(phone), None)
        self.rows[phone] = AccountRow(account(phone).hex(), 1, None, None, 0, age)
        return account(phone)

    def there(self, phone: str) -> bool:
        return phone in self._registered or self._ready.get(pointer.phone(phone), (float("inf"), b""))[0] <= self.now

    # Redis
    def creations(self) -> list[Creation]:
        self._may_fail()
        if not self.has_keys:
            return []
        numbers: dict[str, int] = {}
        found = []
        for phone in self.choices:
            numbers[phone] = numbers.get(phone, 0) + 1
            found.append(Creation(account(phone, numbers[phone]).hex(), phone, reported=self.there(phone)))
        return found

    def waiting(self) -> list[WaitingTask]:
        self._may_fail()
        return self.tasks

    def is_known(self) -> bool:
        self._may_fail()
        return self.knows_queue

    def _may_fail(self) -> None:
        if self.redis_fails:
            raise UnavailableError("Redis does not answer")

    def outcomes(self, roots: Sequence[str]) -> dict[str, AccountOutcome]:
        return {root: self.engine(root) for root in roots}

    def unwell(self) -> str | None:
        if self.answers:
            return None
        self.now += 5
        return "no worker takes tasks"

    def activity(self) -> int:
        """Grows as long as services move."""
        return int(min(self.now, self.busy_until))

    def count(self) -> int:
        return len(self.rows)

    # the account table
    def read(self, phones: Sequence[str]) -> dict[str, AccountRow]:
        return {phone: self.rows[phone] for phone in phones if phone in self.rows}

    # the metadata store
    was_away = False

    def get_many(self, pointers: Sequence[bytes]) -> list[Any]:
        self.looks += len(pointers)
        self.now += 0.01
        return [self._value(key) for key in pointers]

    def _value(self, key: bytes) -> Any:
        ready, made = self._ready.get(key, (float("inf"), b""))
        return made.hex() if ready <= self.now else self.entries.get(key)

    def ensure_many(self, entries: Sequence[Wanted]) -> list[tuple[int, Any]]:
        if not self.signs:
            return [(number, UnavailableError("the key cannot sign")) for number, _ in enumerate(entries)]
        self.entries |= {wanted.pointer: wanted.value for wanted in entries}
        return [(number, "written") for number, _ in enumerate(entries)]


def people(count: int) -> list[Person]:
    return [Person(n, "{}", f"+25471100{n:04d}", "sw", (), bytes([n, 1] * 10), 1, None) for n in range(count)]


class WorldTasks(UssdTasks):
    """What the world's Redis has."""

    address = "queue 'cic-ussd'"  # type: ignore[assignment]

    def __init__(self, world: JoiningWorld) -> None:
        self._world = world

    def creations(self) -> list[Creation]:
        return self._world.creations()

    def waiting(self) -> list[WaitingTask]:
        return self._world.waiting()

    def is_known(self) -> bool:
        return self._world.is_known()


def backend(world: JoiningWorld, folder: Path, *, dialect: str = "current") -> CicUssdBackend:
    """The backend of one run in that world."""
    options = {"dialect": dialect, "patience": JOINING_PATIENCE}
    scenario: Any = SimpleNamespace(backend=SimpleNamespace(option=options.get), chooses_language=True)
    nothing: Any = None
    tasks = WorldTasks(world)
    services: Any = SimpleNamespace(
        ussd=world,
        meta=world,
        accounts=world,
        ussd_tasks=tasks if world.is_seen else None,
        custodial=SimpleNamespace(
            outcomes=world.outcomes,
            unwell=world.unwell,
            activity=world.activity,
        ),
        environment=SimpleNamespace(
            custodial="where the engine is" if world.is_seen else None,
            accounts="where the table is" if world.has_table else None,
        ),
    )
    stopping: Any = world
    return CicUssdBackend(
        RunContext(scenario, folder, nothing, services, world.store, stopping, clock=lambda: world.now)
    )


@contextmanager
def joining_world(folder: Path) -> Iterator[JoiningWorld]:
    """With a state of sixty people in this folder, which is closed with the block."""
    world = JoiningWorld()
    world.store = Store(folder / "state.sqlite")
    world.store.commit("population", [Outcome(p.id, ok=True) for p in people(60)], people=people(60))
    yield world
    world.store.close()


def failures(made: Result) -> dict[int, str | None]:
    return {outcome.person: outcome.detail for outcome in made.outcomes if not outcome.ok}
