"""Generates phone numbers that are valid for their region and unique within a run.

The metadata of the phonenumbers library defines the mobile numbers of a region. Person ``i`` gets number ``i`` of them, in
an order that depends on the seed.
"""

import hashlib
import math
import random

import phonenumbers

from cicscenario.errors import InvalidError
from cicscenario.numberplan import mobile_numbers


class PhoneNumbers:
    """The mobile numbers of a region in the order of a seed; ``space`` is their number.

    Raises InvalidError for a region that does not exist, or has no mobile numbers.
    """

    def __init__(self, seed: int, region: str) -> None:
        plan = mobile_numbers(region)
        if plan is None:
            raise InvalidError(
                f"no mobile phone numbers are known for region {region!r}",
                hint="name a country by its two capital letters (ISO 3166), such as KE",
            )
        self._region = region
        self._country = phonenumbers.country_code_for_region(region)
        self._plan = plan
        self.space = plan.size
        draw = random.Random(hashlib.sha256(f"phone|{seed}|{region}".encode()).digest())  # noqa: S311
        self._offset = draw.randrange(self.space)
        self._stride = draw.randrange(self.space)
        while math.gcd(self._stride, self.space) != 1:  # coprime: i -> offset + i * stride reaches every number once
            self._stride = draw.randrange(self.space)

    def number(self, index: int) -> str:
        """The E.164 number of person ``index``. Raises InvalidError when the region has fewer numbers."""
        if not 0 <= index < self.space:
            raise InvalidError(
                f"region {self._region} has {self.space:,} mobile phone numbers: none for person {index:,} (from 0)",
                hint="choose a smaller population.size, or another population.region",
            )
        return self._number((self._offset + index * self._stride) % self.space)

    def _number(self, rank: int) -> str:
        return f"+{self._country}{self._plan.number(rank)}"

    def first_beyond(self, digits: range, size: int) -> str | None:
        """The first number of people ``0 <= index < size`` with another number of digits, country code and all, or None."""
        code = len(str(self._country))
        wrong = [ranks for length, ranks in self._plan.lengths() if code + length not in digits]
        if not wrong:
            return None
        rank = self._offset
        for _ in range(min(size, self.space)):
            if any(rank in ranks for ranks in wrong):
                return self._number(rank)
            rank = (rank + self._stride) % self.space
        return None
