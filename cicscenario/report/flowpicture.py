"""What the page of a run draws of its payments: bars over the calendar, figures beside the profile, a map of places, and hubs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log1p
from typing import Any

from cicscenario.wording import counted

_WORDS = {
    "payers": "people who paid",
    "receivers": "people who were paid",
    "within_place": "pairs who live in one place",
    "sent": "Payments of each payer",
    "received": "Payments to each receiver",
    "partners": "People whom each payer paid",
    "size": "Mean payment of each payer, in tokens",
}
_SHOWN = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)  #: quantiles; the data have all those of the profile
MEDIAN, NINE_OF_TEN, MOST = "half of them", "90 % of them", "all of them"
_LARGEST = 6  #: flows between places that are told in words
_HUBS = (("received", "Who was paid most often", "by people"), ("sent", "Who paid most often", "people paid"))
_NONE = "\N{EN DASH}"
_UNKNOWN = "place not known"
_SHADES = 0.08  #: the weakest shade of a flow that there is


@dataclass(frozen=True)
class Bar:
    """The payments of some days: heights from below, in percent of the tallest bar."""

    left: float
    width: float
    paid: float
    refused: float
    waiting: float


@dataclass(frozen=True)
class Calendar:
    """Payments over the simulated calendar. ``most`` is the number at the top of the axis."""

    bars: list[Bar]
    most: int
    width: int  #: days of a bar
    days: int
    busiest: str  #: the days with most payments, in words
    waiting: int  #: payments that are not made yet


@dataclass(frozen=True)
class Beside:
    """A figure as it is and as it is wanted, in words, with the lengths of their bars in percent; None where there is none."""

    name: str
    found: str
    wanted: str
    found_bar: float | None
    wanted_bar: float | None


@dataclass(frozen=True)
class PlaceMap:
    """Payments between places: names, rows of (number, shade from 0 to 1), and the largest flows in words."""

    names: list[str]
    rows: list[list[tuple[int, float]]]
    largest: list[str]
    within: int  #: percent of the payments that stay in one place


@dataclass(frozen=True)
class Hub:
    """A person at the top of a list; the name and account are empty where they are not known."""

    person: int
    name: str
    account: str
    payments: int
    partners: int
    tokens: int


@dataclass(frozen=True)
class Picture:
    """All that is drawn. ``figures`` are tables by their titles."""

    told: str
    calendar: Calendar
    shares: list[Beside]
    figures: list[tuple[str, list[Beside]]]
    places: PlaceMap | None
    hubs: list[tuple[str, str, list[Hub]]]  #: title, what the partners are, and people
    profile: str
    note: str


def picture(payments: dict[str, Any], people: Sequence[dict[str, Any]]) -> Picture:
    """What is drawn of the section ``payments`` of a report, and of the people that it has."""
    known = {person["id"]: person for person in people}
    hubs = payments["hubs"]
    return Picture(
        told(payments),
        _calendar(payments["calendar"]),
        [_share(one) for one in payments["shares"]],
        [(_WORDS[one["figure"]], list(_quantiles(one))) for one in payments["distributions"] if one["found"]],
        _map(payments["places"], payments["paid"]) if payments["paid"] else None,
        [(title, partners, [_hub(one, known) for one in hubs[name]]) for name, title, partners in _HUBS if hubs[name]],
        payments.get("profile", ""),
        _note(payments),
    )


def told(payments: dict[str, Any]) -> str:
    """What became of the payments, in a sentence."""
    waiting = payments["planned"] - payments["paid"] - payments["refused"]
    parts = [f"{payments['paid']:,} of {counted(payments['planned'], 'payment')} were paid"]
    parts += (
        [f"{payments['refused']:,} asked for more than the payer had, and were refused"] if payments["refused"] else []
    )
    parts += [f"{waiting:,} are not made"] if waiting else []
    return f"{'; '.join(parts)}. {int(payments['tokens']):,} tokens changed hands."


def _note(payments: dict[str, Any]) -> str:
    """Why figures may differ from the profile; empty when nothing explains it."""
    usual = payments.get("usual")
    if not usual or usual * 0.9 <= payments["paid"] <= usual * 1.1:
        return ""
    return f"The profile's figures are those of about {usual:,} payments of so many people, and {payments['paid']:,} were paid."


def _calendar(held: dict[str, Any]) -> Calendar:
    planned, paid, refused = held["planned"], held["paid"], held["refused"]
    top, number = max([*planned, 1]), max(len(planned), 1)
    bars = []
    for place, (days, made, failed) in enumerate(zip(planned, paid, refused, strict=False)):
        heights = (round(100 * value / top, 2) for value in (made, failed, max(days - made - failed, 0)))
        bars.append(Bar(round(100 * (place + 0.06) / number, 3), round(88 / number, 3), *heights))
    first = planned.index(max(planned)) * held["width"] if planned else 0
    last = min(first + held["width"], held["days"]) - 1
    when = f"day {first:,}" if first == last else f"days {first:,} to {last:,}"
    waiting = sum(planned) - sum(paid) - sum(refused)
    return Calendar(bars, top, held["width"], held["days"], when, waiting)


def _share(one: dict[str, Any]) -> Beside:
    def said(value: float | None) -> str:
        return _NONE if value is None else f"{100 * value:.1f} %"

    found, wanted = one.get("found"), one.get("wanted")
    return Beside(_WORDS[one["figure"]], said(found), said(wanted), _percent(found, 1), _percent(wanted, 1))


def _quantiles(one: dict[str, Any]) -> Iterator[Beside]:
    """The quantiles that are shown. Bars grow with the logarithm, as the largest values are a thousand times the others."""
    wanted = one.get("wanted") or [None] * len(one["shares"])
    rows = [row for row in zip(one["shares"], one["found"], wanted, strict=False) if row[0] in _SHOWN]
    top = log1p(max([value for row in rows for value in row[1:] if value is not None] or [1])) or 1.0
    for share, found, expected in rows:
        name = {1.0: MOST, 0.9: NINE_OF_TEN, 0.5: MEDIAN}.get(share, f"{100 * share:g} % of them")
        bars = (_percent(None if value is None else log1p(value), top) for value in (found, expected))
        yield Beside(name, _amount(found), _amount(expected), *bars)


def _percent(value: float | None, top: float) -> float | None:
    return None if value is None else round(100 * value / top, 1)


def _amount(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def _map(held: dict[str, Any], paid: int) -> PlaceMap:
    """The strongest shade is that of the largest flow between places that have names."""
    others, named = held["others"], len(held["names"])
    names = [name or _UNKNOWN for name in held["names"]] + ([counted(others, "other place")] if others else [])
    rows = [row[: len(names)] for row in held["payments"][: len(names)]]
    flows = [
        (number, payer, payee) for payer, row in enumerate(rows[:named]) for payee, number in enumerate(row[:named])
    ]
    top = max([number for number, _, _ in flows] or [0]) or 1
    largest = [
        f"{number:,} within {names[payer]}" if payer == payee else f"{number:,} from {names[payer]} to {names[payee]}"
        for number, payer, payee in sorted(flows, key=lambda flow: -flow[0])[:_LARGEST]
        if number
    ]
    shaded = [[(number, _shade(min(number, top), top)) for number in row] for row in rows]
    return PlaceMap(names, shaded, largest, round(100 * held["within"] / paid))


def _shade(number: int, top: int) -> float:
    """By the root of the number, so that small flows are seen beside large ones."""
    return round(_SHADES + (1 - _SHADES) * (number / top) ** 0.5, 3) if number else 0.0


def _hub(one: dict[str, Any], known: dict[int, dict[str, Any]]) -> Hub:
    person = known.get(one["person"], {})
    return Hub(
        one["person"],
        person.get("name", ""),
        person.get("account", ""),
        one["payments"],
        one["partners"],
        int(one["tokens"]),
    )
