"""Phone numbers that are valid for their region and unique within a run by construction."""

import hashlib
import math
import random
from functools import cache

import phonenumbers
from phonenumbers import PhoneNumberType

from cicscenario.errors import InvalidError

_SAMPLES = 1000
_MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


class PhoneNumbers:
    """The numbers of one seed and region. Index ``i`` gets the ``i``-th of a shuffled number space: no two are the same.

    Raises InvalidError for a region without mobile numbers.
    """

    def __init__(self, seed: int, region: str) -> None:
        example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
        if example is None:
            raise InvalidError(f"no mobile phone numbers are known for region {region!r}", hint="such as KE")
        self._region = region
        self._country = example.country_code or 0
        national = phonenumbers.national_significant_number(example)
        self._prefix, self._digits = _free_digits(national, self._country, region)
        self.space = 10**self._digits
        draw = random.Random(hashlib.sha256(f"phone|{seed}|{region}".encode()).digest())  # noqa: S311
        self._offset = draw.randrange(self.space)
        self._stride = draw.randrange(self.space)
        while math.gcd(self._stride, self.space) != 1:  # only then i -> offset + i * stride meets every number once
            self._stride = draw.randrange(self.space)

    def number(self, index: int) -> str:
        """E.164 number of person ``index``; raises InvalidError when the region has no more numbers."""
        if index >= self.space:
            raise InvalidError(
                f"region {self._region} has {self.space:,} numbers of this form; person {index:,} would get none"
            )
        tail = (self._offset + index * self._stride) % self.space
        return f"+{self._country}{self._prefix}{tail:0{self._digits}d}"


@cache
def _free_digits(national: str, country: int, region: str) -> tuple[str, int]:
    """The shortest beginning of the example after which any digits are valid, by a thousand fixed samples."""
    for kept in range(1, len(national)):
        digits = len(national) - kept
        draw = random.Random(f"{region}|{kept}")  # noqa: S311
        tails = [0, 10**digits - 1, *(draw.randrange(10**digits) for _ in range(_SAMPLES))]
        if all(_is_mobile(f"+{country}{national[:kept]}{tail:0{digits}d}", region) for tail in tails):
            return national[:kept], digits
    raise InvalidError(f"no free mobile phone numbers are known for region {region!r}")


def _is_mobile(text: str, region: str) -> bool:
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number_for_region(number, region) and phonenumbers.number_type(number) in _MOBILE
