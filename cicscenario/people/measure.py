"""Measures a profile from people: rounded counts only, and of no group so small that it could be one person."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from cicscenario.errors import InvalidError
from cicscenario.people.uniform import GENDERS
from cicscenario.profile import UNKNOWN
from cicscenario.resources import load_schema
from cicscenario.wording import counted

#: People that a group has at least. Smaller ones are counted together, or left out. Numbers are rounded to its multiples, so
#: that no difference of two numbers tells of fewer people either.
LEAST = 10
HIDDEN = 0.05  #: the share of a group that may be in groups within it that are too small to be shown
OTHER = "Other"  #: the places and occupations of fewer people, together
NOTHING = "None"  #: the occupation of people who offer nothing
OLDEST = 120  #: years
_BAND = 10  # years


@dataclass(frozen=True)
class Surveyed:
    """What is measured of one person; None for what is not known, and for what the source does not have."""

    gender: str | None = None
    occupation: str | None = None
    product: str | None = None
    place: str | None = None
    language: str | None = None
    age: int | None = None  #: in years; or else ``born``
    born: date | None = None
    joined: str | None = None  #: the day, or the month as ``2020-04``


@dataclass
class Measure:
    """Counts people. Keeps numbers of groups only; as many as there are groups, however many people come."""

    people: int = 0
    _genders: Counter[str] = field(default_factory=Counter)
    _occupations: Counter[str] = field(default_factory=Counter)
    _gender_of: Counter[tuple[str, str]] = field(default_factory=Counter)
    _products: Counter[tuple[str, str]] = field(default_factory=Counter)
    _places: Counter[str] = field(default_factory=Counter)
    _languages: Counter[str] = field(default_factory=Counter)
    _language_of: Counter[tuple[str, str]] = field(default_factory=Counter)
    _ages: Counter[int] = field(default_factory=Counter)
    _born: Counter[date] = field(default_factory=Counter)
    _months: Counter[str] = field(default_factory=Counter)
    _last: str = ""  # the last day of joining

    def add(self, one: Surveyed) -> None:
        """Counts one person."""
        self.people += 1
        gender = one.gender if one.gender in GENDERS else UNKNOWN
        occupation, place = _named(one.occupation), _named(one.place)
        self._genders[gender] += 1
        self._occupations[occupation] += 1
        self._gender_of[occupation, gender] += 1
        if one.product and _NAME.fullmatch(one.product):
            self._products[occupation, one.product] += 1
        self._places[place] += 1
        if one.language in _languages():
            self._languages[str(one.language)] += 1
            self._language_of[place, str(one.language)] += 1
        if one.age is not None:
            self._ages[one.age] += 1
        elif one.born:
            self._born[one.born] += 1
        if one.joined:
            self._months[one.joined[:7]] += 1
            self._last = max(self._last, one.joined)

    def document(self, name: str, source: str, measured: str | None = None) -> dict[str, Any]:
        """The profile, as ``schemas/profile-v1.json`` has it. ``measured`` is the day of the figures; None: the last of joining.

        Raises InvalidError for fewer people than a group has, and when no day is known.
        """
        if self.people < LEAST:
            raise InvalidError(
                f"{counted(self.people, 'person')}: a profile of fewer than {LEAST} would be about single people",
                hint="measure more people",
            )
        day = measured or _day(self._last)
        occupations, places = _groups(self._occupations, OTHER), _groups(self._places, OTHER)
        tables: dict[str, Any] = {
            "gender": _groups(self._genders, UNKNOWN),
            "occupations": occupations if set(occupations) != {OTHER} else {},
            "places": places if set(places) != {OTHER} else {},
            "languages": _groups(self._languages),
            "ages": self._bands(date.fromisoformat(day)),
            "joined": _months({month: number for month, number in self._months.items() if month <= day}),
        }
        if tables["gender"].keys() == {UNKNOWN}:
            tables["gender"] = {}
        if tables["occupations"]:
            tables["gender_by_occupation"] = _rows(self._gender_of, occupations, UNKNOWN) if tables["gender"] else {}
            tables["products"] = _rows(self._products, occupations)
            if NOTHING in occupations:
                tables["products"][NOTHING] = {}
        if tables["places"] and tables["languages"]:
            tables["languages_by_place"] = _rows(self._language_of, places)
        head = {
            "version": 1,
            "name": name,
            "description": f"Groups with fewer people than {LEAST} are counted together or left out; numbers are rounded.",
            "source": source,
            "people": _rounded(self.people),
            "measured": day,
        }
        return head | {key: table for key, table in tables.items() if table}

    def _bands(self, day: date) -> dict[str, int]:
        """People by ages on a day; all those whose age is not known together. Empty when none is known."""
        ages = Counter(self._ages)
        for born, number in self._born.items():
            ages[day.year - born.year - ((day.month, day.day) < (born.month, born.day))] += number
        bands = Counter[str]()
        for age, number in ages.items():
            if 0 <= age <= OLDEST:
                low = min(age - age % _BAND, OLDEST - _BAND)
                bands[f"{low}-{low + _BAND - (low < OLDEST - _BAND)}"] += number
        bands[UNKNOWN] = self.people - sum(bands.values())
        found = _groups(bands, UNKNOWN)
        return dict(sorted(found.items())) if found.keys() - {UNKNOWN} else {}


_NAME = re.compile("[^\u0000-\u001f\u007f]{1,100}")


def _named(text: str | None) -> str:
    return text if text and _NAME.fullmatch(text) else OTHER


def _languages() -> frozenset[str]:
    return frozenset(load_schema("profile-v1")["properties"]["languages"]["propertyNames"]["enum"])


def _day(last: str) -> str:
    if not last:
        raise InvalidError(
            "nobody has a day of joining, so the day of the figures is not known", hint="give --measured DAY"
        )
    if len(last) > len("2020-04"):
        return last
    raise InvalidError(
        "people have months of joining only, so the day of the figures is not known", hint="give --measured DAY"
    )


def _rounded(number: int) -> int:
    return max(LEAST, (number + LEAST // 2) // LEAST * LEAST)


def _groups(counts: Mapping[str, int], rest: str | None = None) -> dict[str, int]:
    """Groups of LEAST people or more, the largest first; ``rest`` are all others, if they are as many together."""
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    found = {name: _rounded(number) for name, number in ranked if number >= LEAST and name != rest}
    others = sum(number for name, number in ranked if name not in found)
    if rest and others >= LEAST:
        found[rest] = _rounded(others)
    return found


def _rows(counts: Mapping[tuple[str, str], int], groups: Mapping[str, int], rest: str | None = None) -> dict[str, Any]:
    """The groups within each group of another figure.

    There is no row where more people than the share HIDDEN would be left out: the others alone would be another make-up.
    """
    by_group: dict[str, dict[str, int]] = {}
    for (group, name), number in counts.items():
        by_group.setdefault(group, {})[name] = number
    rows = {group: _groups(by_group[group], rest) for group in groups if group in by_group and group != OTHER}
    return {group: row for group, row in rows.items() if row.keys() - {rest} and _is_whole(by_group[group], row)}


def _is_whole(counts: Mapping[str, int], row: Mapping[str, int]) -> bool:
    shown = sum(number for name, number in counts.items() if name in row)
    if UNKNOWN in row:  # those who are counted together
        shown = sum(counts.values())
    return shown >= (1 - HIDDEN) * sum(counts.values())


def _months(counts: Mapping[str, int]) -> dict[str, int]:
    """Months in order; one of fewer than LEAST people is counted with the next, and the last ones with those before."""
    found: dict[str, int] = {}
    waiting = 0
    for month, number in sorted(counts.items()):
        waiting += number
        if waiting >= LEAST:
            found[month], waiting = waiting, 0
    if found and waiting:
        found[max(found)] += waiting
    return {month: _rounded(number) for month, number in found.items()}
