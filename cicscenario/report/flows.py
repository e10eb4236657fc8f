"""The payments of a run as data, for its reports: when, how like the profile, between which places, and who pays and gets most.

Its size depends on neither people nor payments. People are numbers in it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from cicscenario.capabilities.payments import PAYMENTS, TRAFFIC, Places, PlannedPayments, payments_of, places_of
from cicscenario.engine.conclude import RunEnd
from cicscenario.payments.comparison import Distribution, Share, distributions, shares, usual_payments
from cicscenario.payments.tally import Tally
from cicscenario.state.store import Store

_BARS = 90  #: spans of days at most
_PLACES = 9  #: places that are shown by name; all others are one
_HUBS = 10  #: people at the top of each list
_SHARE = 20  #: reading them takes at most one in so many seconds
_LARGEST = 2**53  #: beyond it, sizes are left out: floats skip integers


def flows(end: RunEnd) -> dict[str, Any] | None:
    """The section ``payments`` of ``report.json``; None for a scenario without ``traffic``. Plans the payments again."""
    if end.plan.scenario.traffic is None:
        return None
    return flows_of(*_read(end), end.store, end.plan.scenario.traffic.profile)


class FlowsNow:
    """The same of a run that is under way. Finding it out takes at most one in so many seconds; meanwhile it stays."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due = 0.0
        self._planned: tuple[PlannedPayments, Places] | None = None
        self._identity: object = None
        self._found: dict[str, Any] | None = None

    def __call__(self, end: RunEnd) -> dict[str, Any] | None:
        """None before the first payment."""
        identity = end.store.meta().get(PAYMENTS)
        traffic = end.plan.scenario.traffic
        if traffic is None or identity is None:
            return None
        if identity != self._identity:  # another run was begun in the same place
            self._planned, self._identity, self._due = None, identity, 0.0
        began = self._clock()
        if began >= self._due:
            if self._planned is None:
                self._planned = _read(end)
            self._found = flows_of(*self._planned, end.store, traffic.profile)
            after = self._clock()
            self._due = after + _SHARE * (after - began)
        return self._found


def _read(end: RunEnd) -> tuple[PlannedPayments, Places]:
    plan = end.plan
    return payments_of(plan.scenario, plan.population, plan.size), places_of(plan.population, plan.size)


def hubs_in(document: dict[str, Any] | None) -> set[int]:
    """The people whom the section names."""
    return {one["person"] for rows in document["hubs"].values() for one in rows} if document else set()


def flows_of(planned: PlannedPayments, places: Places, store: Store, profile: Any = None) -> dict[str, Any]:
    """The section of payments that are planned, as far as the ledger has them; ``profile`` is that of the scenario."""
    tally, crossing = _counted(planned, places, store)
    return _document(planned, tally, places, crossing, profile)


def _counted(planned: PlannedPayments, places: Places, store: Store) -> tuple[Tally, Counter[tuple[int, int]]]:
    """What was made, and the number of paid payments by place of payer and payee."""
    ended, tally = _ended(store, planned.spec.payments), Tally(planned.size, planned.spec.span)
    crossing: Counter[tuple[int, int]] = Counter()
    for payment in planned:
        made = ended[payment.number] in (_AS_PLANNED, _FAILED if payment.refused else _MINED)
        tally.add(payment, made=made)
        if made and not payment.refused:
            crossing[places.of_people[payment.payer], places.of_people[payment.payee]] += 1
    return tally, crossing


_FAILED, _MINED, _AS_PLANNED = 1, 2, 3


def _ended(store: Store, number: int) -> bytearray:
    """How each payment ended, by its number; 0 for one that has not. One that was mined after it had failed is mined."""
    found = bytearray(number)
    for payment, _, mined in store.parts_ended(TRAFFIC):
        if payment < number:
            found[payment] = max(found[payment], _MINED if mined else _FAILED)
    for payment in store.payments_done():
        if payment < number:
            found[payment] = _AS_PLANNED
    return found


def _document(
    planned: PlannedPayments, tally: Tally, places: Places, crossing: Counter[tuple[int, int]], profile: Any
) -> dict[str, Any]:
    figures, spec = planned.spec.figures, planned.spec
    known = {"profile": profile.name, "usual": usual_payments(figures, planned.size)} if figures and profile else {}
    found = [
        one
        for one in distributions(tally, figures, planned.gifts)
        if one.name != "size" or planned.all_gifts < _LARGEST
    ]
    return {
        "planned": spec.payments,
        "paid": sum(tally.paid),
        "refused": sum(tally.refused),
        "tokens": str(tally.moved()),
        **known,
        "calendar": _calendar(tally, spec.span),
        "shares": [_share(one) for one in shares(tally, figures, places.of_people)],
        "distributions": [_distribution(one) for one in found],
        "places": _matrix(places.names, crossing),
        "hubs": _hubs(tally),
    }


def _calendar(tally: Tally, span: int) -> dict[str, Any]:
    """Payments by equal spans of days; the last one may be shorter."""
    width = -(-span // _BARS)
    rows = {"planned": tally.planned, "paid": tally.paid, "refused": tally.refused}
    summed = {name: [sum(row[first : first + width]) for first in range(0, span, width)] for name, row in rows.items()}
    return {"days": span, "width": width, **summed}


def _share(one: Share) -> dict[str, Any]:
    return {"figure": one.name} | {
        name: round(value, 4) for name, value in (("found", one.found), ("wanted", one.wanted)) if value is not None
    }


def _distribution(one: Distribution) -> dict[str, Any]:
    row: dict[str, Any] = {"figure": one.name, "shares": list(one.shares), "found": _numbers(one.found)}
    return row | ({"wanted": _numbers(one.wanted)} if one.wanted else {})


def _numbers(values: Sequence[float]) -> list[float]:
    """Whole numbers as such, others with two places."""
    return [int(value) if value == int(value) else round(value, 2) for value in values]


def _matrix(names: Sequence[str], crossing: Counter[tuple[int, int]]) -> dict[str, Any]:
    """Paid payments by place of payer (rows) and payee. Places with most payments come first; the last may be all others."""
    weight: Counter[int] = Counter()
    for pair, number in crossing.items():
        for place in pair:
            weight[place] += number
    ranked = sorted(weight, key=lambda place: (-weight[place], place))
    shown = ranked if len(ranked) <= _PLACES + 1 else ranked[:_PLACES]
    index, size = {place: at for at, place in enumerate(shown)}, len(shown) + (len(ranked) > len(shown))
    rows = [[0] * size for _ in range(size)]
    for (payer, payee), number in crossing.items():
        rows[index.get(payer, size - 1)][index.get(payee, size - 1)] += number
    within = sum(number for (payer, payee), number in crossing.items() if payer == payee)
    known = [names[place] for place in shown]
    return {"names": known, "others": len(ranked) - len(shown), "within": within, "payments": rows}


def _hubs(tally: Tally) -> dict[str, Any]:
    """Who got and who made most payments."""
    paid, paying = tally.partners()
    return {
        "received": _most(tally.received, paying, tally.got),
        "sent": _most(tally.sent, paid, tally.given),
    }


def _most(counts: Sequence[int], partners: Sequence[int], tokens: Sequence[int]) -> list[dict[str, Any]]:
    ranked = sorted(range(len(counts)), key=lambda person: (-counts[person], person))[:_HUBS]
    return [
        {"person": one, "payments": counts[one], "partners": partners[one], "tokens": str(tokens[one])}
        for one in ranked
        if counts[one]
    ]
