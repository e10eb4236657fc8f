"""Phone numbers that are valid for their region and unique within a run, both by construction.

The metadata of the phonenumbers library says which digits a region's mobile numbers have; that many numbers there are,
and person ``i`` gets the ``i``-th of them in an order that the seed shuffles.
"""

import hashlib
import math
import random

import phonenumbers

from cicscenario.errors import InvalidError
from cicscenario.numberplan import mobile_numbers


class PhoneNumbers:
    """The mobile numbers of one seed and region; there are ``space`` of them.

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
        while math.gcd(self._stride, self.space) != 1:  # only then i -> offset + i * stride meets every number once
            self._stride = draw.randrange(self.space)

    def number(self, index: int) -> str:
        """E.164 number of person ``index``; raises InvalidError when the region has no more numbers."""
        if not 0 <= index < self.space:
            raise InvalidError(
                f"region {self._region} has {self.space:,} mobile phone numbers: person {index:,} (from 0) gets none",
                hint="choose a smaller population.size, or another population.region",
            )
        rank = (self._offset + index * self._stride) % self.space
        return f"+{self._country}{self._plan.number(rank)}"
