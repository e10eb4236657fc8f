"""The payments of a scenario: who pays whom, how much, what everybody has afterwards, and what identifies them.

They are planned from the people's gifts alone, in whole tokens, so they are the same on every stack. They are planned again
each time they are read; only a few numbers for each person are kept.
"""

import hashlib
import weakref
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from cicscenario.capabilities.context import RunContext
from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import TRANSFER, Contracts
from cicscenario.chain.intent import Intent
from cicscenario.chain.proof import SentCall
from cicscenario.chain.review import Recognised, Recogniser
from cicscenario.chain.signer import address_of
from cicscenario.language import Scenario
from cicscenario.payments.figures import figures_of
from cicscenario.payments.payment import Payment
from cicscenario.payments.planner import plan_payments
from cicscenario.payments.spec import PaymentsSpec
from cicscenario.people.person import Person
from cicscenario.people.population import Population
from cicscenario.state.ledgertable import PART

TRAFFIC = "traffic"  #: the step
PAYMENTS = "payments"  #: key of the state's identity: what identifies the payments that have begun
FIRST_BLOCK = "first_block"  #: key of the state's identity: the newest block when the state was made
_DEEPEST = 1000  # blocks that a chain may go back
_UNIT = 1  # payments are planned in whole tokens


def purpose_of(number: int) -> str:
    """The purpose of a payment's transaction in the ledger."""
    return f"{TRAFFIC}{PART}{number}"


class PlannedPayments:
    """The payments of ``spec`` among people with these gifts, in whole tokens, and places. Iterating plans them."""

    def __init__(self, spec: PaymentsSpec, seed: int, gifts: Sequence[int], places: Sequence[int]) -> None:
        self.spec = spec
        self._seed = seed
        self._gifts = gifts
        self._places = places

    def __iter__(self) -> Iterator[Payment]:
        return plan_payments(self.spec, self._seed, self._places, self._gifts, _UNIT)

    @property
    def size(self) -> int:
        """The number of people."""
        return len(self._gifts)

    @property
    def gifts(self) -> Sequence[int]:
        """What each person has before the first payment, in whole tokens."""
        return self._gifts

    @cached_property
    def all_gifts(self) -> int:
        """The gifts of everybody, in whole tokens."""
        return sum(self._gifts)

    @cached_property
    def _summary(self) -> tuple[list[int], list[int], int, str]:
        """By person: the number of payments, and the tokens afterwards; the number of refused ones; and a digest of all."""
        made, left, refused, digest = [0] * self.size, list(self._gifts), 0, hashlib.sha256()
        for payment in self:
            made[payment.payer] += 1
            digest.update(",".join(map(str, payment)).encode() + b"\n")
            if payment.refused:
                refused += 1
            else:
                left[payment.payer] -= payment.amount
                left[payment.payee] += payment.amount
        return made, left, refused, digest.hexdigest()

    @property
    def made(self) -> Sequence[int]:
        """The number of payments that each person makes, those among them that are to be refused."""
        return self._summary[0]

    @property
    def left(self) -> Sequence[int]:
        """What each person has after the last payment, in whole tokens."""
        return self._summary[1]

    @property
    def refused(self) -> int:
        """The number of payments that are to be refused."""
        return self._summary[2]

    @property
    def identity(self) -> str:
        """What identifies them: the number of people, and a digest of all payments."""
        return f"{self.size} {self._summary[3]}"

    def made_by(self, person: int) -> list[Payment]:
        """The payments that a person makes, in order. From the first call on, all of them are kept, in a table."""
        first, table = self._by_payer
        return [table.payment(person, at) for at in range(first[person], first[person + 1])]

    @cached_property
    def _by_payer(self) -> tuple[list[int], "_Table"]:
        """Where each person's payments begin in a table that is sorted by payer, and the table."""
        first = [0, *accumulate(self.made)]
        following, table = first[:], _Table(first[-1])
        for payment in self:
            table.put(following[payment.payer], payment)
            following[payment.payer] += 1
        return first, table

    @property
    def busiest(self) -> tuple[int, int]:
        """The person who pays most often, and how often."""
        person = max(range(self.size), key=self.made.__getitem__)
        return person, self.made[person]


class _Table:
    """So many payments without their payers, in a few bytes each."""

    def __init__(self, number: int) -> None:
        self._numbers, self._payees, self._days = (array("Q", bytes(8 * number)) for _ in range(3))
        self._amounts = [0] * number  # of any size
        self._refused = bytearray(number)

    def put(self, at: int, payment: Payment) -> None:
        self._numbers[at], self._payees[at], self._days[at] = payment.number, payment.payee, payment.day
        self._amounts[at], self._refused[at] = payment.amount, payment.refused

    def payment(self, payer: int, at: int) -> Payment:
        refused = bool(self._refused[at])
        return Payment(self._numbers[at], payer, self._payees[at], self._amounts[at], self._days[at], refused)


class Places(NamedTuple):
    """Where people live: the number of each person's place, in the order in which they come up, and the places by number."""

    of_people: Sequence[int]
    names: Sequence[str]  #: empty for the place of those whose place is not known


_planned: weakref.WeakKeyDictionary[Population, dict[tuple[PaymentsSpec, int], PlannedPayments]] = (
    weakref.WeakKeyDictionary()
)
_places: weakref.WeakKeyDictionary[Population, dict[int, Places]] = weakref.WeakKeyDictionary()


def payments_of(scenario: Scenario, population: Population, size: int) -> PlannedPayments:
    """The payments of a scenario that has ``traffic``, among people ``0 <= id < size`` of its population.

    Raises InvalidError when these people cannot make them.
    """
    wanted = scenario.traffic
    assert wanted is not None
    figures = figures_of(wanted.profile)
    spec = PaymentsSpec(wanted.among(size), span=wanted.span, overdrafts=float(wanted.overdrafts), figures=figures)
    kept = _planned.setdefault(population, {})
    if (spec, size) not in kept:
        gifts = [population.gift(person) for person in range(size)]
        # payments that are like nobody's need no places
        places = places_of(population, size).of_people if figures else [0] * size
        kept[spec, size] = PlannedPayments(spec, scenario.population.seed, gifts, places)
    return kept[spec, size]


def payments_in(context: RunContext) -> PlannedPayments:
    """The payments of a run."""
    return payments_of(context.scenario, context.population, context.size)


def first_block(context: RunContext) -> int:
    """The number of a block before which the people of a run have paid nobody; their accounts were made after it.

    What is known of the payments themselves does not tell: the state may be an older copy, and the chain may have gone back.
    """
    return max(0, int(context.state.meta().get(FIRST_BLOCK, "0")) - _DEEPEST)


def places_of(population: Population, size: int) -> Places:
    """Where people ``0 <= id < size`` of a population live. Reads each of them once."""
    kept = _places.setdefault(population, {})
    if size not in kept:
        kept[size] = _read_places(population, size)
    return kept[size]


def _read_places(population: Population, size: int) -> Places:
    numbers: dict[str, int] = {}
    found = array("Q", bytes(8 * size))
    for person in range(size):
        location = population.person(person).document.get("location")
        name = location.get("area_name") if isinstance(location, dict) else None
        found[person] = numbers.setdefault(str(name), len(numbers))
    return Places(found, ["" if name == str(None) else name for name in numbers])


def units(plan: PlannedPayments, payment: Payment, contracts: Contracts) -> int:
    """What a payment asks for, in base units.

    One that is to be refused also asks for all that everybody has got: a chain that goes back may carry out transactions in
    another order, and in none of them may it succeed.
    """
    if not payment.refused:
        return contracts.token.base_units(payment.amount)
    faucet = contracts.faucet
    paid_out = faucet.amount * plan.size if faucet and faucet.token == contracts.token else 0
    return contracts.token.base_units(payment.amount + plan.all_gifts) + paid_out


def payment_intent(plan: PlannedPayments, payment: Payment, contracts: Contracts, payee: bytes) -> Intent:
    """The transaction of a payment; ``payee`` is the account."""
    return Intent(payment.payer, contracts.token.address, pack(TRANSFER, payee, units(plan, payment, contracts)))


def payment_recogniser(context: RunContext, key: Callable[[Person], bytes]) -> Callable[[Person], Recogniser]:
    """What says which payment a transaction of a person is.

    ``key`` gives a person's private key: who has lost their account in the state gets the same one again.
    """

    def of_person(person: Person) -> Recogniser:
        plan = payments_in(context)
        own = plan.made_by(person.id)
        payees = context.state.people_of(list({payment.payee for payment in own}))
        contracts, calls = context.services.chain.contracts, dict[SentCall, list[tuple[str, int]]]()
        for payment in own:
            if payee := payees.get(payment.payee):
                intent = payment_intent(plan, payment, contracts, payee.address or address_of(key(payee)))
                call = SentCall(intent.to, intent.value, intent.data)
                calls.setdefault(call, []).append((purpose_of(payment.number), person.id))
        return lambda call: Recognised(tuple(calls.get(call, ())))

    return of_person
