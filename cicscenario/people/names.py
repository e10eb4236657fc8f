"""Names of a region: given names by gender and family names, by how often they are, from the lists of the Faker library.

Kenyan names are those of Faker's locale ``en_KE``, which takes them with their frequency from forebears.io.
"""

import pkgutil
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

from cicscenario.errors import InvalidError
from cicscenario.people.tables import Draw, Table

_PERSON = "faker.providers.person"
#: Regions without names of their own in Faker, where Swahili is spoken. Others have those of FALLBACK.
_SWAHILI = frozenset({"BI", "CD", "RW", "TZ", "UG"})
FALLBACK = "en_US"
#: Reserved for examples (RFC 2606): mail addresses there belong to no real person.
_DOMAINS = ("example.com", "example.net", "example.org")


@cache
def locales_of(region: str) -> tuple[str, ...]:
    """The locales of Faker that have names of a region, by its ISO 3166 letters.

    For a region without any: Swahili names in Burundi, Congo (CD), Rwanda, Tanzania and Uganda, else American ones.
    """
    spec = find_spec(_PERSON)
    places = spec.submodule_search_locations if spec else None
    found = sorted(module.name for module in pkgutil.iter_modules(places) if module.name.endswith(f"_{region}"))
    return tuple(found) or ("sw" if region in _SWAHILI else FALLBACK,)


def faker_of(locale: str) -> Any:
    """A Faker that draws the names of a locale without weights, which is twice as fast. Raises InvalidError."""
    from faker import Factory  # not at the top: slow to load, and needed only where people are made
    from faker.exceptions import BaseFakerException

    try:
        return Factory.create(locale, use_weighting=False)
    except (AttributeError, ImportError, ValueError, BaseFakerException):
        raise InvalidError(f"Faker has no locale {locale!r}", hint="such as en_US, sw or ro") from None


class Names:
    """The names of locales, each of which is used equally often."""

    def __init__(self, locales: Sequence[str]) -> None:
        """Raises InvalidError for a locale that Faker does not have."""
        self._lists = [_Lists(locale) for locale in locales]

    def name(self, draw: Draw, gender: str) -> tuple[str, str]:
        """The given name and the family name of a person; a gender without names of its own has any."""
        lists = self._lists[int(draw.number("locale") * len(self._lists))]
        given, family = (tables.get(gender) or tables[""] for tables in (lists.given, lists.family))
        return given.at(draw.number("given name")), family.at(draw.number("family name"))


def mail_address(draw: Draw, given: str, family: str) -> str:
    """A mail address of a name, at a domain that belongs to nobody."""
    letters = unicodedata.normalize("NFKD", f"{given}.{family}").lower()
    user = "".join(one for one in letters if one.isascii() and (one.isalnum() or one == ".")).strip(".") or "person"
    number = int(draw.number("mail address") * 300)
    return f"{user}{number % 100}@{_DOMAINS[number // 100]}"


class _Lists:
    """The names of one locale, by gender; without gender those of all."""

    def __init__(self, locale: str) -> None:
        provider = next(one for one in faker_of(locale).providers if type(one).__module__.startswith(_PERSON))
        self.given = _tables(provider, "first_names")
        self.family = _tables(provider, "last_names")


def _tables(provider: Any, name: str) -> dict[str, Table[str]]:
    lists = {gender: getattr(provider, f"{name}_{gender}", None) for gender in ("female", "male")}
    lists[""] = getattr(provider, name)
    return {gender: Table(_weighted(names)) for gender, names in lists.items() if names}


def _weighted(names: Any) -> list[tuple[str, float]]:
    """Faker lists names alone, or with their frequency. A name that is there twice is twice as frequent."""
    return list(names.items()) if isinstance(names, Mapping) else [(name, 1) for name in names]
