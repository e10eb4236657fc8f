"""What the language knows by heart of its libraries is what they say: they take too long to load for a valid file."""

from collections.abc import Iterator

import phonenumbers
from faker.config import AVAILABLE_LOCALES

from cicscenario.language.formats import FORMATS
from cicscenario.language.regions import FEWEST_NUMBERS, MOBILE_REGIONS
from cicscenario.numberplan import NumberPlan, mobile_numbers


def plans() -> Iterator[tuple[str, NumberPlan]]:
    for region in phonenumbers.SUPPORTED_REGIONS:
        if plan := mobile_numbers(region):
            yield region, plan


def test_the_regions_are_those_of_the_library() -> None:
    known = dict(plans())
    assert known.keys() == MOBILE_REGIONS
    assert min(plan.size for plan in known.values()) == FEWEST_NUMBERS


def test_the_locales_are_those_of_faker() -> None:
    assert list(FORMATS["faker-locale"].names()) == sorted(AVAILABLE_LOCALES)
