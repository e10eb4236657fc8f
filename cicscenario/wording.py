"""Numbers with their nouns, in messages for people."""

_PLURALS = {"person": "people", "entry": "entries"}
_SINGULARS = {"are": "is", "have": "has", "do": "does", "were": "was"}


def counted(number: int, noun: str, *, sign: bool = False) -> str:
    """Such as ``1 person``, ``1,000 people`` or ``0 errors``; with ``sign``, ``+1 person``. ``noun`` is the singular."""
    return f"{number:{'+' if sign else ''},} {plural(number, noun)}"


def plural(number: int, noun: str) -> str:
    """The noun in the form that goes with the number."""
    return noun if abs(number) == 1 else _PLURALS.get(noun, f"{noun}s")


def agreeing(number: int, verb: str) -> str:
    """The verb in the form that goes with the number; ``verb`` is that of several, such as ``wait`` or ``are``."""
    if abs(number) != 1:
        return verb
    return _SINGULARS.get(verb, f"{verb}s")
