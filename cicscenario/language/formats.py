"""The formats of the JSON schemas, for values that a regular expression cannot validate. One function for each."""

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.util import find_spec
from locale import normalize
from pathlib import Path
from urllib.parse import urlsplit

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError
from cicscenario.language.countries import regions_named
from cicscenario.language.regions import MOBILE_REGIONS
from cicscenario.transport.redisaddress import FORMS, RedisAddress

SECRET = "secret"  # noqa: S105 - the name of a format


@dataclass(frozen=True)
class Format:
    """A format: ``test`` validates a text, ``expected`` describes it in errors, ``names`` lists all values if few exist.

    ``meant`` gives the texts that may have been meant by one that is not valid.
    """

    test: Callable[[str], bool]
    expected: str
    names: Callable[[], Iterable[str]] = tuple
    meant: Callable[[str], Iterable[str]] = lambda _: ()


@cache
def _locales() -> frozenset[str]:
    """Those of Faker: a folder in that of a provider. Faker finds them in the same way, by importing every provider."""
    spec = find_spec("faker")
    assert spec is not None
    places = [Path(place) / "providers" for place in spec.submodule_search_locations or ()]
    providers = [provider for place in places for provider in os.scandir(place) if provider.is_dir()]
    names = (entry.name for provider in providers for entry in os.scandir(provider))
    return frozenset(name for name in names if name.isidentifier() and not name.startswith("_"))


def _is_locale(text: str) -> bool:
    """A locale of Faker, or a language only: Faker completes `no` to no_NO, as the C library does."""
    return text.isascii() and normalize(text).partition(".")[0] in _locales()


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and text.isprintable()
    except ValueError:
        return False


def _is_chain_spec(text: str) -> bool:
    try:
        ChainSpec.parse(text)
    except (InvalidError, ValueError):  # ValueError: digits that int() rejects
        return False
    return True


def _is_eth_address(text: str) -> bool:
    """Hexadecimal with ``0x``. In mixed case, the checksum (EIP-55) must be right."""
    if not re.fullmatch("0x[0-9a-fA-F]{40}", text):
        return False
    if text[2:] in (text[2:].lower(), text[2:].upper()):
        return True
    from eth_utils.address import is_checksum_address  # a slow import, needed only for addresses in mixed case

    return is_checksum_address(text)


def _is_redis_url(text: str) -> bool:
    """The address of a Redis without user and password, because a password in the file would be a literal secret."""
    try:
        RedisAddress.parse(text)
    except InvalidError:
        return False
    return "@" not in urlsplit(text).netloc


def _is_redis_place(text: str) -> bool:
    return re.fullmatch(r"[^\s:]+:[1-9][0-9]{0,4}:[0-9]{1,3}", text) is not None


def _regions(text: str) -> Iterable[str]:
    """The region of a country code, such as KE for +254, and of a country's name."""
    digits = text.strip().lstrip("+0")
    if digits.isascii() and digits.isdigit() and len(digits) <= _COUNTRY_CODE:
        import phonenumbers  # a slow import, needed only for the hint of an error

        yield phonenumbers.region_code_for_country_code(int(digits))
    yield {"UK": "GB"}.get(text.strip().upper(), text.strip().upper())
    yield from regions_named(text)


_COUNTRY_CODE = 3  # digits at most

_YEARS = range(1980, 3000)  #: of a day: everybody is born after 1850, and joins after 1970


def _is_day(text: str) -> bool:
    try:
        return re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is not None and date.fromisoformat(text).year in _YEARS
    except ValueError:
        return False


FORMATS = {
    "day": Format(_is_day, "a day from 1980 on as YEAR-MONTH-DAY, such as 2020-05-12"),
    "faker-locale": Format(_is_locale, "a locale of Faker, such as en_US", lambda: sorted(_locales())),
    "phone-region": Format(
        MOBILE_REGIONS.__contains__,
        "a country that has mobile phone numbers, by its two ISO 3166 letters, such as KE",
        lambda: sorted(MOBILE_REGIONS),
        _regions,
    ),
    "tag": Format(lambda text: not set(text) & set(",\n\r"), "a text without commas and line breaks"),
    "http-url": Format(
        _is_http_url,
        "an http:// or https:// address, such as http://127.0.0.1:8545",
        meant=lambda text: [f"http://{text}"] if "://" not in text else [],
    ),
    "redis-url": Format(
        _is_redis_url,
        f"{FORMS}, without user and password",
        meant=lambda text: [f"redis://{text}", f"redis://{text}/0"] if "://" not in text else [],
    ),
    "redis-place": Format(
        _is_redis_place,
        "host:port:db, such as redis:6379:0",
        meant=lambda text: [text.removeprefix("redis://").replace("/", ":"), f"{text}:0", f"{text}:6379:0"],
    ),
    "chain-spec": Format(_is_chain_spec, "engine:fork:network id:common name, such as evm:byzantium:8996:bloxberg"),
    "eth-address": Format(
        _is_eth_address,
        "0x and 40 hexadecimal digits; if in mixed case, with a valid checksum",
        meant=lambda text: [f"0x{text}"],
    ),
}
