"""What has become of a choice of a language that has led to no phone pointer yet.

Each choice makes an account. So it is made again only when the first one is known to be over. cic-ussd's key in Redis names
the engine's first task; the engine's queue and results show how far it came, and the tasker's queue whether its report has
been handled. Where these cannot be seen, nothing is known, and that is not the same as over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from cicscenario.backends.work.losttasks import LostTasks
from cicscenario.capabilities.context import RunContext
from cicscenario.errors import UnavailableError
from cicscenario.people.person import Person
from cicscenario.retry import pause
from cicscenario.services.accounts import AccountRow
from cicscenario.services.custodial.outcome import AccountOutcome, Failed, Lost, Trace
from cicscenario.services.custodial.results import address_in
from cicscenario.services.ussd_tasks import Creation, UssdTasks, WaitingTask

_TAKEN, _LOOK = 10.0, 0.2  # seconds for the tasker to take a task, and between two looks
_ADD = "add `{0}` to the environment file, and it can be seen"


class Fate(Enum):
    """What a choice has led to."""

    LIVE = auto()  #: it may still make the account
    OVER = auto()  #: it will make no account that cic-ussd knows
    UNSEEN = auto()  #: not known
    REGISTERED = auto()  #: cic-ussd has the account


@dataclass(frozen=True)
class Choice:
    """The fate of a person's choices, and ``why`` in words.

    ``address`` is the account that cic-ussd has (REGISTERED), and ``age`` the seconds since it has it, None when not known.
    ``made`` are the accounts that the engine has made and cic-ussd will not know (OVER); ``may_exist``: perhaps another one.
    """

    fate: Fate
    why: str
    address: bytes | None = None
    age: float | None = None
    made: tuple[bytes, ...] = ()
    may_exist: bool = False


class Choices:
    """Looks them up. Safe for use by many threads."""

    def __init__(self, context: RunContext) -> None:
        self._services = context.services
        self._stopping = context.stopping
        self._clock = context.clock
        patience: float = context.scenario.backend.option("patience")
        self._lost = LostTasks(lambda: self._services.custodial.unwell(), context.clock, patience)
        self._has_keys = False  # whether any key of cic-ussd was seen in this Redis

    def look(self, people: Sequence[Person]) -> dict[int, Choice]:
        """The fate of each person's choices, by person id. A service that does not answer makes it UNSEEN."""
        rows, trouble = self._rows(people)
        found = {
            person.id: Choice(
                Fate.REGISTERED, "cic-ussd's account table has the account", address_in(row.address), row.age
            )
            for person in people
            if (row := rows.get(person.phone))
        }
        left = [person for person in people if person.id not in found]
        if not left:
            return found
        tasks = self._services.ussd_tasks
        if trouble:
            return found | _unseen(left, trouble)
        if tasks is None:
            return found | _unseen(left, _ADD.format("custodial"))
        try:
            return found | self._by_tasks(left, tasks)
        except UnavailableError as error:
            return found | _unseen(left, error.message)

    def watch(self) -> None:
        """Keeps an eye on the engine while a choice may be lost. Between two looks call it every few seconds."""
        self._lost.watch()

    def tasks_of(self, address: bytes) -> str | None:
        """The tasks of cic-ussd's tasker for an account that have not begun, in words; None when there are none.

        Raises UnavailableError when that cannot be seen.
        """
        tasks = self._services.ussd_tasks
        if tasks is None:
            raise UnavailableError(
                "the environment does not say where cic-ussd's tasker has its tasks: " + _ADD.format("custodial")
            )
        return tasks.left([address]).get(address)

    def tasker_works(self) -> str | None:
        """Whether cic-ussd's tasker takes the tasks that are on its queue now: None when it does, otherwise why not.

        Call it after a dial, for which the interface gives the tasker a task. A tasker that is paused may have begun any task.
        Waits a few seconds. Raises UnavailableError.
        """
        tasks = self._services.ussd_tasks
        left = _queued(tasks) if tasks else set()
        began = self._clock()
        while tasks and left and self._clock() - began < _TAKEN:
            pause(_LOOK, self._stopping)
            left &= _queued(tasks)
        return f"cic-ussd's tasker takes no tasks from the {tasks.address}" if tasks and left else None

    def _rows(self, people: Sequence[Person]) -> tuple[dict[str, AccountRow], str | None]:
        """The rows of the account table by phone number, and why they are not known."""
        if self._services.environment.accounts is None:
            return {}, None
        try:
            return self._services.accounts.read([person.phone for person in people]), None
        except UnavailableError as error:
            return {}, error.message

    def _by_tasks(self, people: Sequence[Person], tasks: UssdTasks) -> dict[int, Choice]:
        creations: dict[str, list[Creation]] = {}
        for creation in tasks.creations():
            creations.setdefault(creation.phone, []).append(creation)
        self._has_keys = self._has_keys or bool(creations)
        if not self._has_keys:
            return _unseen(people, f"cic-ussd's keys are not in the Redis of the {tasks.address}")
        mine = {person.id: creations.get(person.phone, []) for person in people}
        ends = self._outcomes([one.root for those in mine.values() for one in those])
        known, waiting = tasks.is_known(), tasks.waiting()
        return {
            person: _combined([self._one(one, ends[one.root], tasks, waiting if known else None) for one in those])
            for person, those in mine.items()
        }

    def _outcomes(self, roots: Sequence[str]) -> dict[str, AccountOutcome | str]:
        """How far the engine has come; for a task that is nowhere and does not count as lost yet, why it does not."""
        custodial = self._services.custodial
        ends: dict[str, AccountOutcome | str] = dict(found := custodial.outcomes(roots))
        nowhere = [root for root, end in found.items() if isinstance(end, Lost) and end.nowhere]
        lost = self._lost.among(found)
        ends |= {root: self._lost.why for root in nowhere if root not in lost}
        return ends | (custodial.outcomes(list(lost)) if lost else {})

    def _one(
        self, creation: Creation, end: AccountOutcome | str, tasks: UssdTasks, waiting: Sequence[WaitingTask] | None
    ) -> Choice:
        if isinstance(end, str):
            return Choice(Fate.LIVE, f"the custodial engine may still be making the account: {end}")
        if isinstance(end, Failed):
            return Choice(Fate.OVER, str(end), may_exist=not end.keyless)
        if isinstance(end, Lost):
            if not end.nowhere:
                return Choice(Fate.LIVE, end.why)
            why = "the custodial engine has lost the task, and answers others"
            return Choice(Fate.OVER, why, may_exist=end.trace is Trace.RUNNING)
        if waiting is None:
            return Choice(Fate.UNSEEN, f"no program has declared the {tasks.address}, so its tasks cannot be seen")
        if words := tasks.words(waiting, creation.root, end.address):
            return Choice(Fate.LIVE, words)
        if creation.reported and self._services.environment.accounts is None:
            return Choice(Fate.REGISTERED, "cic-ussd's key says that the account was made", end.address)
        why = f"the custodial engine made 0x{end.address.hex()}, but cic-ussd's tasker has lost its report"
        return Choice(Fate.OVER, why, made=(end.address,))


def _queued(tasks: UssdTasks) -> set[str]:
    """The ids of the tasks that no tasker has taken."""
    return {task.id for task in tasks.waiting() if not task.fetched}


def _combined(those: Sequence[Choice]) -> Choice:
    """The fate of all choices of one person."""
    if not those:
        # A Redis that was emptied has lost the request, and the engine may have made the account before.
        return Choice(Fate.OVER, "cic-ussd has no request for this number", may_exist=True)
    for fate in (Fate.REGISTERED, Fate.LIVE, Fate.UNSEEN):
        for one in those:
            if one.fate is fate:
                return one
    made = tuple(address for one in those for address in one.made)
    return Choice(Fate.OVER, those[-1].why, made=made, may_exist=any(one.may_exist for one in those))


def _unseen(people: Sequence[Person], why: str) -> dict[int, Choice]:
    return {person.id: Choice(Fate.UNSEEN, why) for person in people}
