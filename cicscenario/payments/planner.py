"""Plans payments: the same for one seed and one set of people, on any machine, however many are read at a time."""

from collections.abc import Iterator, Sequence
from math import fsum

from cicscenario.errors import InvalidError
from cicscenario.payments.community import community_payments
from cicscenario.payments.figures import PaymentFigures
from cicscenario.payments.payment import Payment
from cicscenario.payments.shipped import shipped_figures
from cicscenario.payments.spec import PaymentsSpec
from cicscenario.payments.uniform import uniform_payments
from cicscenario.wording import counted

_MOST = 50_000_000  #: payments of a community of which each takes 8 bytes


def plan_payments(
    spec: PaymentsSpec, seed: int, places: Sequence[int], balances: Sequence[int], unit: int
) -> Iterator[Payment]:
    """The payments of ``spec`` in the order of sending, as many as it asks for.

    ``places`` has the number of each person's place, and ``balances`` the base units that each person has before the first
    payment; ``unit`` is the number of base units of a token. Raises InvalidError, before anything is planned, when these people
    cannot make any payment, for an unknown profile, and for figures of more payments than can be held in memory.
    """
    _check(spec, balances)
    figures = spec.figures or shipped_figures(spec.profile)
    if figures is None or not spec.payments:
        return uniform_payments(spec, seed, balances, unit)
    _check_size(figures, len(balances))
    return community_payments(spec, figures, seed, places, balances, unit)


def _check(spec: PaymentsSpec, balances: Sequence[int]) -> None:
    if spec.payments and len(balances) < 2:
        raise InvalidError(
            f"{counted(spec.payments, 'payment')} cannot be made by {counted(len(balances), 'person')}: nobody pays themselves",
            hint="make a population of at least 2 people, or no payments",
        )
    if spec.payments and spec.overdrafts < 1 and not any(balances):
        raise InvalidError(
            f"{counted(spec.payments, 'payment')} cannot be made: none of the {counted(len(balances), 'person')} has money",
            hint="give people an opening balance, or plan no payments",
        )


def _check_size(figures: PaymentFigures, people: int) -> None:
    """The figures themselves say how often people pay, however few payments are asked for."""
    sent = int(fsum(figures.sent.spread(1000)) / 1000 * figures.payers * people)
    if sent > _MOST:
        raise InvalidError(
            f"by the figures of the profile, {counted(people, 'person')} make {counted(sent, 'payment')};"
            f" at most {_MOST:,} can be planned",
            hint="lower `payments.sent` of the profile, or take fewer people",
        )
