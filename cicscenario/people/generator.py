"""Generates people. A person depends on (seed, index) only: the same on any machine, in any order and batch size.

Each group of fields has its own random stream, so that another gift threshold does not change the names. Without a profile,
numbers, shares and words are those of the data generation tools that this replaces.
"""

import hashlib
import random
import threading
from collections.abc import Sequence
from datetime import date
from typing import Any

from cicscenario.people.makeup import UNKNOWN_GENDER, MakeUp, Traits
from cicscenario.people.names import Names, faker_of, locales_of, mail_address
from cicscenario.people.person import Person
from cicscenario.people.phone import PhoneNumbers
from cicscenario.people.tables import Draw, Table
from cicscenario.people.uniform import AREAS, GENDERS, OLDEST, PRODUCTS, TODAY, WINDOW, YOUNGEST
from cicscenario.people.vcard import Contact, encode
from cicscenario.profile import UNKNOWN, Profile

_WINDOW = int(WINDOW.total_seconds())


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
        gender: Sequence[tuple[str, int]] = (),
        profile: Profile | None = None,
    ) -> None:
        """``languages`` are codes with weights, ``gender`` genders with weights; ``gift_threshold`` is in whole tokens.

        People are drawn from the ``profile``, if there is one. Languages, genders and locales that are given replace those
        of the profile; without locales, names are those of the region. Without a profile, languages and locales must be
        given; without ``gender``, each is as frequent.

        Raises InvalidError for a locale that Faker does not have, and for a region without mobile numbers.
        """
        self._seed = seed
        self._phones = PhoneNumbers(seed, region)
        self._languages = list(languages)
        self._gender = list(gender)
        self._tags = tuple(tags)
        self._threshold = gift_threshold
        self._make_up: MakeUp | None = None
        if profile is None:
            self._fakers = [faker_of(locale) for locale in locales]
            self._faker_in_use = threading.Lock()
            self._genders = Table(gender) if gender else None
        else:
            self._names = Names(locales or profile.locales or locales_of(region))
            self._make_up = MakeUp(profile, languages=dict(languages), gender=dict(gender))

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
        document, language = (self._profiled if self._make_up else self._uniform)(index, old_address, phone)
        return Person.of(
            index,
            document,
            phone=phone,
            language=language,
            tags=self._tags,
            old_address=old_address,
            gift=self.gift(index),
        )

    # --- without a profile ----------------------------------------------------------------------------------------

    def _uniform(self, index: int, old_address: bytes, phone: str) -> tuple[dict[str, Any], str]:
        """The document of a person, and the language."""
        draw = self._draw(index, "person")
        document: dict[str, Any] = {
            "date_registered": int(TODAY.timestamp()) - draw.randrange(_WINDOW),
            "gender": draw.choice(GENDERS),
            "identities": _identities(old_address),
            "location": _location(draw),
            "products": [_weighted(draw, PRODUCTS)],
            "vcard": encode(self._contact(index, phone)),
        }
        if self._genders:
            document["gender"] = self._genders.at(Draw(self._seed, index).number("gender"))
        if born := _date_of_birth(draw):
            document["date_of_birth"] = born
        codes, weights = zip(*self._languages, strict=True)
        return document, self._draw(index, "language").choices(codes, weights)[0]

    def _contact(self, index: int, phone: str) -> Contact:
        draw = self._draw(index, "contact")
        faker = self._fakers[draw.randrange(len(self._fakers))]
        with self._faker_in_use:  # a Faker object has one random source, so threads take turns
            faker.random = draw
            # Mail addresses at example.org and similar domains (RFC 2606), which belong to no real person.
            return Contact(faker.first_name(), faker.last_name(), faker.ascii_safe_email(), phone)

    # --- by a profile ---------------------------------------------------------------------------------------------

    def traits(self, index: int) -> Traits:
        """What person ``index`` is by the profile. Only for people who have one."""
        assert self._make_up
        return self._make_up.traits(Draw(self._seed, index))

    def _profiled(self, index: int, old_address: bytes, phone: str) -> tuple[dict[str, Any], str]:
        """The document of a person, and the language."""
        traits, draw = self.traits(index), Draw(self._seed, index)
        gender = UNKNOWN_GENDER if traits.gender == UNKNOWN else traits.gender
        given, family = self._names.name(draw, gender)
        document: dict[str, Any] = {
            "date_registered": int(traits.joined.timestamp()),
            "gender": gender,
            "identities": _identities(old_address),
            "location": {"area_name": traits.place},
            "products": list(traits.products),
            "vcard": encode(Contact(given, family, mail_address(draw, given, family), phone)),
        }
        if traits.born:
            document["date_of_birth"] = _parts(traits.born)
        return document, traits.language


def _identities(old_address: bytes) -> dict[str, Any]:
    return {"evm": {"foo": {"1:oldchain": [old_address.hex()]}}}


def _weighted(draw: random.Random, shares: dict[str, int]) -> str:
    return draw.choices(list(shares), list(shares.values()))[0]


def _location(draw: random.Random) -> dict[str, Any]:
    """An area; with coordinates in degrees for half of the people."""
    location: dict[str, Any] = {"area_name": _weighted(draw, AREAS)}
    if draw.random() < 0.5:
        location["latitude"] = draw.random() * 180 - 90
        location["longitude"] = draw.random() * 360 - 180
    return location


def _date_of_birth(draw: random.Random) -> dict[str, int]:
    """Unknown for half of the people; the year only for half of the others."""
    youngest = date(TODAY.year - YOUNGEST, TODAY.month, TODAY.day).toordinal()
    oldest = date(TODAY.year - OLDEST, TODAY.month, TODAY.day).toordinal()
    born = date.fromordinal(draw.randint(oldest, youngest))
    known = draw.random()
    if known < 0.5:
        return {}
    return {"year": born.year} if known < 0.75 else _parts(born)


def _parts(day: date) -> dict[str, int]:
    return {"year": day.year, "month": day.month, "day": day.day}
