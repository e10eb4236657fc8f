"""The make-up of a population: how many people are of each gender, occupation, place and so on. Counts, not people."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Self

#: Groups with their weights, which may have any sum. A group whose weight is 0 has nobody.
Weights = Mapping[str, float]

UNKNOWN = "unknown"  #: the group of people about whom something is not known


@dataclass(frozen=True)
class Profile:
    """A profile as in ``schemas/profile-v1.json``. A figure that it does not have is empty."""

    name: str
    measured: date
    description: str = ""
    source: str = ""
    licence: str = ""
    people: int | None = None  #: the number of people that it was measured from
    gender: Weights = field(default_factory=dict)
    gender_by_occupation: Mapping[str, Weights] = field(default_factory=dict)
    occupations: Weights = field(default_factory=dict)
    products: Mapping[str, Weights] = field(default_factory=dict)  #: by occupation
    places: Weights = field(default_factory=dict)
    languages: Weights = field(default_factory=dict)
    languages_by_place: Mapping[str, Weights] = field(default_factory=dict)
    ages: Weights = field(default_factory=dict)  #: by ``LOW-HIGH`` years, on the day ``measured``
    joined: Weights = field(default_factory=dict)  #: by month, as ``2020-04``
    locales: tuple[str, ...] = ()  #: of Faker, for names
    payments: Mapping[str, Any] = field(default_factory=dict)  #: how people pay; it decides nothing about who they are

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """A profile from a valid document. The order of groups in it makes no difference."""
        known = {key: value for key, value in values.items() if key != "version" and value is not None}
        known |= {key: _sorted(value) for key, value in known.items() if isinstance(value, Mapping)}
        known |= {"measured": date.fromisoformat(values["measured"])}
        if "locales" in known:
            known["locales"] = tuple(known["locales"])
        return cls(**known)

    @property
    def digest(self) -> str:
        """Identifies the people that are drawn from it: the same for a profile with other words about itself. Hexadecimal."""
        told = {name: getattr(self, name) for name in DRAWN} | {"measured": self.measured.isoformat()}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def spoken(self) -> set[str]:
        """The languages that people may have."""
        tables = [self.languages, *self.languages_by_place.values()]
        return {language for table in tables for language, weight in table.items() if weight}


#: The fields that decide who the people are.
DRAWN = (
    "gender", "gender_by_occupation", "occupations", "products", "places", "languages", "languages_by_place", "ages", "joined",
    "locales",
)  # fmt: skip


def _sorted(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _sorted(value) if isinstance(value, Mapping) else value for key, value in sorted(table.items())}


def shares(weights: Weights) -> dict[str, float]:
    """The weights as shares of 1, without groups that have nobody."""
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items() if weight}


def years(band: str) -> tuple[int, int]:
    """The lowest and the highest age of a band such as ``18-34``, in years."""
    low, _, high = band.partition("-")
    return int(low), int(high)


def month_days(month: str, last: date) -> tuple[date, date]:
    """The first and the last day of a month such as ``2020-04``; of the month of ``last``, the days until then."""
    first = date.fromisoformat(f"{month}-01")
    following = (first + timedelta(days=31)).replace(day=1)
    return first, min(last, following - timedelta(days=1))


def months_until(first: date, last: date) -> Iterator[tuple[str, int]]:
    """Each month from the first day to the last one, with the number of its days between them."""
    day = first
    while day <= last:
        month = f"{day:%Y-%m}"
        _, end = month_days(month, last)
        yield month, (end - day).days + 1
        day = end + timedelta(days=1)
