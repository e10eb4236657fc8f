"""Who pays whom how often: the network of a community's payments, made once for all of its people."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from math import fsum

from cicscenario.payments.capacity import Capacity
from cicscenario.payments.roles import Roles
from cicscenario.payments.stream import RandomStream

_TRIES = 8  #: draws of a partner, of which the first one that fits is taken


class Network:
    """Pairs of a payer and a payee, with the number of payments between them, as three rows of numbers."""

    def __init__(self) -> None:
        self.payers, self.payees, self.times = array("q"), array("q"), array("q")

    def add(self, payer: int, payee: int, times: int) -> None:
        """Adds a pair, which must not be there already."""
        self.payers.append(payer)
        self.payees.append(payee)
        self.times.append(times)

    def pairs(self) -> Iterator[tuple[int, int, int]]:
        """Payer, payee and number of payments of each pair."""
        return zip(self.payers, self.payees, self.times, strict=True)

    def sent(self) -> dict[int, int]:
        """The payments of each payer."""
        found = dict.fromkeys(self.payers, 0)
        for payer, _, times in self.pairs():
            found[payer] += times
        return found


def connect(roles: Roles, places: Sequence[int], within_place: float, stream: RandomStream) -> Network:
    """Finds the partners of everybody who pays. Each receiver is paid as often as its role says, or nearly so.

    Pairs with many payments are made first, as only few receivers have room for them. ``within_place`` is the share of pairs
    in one place, as far as there are receivers with room there.
    """
    pairs = [
        (times, stream.number() < within_place, payer)
        for payer in roles.sent
        for times in split(roles.sent[payer], roles.partners[payer])
    ]
    stream.shuffle(pairs)
    pairs.sort(key=lambda pair: (-pair[0], not pair[1]))  # before others take the room in a place
    receivers, network = _Receivers(roles, places, stream), Network()
    for times, near, payer in pairs:
        network.add(payer, receivers.find(payer, times, near=near), times)
    return network


def split(total: int, parts: int) -> Iterator[int]:
    """``total`` payments to ``parts`` partners: one to each, and of the others the first one gets most, the second half of that,
    the third a third."""
    weight = fsum(1 / (place + 1) for place in range(parts))
    seen, given = 0.0, 0
    for place in range(parts):
        seen += 1 / (place + 1)
        upto = int((total - parts) * min(1.0, seen / weight)) if place + 1 < parts else total - parts
        yield 1 + upto - given
        given = upto


class _Receivers:
    """The receivers, those of one place side by side, with the payments that they are still to get."""

    def __init__(self, roles: Roles, places: Sequence[int], stream: RandomStream) -> None:
        self._stream = stream
        self._people = sorted(roles.received, key=lambda person: places[person])
        self._places = [places[person] for person in self._people]
        self._of_person = places
        self._left = Capacity([roles.received[person] for person in self._people])
        self._partners: dict[int, set[int]] = {payer: {payer} for payer in roles.sent}

    def find(self, payer: int, times: int, *, near: bool) -> int:
        """A new partner, in the payer's place when that is wanted and possible. Takes the payments from its number."""
        place = self._drawn(payer, times, *self._range(payer)) if near else None
        if place is None:
            place = self._drawn(payer, times, 0, len(self._people))
        if place is None:
            place = self._any(payer)
        self._left.take(place, times)
        self._partners[payer].add(self._people[place])
        return self._people[place]

    def _range(self, payer: int) -> tuple[int, int]:
        place = self._of_person[payer]
        return bisect_left(self._places, place), bisect_right(self._places, place)

    def _drawn(self, payer: int, times: int, first: int, last: int) -> int | None:
        """The first receiver with room for all the payments, or else the one with most room; None when there is none."""
        below = self._left.before(first)
        room = self._left.before(last) - below
        best: int | None = None
        for _ in range(_TRIES if room else 0):
            place = self._left.find(below + self._stream.below(room))
            if self._people[place] in self._partners[payer]:
                continue
            if best is None or self._left.values[place] > self._left.values[best]:
                best = place
            if self._left.values[place] >= times:
                break
        return best

    def _any(self, payer: int) -> int:
        """A receiver whom the payer does not pay yet; a payer has fewer partners than there are receivers."""
        start = self._stream.below(len(self._people))
        turns = ((start + turn) % len(self._people) for turn in range(len(self._people)))
        return next(place for place in turns if self._people[place] not in self._partners[payer])
