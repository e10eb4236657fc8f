"""Says what a transaction of the run's signer does for the run's people, from what the plan's steps would send for them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from cicscenario.capabilities.backend import Backend
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.cost import Sender
from cicscenario.capabilities.descriptor import descriptor
from cicscenario.capabilities.payments import payment_recogniser
from cicscenario.capabilities.sending import TransactionExecutor
from cicscenario.chain.proof import SentCall
from cicscenario.chain.review import Recognised
from cicscenario.chain.wallets import OwnKeys
from cicscenario.people.person import Person
from cicscenario.plan.compile import Plan
from cicscenario.wording import counted

_PROBE = b"\xc1\xc5" * 10  # an account that nobody has

#: What a transaction is apart from one account in it: recipient, value, data, and where the account was (None: the recipient).
_Shape = tuple[bytes, int, bytes, int | None]


@dataclass
class _Table:
    """What the plan sends: for people whose account is known, and the shapes for those whose account is not."""

    calls: dict[SentCall, list[tuple[str, int]]] = field(default_factory=dict)
    shapes: dict[_Shape, tuple[str, int]] = field(default_factory=dict)  #: purpose, and the number of people
    unknown: str | None = None  #: a step that sends transactions of which nothing is known before

    @cached_property
    def places(self) -> set[int | None]:
        return {place for *_, place in self.shapes}


def own_keys(plan: Plan, context: RunContext) -> OwnKeys | None:
    """The keys of people who send payments themselves, in a plan in which they do."""
    keys_in = descriptor(plan.scenario).keys_in
    if keys_in is None or not any(step.cost and step.cost.sender is Sender.PEOPLE for step in plan.steps):
        return None
    key = keys_in(context.directory)
    return OwnKeys(key, payment_recogniser(context, key))


class PlanRecogniser:
    """Recognises transactions of a plan. The table of all that it sends is made when the first one is asked about.

    ``context`` needs no ledger and no opened backend.
    """

    def __init__(self, plan: Plan, context: RunContext) -> None:
        self._plan = plan
        self._context = context

    def __call__(self, call: SentCall) -> Recognised:
        table = self._table
        if claims := table.calls.get(call):
            return Recognised(tuple(claims))
        for place in table.places:
            if found := table.shapes.get(_shape(call, place)):
                purpose, people = found
                return Recognised(
                    doubt=f"it may be the {purpose} of one of {counted(people, 'person')} whose accounts are not in this state"
                )
        if table.unknown:
            return Recognised(doubt=f"what the step {table.unknown} sends is not known")
        return Recognised()

    @cached_property
    def _table(self) -> _Table:
        backend = descriptor(self._plan.scenario).open(self._context)
        try:
            return self._made(backend)
        finally:
            backend.close()

    def _made(self, backend: Backend) -> _Table:
        context = replace(self._context, opened=backend)
        table = _Table()
        senders: dict[str, TransactionExecutor] = {}
        for step in self._plan.steps:
            if step.cost is not None and step.cost.sender is Sender.SIGNER:
                executor = step.executor(context)
                if isinstance(executor, TransactionExecutor):
                    senders[step.name] = executor
                else:
                    table.unknown = step.name
        for person in self._people(backend):
            for purpose, sender in senders.items():
                _add(table, purpose, sender, person)
        return table

    def _people(self, backend: Backend) -> Iterator[Person]:
        """Everybody in the plan, with as much as decides what is sent for them; also those who are not in the state."""
        population, there = self._context.population, set[int]()
        for person in self._context.state.all_people():
            there.add(person.id)
            yield person if person.address else replace(person, address=backend.known_account(person.id))
        for number in range(self._plan.size):
            if number not in there:
                yield Person(number, "{}", "", "", (), b"", population.gift(number), backend.known_account(number))


def _add(table: _Table, purpose: str, sender: TransactionExecutor, person: Person) -> None:
    intent = sender.intent(person if person.address else replace(person, address=_PROBE))
    if intent is None:
        return
    call = SentCall(intent.to, intent.value, intent.data)
    if person.address:
        table.calls.setdefault(call, []).append((purpose, person.id))
        return
    at = intent.data.find(_PROBE)
    shape = _shape(call, None if at < 0 else at)
    table.shapes[shape] = (purpose, table.shapes.get(shape, (purpose, 0))[1] + 1)


def _shape(call: SentCall, place: int | None) -> _Shape:
    if place is None:
        return b"", call.value, call.data, None
    return call.to, call.value, call.data[:place] + call.data[place + len(_PROBE) :], place
