"""What people are by a profile: gender, occupation, product, place, language, age, and the day on which they joined."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from cicscenario.people.tables import Draw, Table
from cicscenario.people.uniform import AREAS, GENDERS, OLDEST, PRODUCTS, TODAY, WINDOW, YOUNGEST
from cicscenario.profile import UNKNOWN, Profile, Weights, month_days, months_until, shares, years

_DAY = 24 * 3600  # seconds
#: The gender in the person document of somebody whose gender the profile does not know: the stack has three only.
UNKNOWN_GENDER = "other"


@dataclass(frozen=True)
class Traits:
    """What one person is. ``gender`` may be ``unknown``, and so may ``age``, the band of years that ``born`` is from."""

    gender: str
    occupation: str
    products: tuple[str, ...]  #: the occupation, and a product of it; none for an occupation that offers nothing
    place: str
    language: str
    age: str
    born: date | None
    joined: datetime


class MakeUp:
    """The tables of a profile. What it does not say is as without a profile.

    ``languages`` and ``gender`` are what the scenario says itself, or empty. They replace those of the profile, for
    everybody. Languages must be in one of the two.
    """

    def __init__(self, profile: Profile, *, languages: Weights, gender: Weights) -> None:
        self._measured = profile.measured
        self._work = Table(_work(profile, gender).items())
        self._products = {name: Table(table.items()) if table else None for name, table in profile.products.items()}
        self._places = Table((profile.places or AREAS).items())
        self._everywhere = Table((languages or profile.languages).items())
        by_place = {} if languages else profile.languages_by_place
        self._languages = {place: Table(table.items()) for place, table in by_place.items()}
        self._ages = Table((profile.ages or {UNKNOWN: 1}).items())
        self._months = Table((profile.joined or _window(profile.measured)).items())

    def traits(self, draw: Draw) -> Traits:
        """What the person of these numbers is."""
        occupation, gender = self._work.at(draw.number("occupation and gender"))
        place, age = self._places.at(draw.number("place")), self._ages.at(draw.number("age"))
        return Traits(
            gender=gender,
            occupation=occupation,
            products=self._offered(occupation, draw),
            place=place,
            language=self._languages.get(place, self._everywhere).at(draw.number("language")),
            age=age,
            born=None if age == UNKNOWN else _born(age, self._measured, draw.number("born")),
            joined=_moment(self._months.at(draw.number("month")), self._measured, draw.number("joined")),
        )

    def _offered(self, occupation: str, draw: Draw) -> tuple[str, ...]:
        if occupation not in self._products:
            return (occupation,)
        table = self._products[occupation]
        return (occupation, table.at(draw.number("product"))) if table else ()

    def figures(self) -> dict[str, dict[str, float]]:
        """The share of each group that people are drawn with, by figure."""
        languages: dict[str, float] = defaultdict(float)
        for place, share in self._places.shares():
            for language, part in self._languages.get(place, self._everywhere).shares():
                languages[language] += share * part
        return {
            "gender": _summed((gender, share) for (_, gender), share in self._work.shares()),
            "occupation": _summed((occupation, share) for (occupation, _), share in self._work.shares()),
            "place": dict(self._places.shares()),
            "language": dict(languages),
            "age": dict(self._ages.shares()),
            "joined": dict(self._months.shares()),
        }


def uniform_figures(languages: Weights, gender: Weights) -> dict[str, dict[str, float]]:
    """The share of each group of people without a profile, by figure. Their products stand for occupations."""
    return {
        "gender": shares(gender or dict.fromkeys(GENDERS, 1)),
        "occupation": shares(PRODUCTS),
        "place": shares(AREAS),
        "language": shares(languages),
        "age": {UNKNOWN: 0.5, f"{YOUNGEST}-{OLDEST}": 0.5},
        "joined": shares(_window(TODAY.date())),
    }


def _work(profile: Profile, wanted: Weights) -> dict[tuple[str, str], float]:
    """The joint weights of occupation and gender. ``wanted`` are other weights of the genders, or empty.

    With these, each gender has the occupations that it has by the profile; a gender that it does not have has those of all.
    """
    occupations = shares(profile.occupations or PRODUCTS)
    everybody = profile.gender or dict.fromkeys(GENDERS, 1)
    joint = {
        (occupation, gender): share * part
        for occupation, share in occupations.items()
        for gender, part in shares(profile.gender_by_occupation.get(occupation) or everybody).items()
    }
    if not wanted:
        return joint
    held = _summed((gender, weight) for (_, gender), weight in joint.items())
    return {
        (occupation, gender): part * (joint.get((occupation, gender), 0) / held[gender] if held.get(gender) else share)
        for occupation, share in occupations.items()
        for gender, part in shares(wanted).items()
    }


def _summed(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for name, weight in pairs:
        found[name] += weight
    return dict(found)


def _window(measured: date) -> Mapping[str, float]:
    """The months in which people join who are not counted by month: each day has as many."""
    return dict(months_until(measured - WINDOW + timedelta(days=1), measured))


def _moment(month: str, measured: date, number: float) -> datetime:
    first, last = month_days(month, measured)
    seconds = ((last - first).days + 1) * _DAY
    return datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(seconds=int(number * seconds))


def _born(age: str, measured: date, number: float) -> date:
    """A day of birth in a band of years: each day is as likely."""
    low, high = years(age)
    first = _years_before(measured, high + 1) + timedelta(days=1)
    return first + timedelta(days=int(number * ((_years_before(measured, low) - first).days + 1)))


def _years_before(day: date, number: int) -> date:
    """The same day so many years before; the 28th for a 29th of February that there is not."""
    try:
        return day.replace(year=day.year - number)
    except ValueError:
        return day.replace(year=day.year - number, day=28)
