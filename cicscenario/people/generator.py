"""Generates people. A person depends on (seed, index) only: the same on any machine, in any order and batch size.

Each group of fields has its own random stream, so that another gift threshold does not change the names. Numbers, shares
and words are those of the data generation tools that this replaces.
"""

import hashlib
import random
import threading
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from faker import Factory
from faker.exceptions import BaseFakerException

from cicscenario.errors import InvalidError
from cicscenario.people.person import Person
from cicscenario.people.phone import PhoneNumbers
from cicscenario.people.vcard import Contact, encode

#: Ages and registration dates are relative to this fixed day, so that a scenario makes the same people on every day.
TODAY = datetime(2022, 1, 29, tzinfo=UTC)
_WINDOW = 150 * 7 * 24 * 3600  # seconds in which people registered, before TODAY
_YOUNGEST, _OLDEST = 15, 115  # years

_GENDERS = ("female", "male", "other")
_PRODUCTS = {
    "fruit": 25, "maji": 5, "milk": 10, "teacher": 10, "doctor": 5, "boutique": 15, "recycling": 5, "farmer": 5,
    "oil": 5, "pastor": 10, "chama": 3, "bzrTsuZieaq": 1,
}  # fmt: skip
_AREAS = {
    "mnarani": 5, "chilumani": 10, "madewani": 10, "kisauni": 5, "bangla": 10, "kabiro": 10, "manyani": 5,
    "ruben": 15, "makupa": 5, "kingston": 5, "rangala": 5, "homabay": 10, "nakuru": 3, "kajiado": 1,
    "zurtWicKtily": 1,
}  # fmt: skip


class Generator:
    """A population whose people are generated when they are read. Thread-safe."""

    def __init__(
        self,
        *,
        seed: int,
        locales: Sequence[str],
        region: str,
        languages: Sequence[tuple[str, int]],
        tags: Sequence[str],
        gift_threshold: int,
    ) -> None:
        """``languages`` are codes with weights; ``gift_threshold`` is in whole tokens.

        Raises InvalidError for a locale that Faker does not have, and for a region without mobile numbers.
        """
        self._seed = seed
        self._fakers = [_faker(locale) for locale in locales]
        self._faker_in_use = threading.Lock()
        self._phones = PhoneNumbers(seed, region)
        self._languages = [language for language, _ in languages]
        self._weights = [weight for _, weight in languages]
        self._tags = tuple(tags)
        self._threshold = gift_threshold

    def _draw(self, index: int, group: str) -> random.Random:
        digest = hashlib.sha256(f"{self._seed}|{index}|{group}".encode()).digest()
        return random.Random(int.from_bytes(digest[:8], "big"))  # noqa: S311

    def gift(self, index: int) -> int:
        """The person's opening balance in whole tokens, uniform from 0 to the threshold."""
        return self._draw(index, "gift").randint(0, self._threshold)

    def account(self, index: int) -> bytes | None:
        """None, because generated people have no account yet."""

    def person(self, index: int) -> Person:
        """Person ``index``. Raises InvalidError when the region has fewer phone numbers."""
        old_address = hashlib.sha256(f"{self._seed}|{index}|old address".encode()).digest()[:20]
        phone = self._phones.number(index)
        draw = self._draw(index, "person")
        document: dict[str, Any] = {
            "date_registered": int(TODAY.timestamp()) - draw.randrange(_WINDOW),
            "gender": draw.choice(_GENDERS),
            "identities": {"evm": {"foo": {"1:oldchain": [old_address.hex()]}}},
            "location": _location(draw),
            "products": [_weighted(draw, _PRODUCTS)],
            "vcard": encode(self._contact(index, phone)),
        }
        if born := _date_of_birth(draw):
            document["date_of_birth"] = born
        return Person.of(
            index,
            document,
            phone=phone,
            language=self._draw(index, "language").choices(self._languages, self._weights)[0],
            tags=self._tags,
            old_address=old_address,
            gift=self.gift(index),
        )

    def _contact(self, index: int, phone: str) -> Contact:
        draw = self._draw(index, "contact")
        faker = self._fakers[draw.randrange(len(self._fakers))]
        with self._faker_in_use:  # a Faker object has one random source, so threads take turns
            faker.random = draw
            # Mail addresses at example.org and similar domains (RFC 2606), which belong to no real person.
            return Contact(faker.first_name(), faker.last_name(), faker.ascii_safe_email(), phone)


def _faker(locale: str) -> Any:
    """A Faker that draws the names of a locale without weights, which is twice as fast."""
    try:
        return Factory.create(locale, use_weighting=False)
    except (AttributeError, ImportError, ValueError, BaseFakerException):
        raise InvalidError(f"Faker has no locale {locale!r}", hint="such as en_US, sw or ro") from None


def _weighted(draw: random.Random, shares: dict[str, int]) -> str:
    return draw.choices(list(shares), list(shares.values()))[0]


def _location(draw: random.Random) -> dict[str, Any]:
    """An area; with coordinates in degrees for half of the people."""
    location: dict[str, Any] = {"area_name": _weighted(draw, _AREAS)}
    if draw.random() < 0.5:
        location["latitude"] = draw.random() * 180 - 90
        location["longitude"] = draw.random() * 360 - 180
    return location


def _date_of_birth(draw: random.Random) -> dict[str, int]:
    """Unknown for half of the people; the year only for half of the others."""
    youngest = date(TODAY.year - _YOUNGEST, TODAY.month, TODAY.day).toordinal()
    oldest = date(TODAY.year - _OLDEST, TODAY.month, TODAY.day).toordinal()
    born = date.fromordinal(draw.randint(oldest, youngest))
    known = draw.random()
    if known < 0.5:
        return {}
    if known < 0.75:
        return {"year": born.year}
    return {"year": born.year, "month": born.month, "day": born.day}
