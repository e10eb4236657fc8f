"""Countries by their English names, as Faker has them: two ISO 3166 letters for a name, and a name for two letters."""

import re
from collections.abc import Iterator
from functools import cache

from cicscenario.language.diagnostic import nearest

_CLOSE = 0.8  # a misspelt name, and not that of another country
#: Names that people use and Faker does not have.
_MORE = {
    "britain": "GB",
    "great britain": "GB",
    "england": "GB",
    "usa": "US",
    "america": "US",
    "united states of america": "US",
    "drc": "CD",
    "ivory coast": "CI",
    "south sudan": "SS",
    "holland": "NL",
    "czechia": "CZ",
}


@cache
def _names() -> dict[str, str]:
    """The name of each country, by its letters."""
    from faker.providers.date_time import Provider  # a slow import, needed only for names

    return {country.alpha_2_code: _mended(country.name) for country in Provider.countries}


def _mended(name: str) -> str:
    """Faker has names in UTF-8 that was read as Latin-1."""
    try:
        return name.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return name


def name_of(region: str) -> str | None:
    """The English name of a country; None when it is not known."""
    return _names().get(region)


def regions_named(text: str) -> Iterator[str]:
    """The letters of the one country that a text names, such as KE for ``Kenya`` and ``in Kenya``."""
    known = _MORE | {name.casefold(): region for region, name in _names().items()}
    words = text.casefold().strip()
    if words in known:
        yield known[words]
        return
    found = {region for name, region in known.items() if re.search(rf"\b{re.escape(name)}\b", words)}
    if len(found) == 1:
        yield from found
    elif not found and (guess := nearest(words, known, _CLOSE)):
        yield known[guess]
