"""Whom the phone interface serves: the phone numbers that it takes, and the languages that can be chosen.

Source: cic-ussd 0.3.1a7, and its version of August 2021.
"""

import re

from cicscenario.services.ussd_screens import Dialect

DIGITS = range(10, 13)  #: digits of a number that the interface takes
_PHONE = re.compile(rf"\+[0-9]{{{DIGITS[0]},{DIGITS[-1]}}}")  # without + an account is made that nobody finds
#: What is pressed for a language.
CHOICES = {
    Dialect.CURRENT: {"en": "1", "sw": "2", "kam": "3", "kik": "4", "miji": "5", "luo": "6", "bor": "7"},
    Dialect.OF_2021: {"en": "1", "sw": "2"},
}


def number_problem(phone: str) -> str | None:
    """The reason why the interface refuses to be called from a number; None when it does not."""
    if _PHONE.fullmatch(phone):
        return None
    return f"the phone interface does not take the number {phone!r}: it takes + and {DIGITS[0]} to {DIGITS[-1]} digits"


def language_problem(language: str, dialect: Dialect) -> str | None:
    """The reason why nobody can choose a language by phone; None when they can."""
    choices = CHOICES[dialect]
    if language in choices:
        return None
    return f"the phone interface does not offer the language {language!r}: it offers {', '.join(choices)}"
