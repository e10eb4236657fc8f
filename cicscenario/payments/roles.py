"""Who pays and who is paid, and how often: the counts of a community, spread over its people."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from cicscenario.payments.figures import PaymentFigures
from cicscenario.payments.stream import RandomStream

_NOISE = 0.1  #: who receives much pays much, within a factor of ten
_TOP = 10  #: one of so many receivers gets what rounding leaves


@dataclass(frozen=True)
class Roles:
    """Counts for the community's own number of payments, by person; people without a role are in neither table."""

    sent: dict[int, int]  #: payments of each payer, at least 1
    partners: dict[int, int]  #: people whom each payer pays, at least 1
    received: dict[int, int]  #: payments to each receiver, at least 1; their sum is about that of ``sent``


def assign_roles(
    figures: PaymentFigures, stream: RandomStream, places: Sequence[int], balances: Sequence[int], small: int
) -> Roles:
    """Gives the roles to people, of whom there must be two. ``small`` is a small payment, in base units, at least 1.

    Every place has its share of payers and receivers. Those who have a small payment pay before those who have less, and these
    before those who have nothing. Those who pay are paid before those who do not, so that money comes round.
    """
    people = len(places)
    order = sorted(stream.shuffled(people), key=lambda person: places[person])
    able, poor, broke = list[int](), list[int](), list[int]()
    for person in order:
        (able if balances[person] >= small else poor if balances[person] else broke).append(person)
    payers = _chosen([able, poor, broke], _within(figures.payers * people, people))
    stream.shuffle(payers)
    sent = dict(zip(payers, _counts(figures.sent.spread(len(payers))), strict=True))
    wanted = _within(figures.receivers * people, people)
    likely = {person: number / (_NOISE + stream.number()) for person, number in sent.items()}
    rest = [person for person in order if person not in sent]
    received = _chosen([_best(order, places, likely, min(wanted, len(payers))), rest], wanted)
    received.sort(key=lambda person: likely.get(person, 0))
    taken = _fitted(_counts(figures.received.spread(len(received))), sum(sent.values()))
    most = len(received) - 1  # for nobody pays themselves
    partners = zip(payers, _counts(figures.partners.spread(len(payers))), strict=True)
    return Roles(
        sent,
        {payer: min(number, sent[payer], most) for payer, number in partners},
        dict(zip(received, taken, strict=True)),
    )


def _within(number: float, people: int) -> int:
    return min(max(int(number + 0.5), 2), people)


def _counts(values: Sequence[float]) -> list[int]:
    return [max(1, int(value + 0.25)) for value in values]


def _chosen(groups: Sequence[Sequence[int]], wanted: int) -> list[int]:
    """So many people: all of the groups before the last one that is needed, and of that one evenly many from all along it."""
    found: list[int] = []
    for group in groups:
        number = min(wanted - len(found), len(group))
        found += [group[place * len(group) // number] for place in range(number)]
    return found


def _best(order: Sequence[int], places: Sequence[int], likely: dict[int, float], wanted: int) -> list[int]:
    """The likeliest people, as many of each place as its share of them is."""
    found: list[int] = []
    seen = 0
    for _, group in groupby((person for person in order if person in likely), key=lambda person: places[person]):
        ranked = sorted(group, key=lambda person: -likely[person])
        seen += len(ranked)
        found += ranked[: seen * wanted // len(likely) - len(found)]
    return found


def _fitted(counts: Sequence[int], total: int) -> list[int]:
    """The rising counts, of at least 1, with another sum: what is above 1 is more or less in proportion."""
    extra, wanted = sum(counts) - len(counts), max(0, total - len(counts))
    found = [1 + ((count - 1) * wanted + extra // 2) // extra if extra else 1 for count in counts]
    tops = len(found) // _TOP + 1
    each, few = divmod(total - sum(found), tops)
    for place in range(tops):
        found[-1 - place] = max(1, found[-1 - place] + each + (place < few))
    return found
