"""People by a profile are like its figures; and as ever, one seed makes the same people in any order and batch size."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cicscenario.people.generator import Generator
from cicscenario.people.makeup import MakeUp, Traits
from cicscenario.people.names import locales_of
from cicscenario.people.person import validate
from cicscenario.people.tables import Draw, Table
from cicscenario.people.vcard import decode
from cicscenario.profile import Profile
from cicscenario.resources import load_schema, profile_names, profile_path
from tests.support.chisquare import probability

OPTIONS: dict[str, Any] = {
    "seed": 20220129, "locales": [], "region": "KE", "languages": [], "tags": ["individual"], "gift_threshold": 200,
}  # fmt: skip
PEOPLE = 20_000
UNLIKELY = 0.001
#: sha256 over the JSON of people 0 to 199 of sarafu-2020, a line each. Scenarios in use mean these people.
TWO_HUNDRED = "6586cd143e70c7bf1b20045d6629d76ba0418000ec918cf9f49e228860f5eec6"


@cache
def figures() -> dict[str, Any]:
    """The shipped file, as any reader of YAML reads it."""
    path = profile_path("sarafu-2020")
    assert path
    document: dict[str, Any] = yaml.load(path.read_text("utf-8"), yaml.BaseLoader)
    return document


def generator(document: Mapping[str, Any] | None = None, **options: Any) -> Generator:
    """People of a profile: of the shipped one, or of another document."""
    return Generator(**OPTIONS | options, profile=Profile.of(numbers(document or figures())))


def numbers(value: Any) -> Any:
    """The document with numbers for texts."""
    if isinstance(value, dict):
        return {key: numbers(child) for key, child in value.items()}
    return float(value) if isinstance(value, str) and value.replace(".", "", 1).isdecimal() else value


@cache
def sarafu() -> list[Traits]:
    return drawn(figures(), PEOPLE)


def drawn(document: Mapping[str, Any], number: int) -> list[Traits]:
    people = MakeUp(Profile.of(numbers(document)), languages={}, gender={})
    return [people.traits(Draw(7, index)) for index in range(number)]


Groups = Mapping[str, str]


def joint(outer: Groups, rows: Mapping[str, Groups]) -> dict[tuple[str, str], float]:
    """The expected weights of pairs of groups: those of the first by theirs, and within each by its row."""
    found = {}
    for group, weight in outer.items():
        row = weights(rows[group])
        for inner, part in row.items():
            found[group, inner] = float(weight) * part / sum(row.values())
    return found


def genders(document: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    return joint(document["occupations"], document["gender_by_occupation"])


def languages(document: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    rows = {place: document["languages_by_place"].get(place, document["languages"]) for place in document["places"]}
    return joint(document["places"], rows)


def products(document: Mapping[str, Any]) -> dict[tuple[str, ...], float]:
    """Who offers nothing has no products at all."""
    rows = {occupation: row or {"": "1"} for occupation, row in document["products"].items()}
    found = joint(document["occupations"], rows)
    return {pair if pair[1] else (): weight for pair, weight in found.items()}


#: What is drawn of each figure, and the weights that it is to be drawn with.
FIGURES: dict[str, Any] = {
    "occupations": (lambda one: one.occupation, lambda document: weights(document["occupations"])),
    "gender_by_occupation": (lambda one: (one.occupation, one.gender), genders),
    "places": (lambda one: one.place, lambda document: weights(document["places"])),
    "joined": (lambda one: f"{one.joined:%Y-%m}", lambda document: weights(document["joined"])),
    "ages": (lambda one: one.age, lambda document: weights(document["ages"])),
    "languages": (lambda one: (one.place, one.language), languages),
    "languages_by_place": (lambda one: (one.place, one.language), languages),
    "products": (lambda one: one.products, products),
}


def weights(table: Mapping[str, str]) -> dict[str, float]:
    return {group: float(number) for group, number in table.items()}


def likely(figure: str, people: list[Traits]) -> float:
    """The probability of the people by one figure of the shipped file."""
    seen, expected = FIGURES[figure]
    return probability(map(seen, people), expected(figures()))


@pytest.mark.parametrize("figure", FIGURES)
def test_twenty_thousand_people_are_like_the_figure(figure: str) -> None:
    assert likely(figure, sarafu()) > UNLIKELY


@pytest.mark.parametrize("figure", FIGURES)
def test_a_profile_with_another_figure_is_noticed(figure: str) -> None:
    """The two largest groups of the table have each other's weight."""
    wrong = deepcopy(figures())
    table = wrong[figure]
    if isinstance(next(iter(table.values())), dict):
        table = next(iter(table.values()))  # of the largest group
    first, second = sorted(table, key=lambda name: -float(table[name]))[:2]
    table[first], table[second] = (table[second], table[first]) if table[first] != table[second] else ("9", "1")
    assert likely(figure, drawn(wrong, PEOPLE // 4)) < UNLIKELY


def test_genders_are_as_many_as_in_the_figures() -> None:
    """Of all: the occupation of 13 people is not known, and nothing is drawn from the sums alone."""
    assert probability((one.gender for one in sarafu()), weights(figures()["gender"])) > UNLIKELY
    swapped = weights(figures()["gender"]) | {"female": 7253.0, "male": 11287.0}
    assert probability((one.gender for one in sarafu()), swapped) < UNLIKELY


def test_the_shipped_figures_are_of_all_its_people() -> None:
    document = numbers(figures())
    assert document["people"] == 19753
    assert {sum(document[table].values()) for table in ("gender", "joined")} == {19753}
    assert sum(document["places"].values()) == 19234  # the place of the others is not known
    assert sum(document["occupations"].values()) == 19740
    for occupation, number in document["occupations"].items():
        assert sum(document["gender_by_occupation"][occupation].values()) == number
    assert "sarafu-2020" in profile_names()
    assert all(figures()[key] for key in ("source", "licence", "description"))


# --- the same people always -----------------------------------------------------------------------------------------


def text(people: Generator, index: int) -> str:
    one = people.person(index)
    fields = [one.document, one.phone, one.language, list(one.tags), one.old_address.hex(), one.gift]
    return json.dumps(fields, sort_keys=True)


@cache
def straight() -> dict[int, str]:
    people = generator()
    return {index: text(people, index) for index in range(50)}


def test_scenarios_in_use_keep_their_people() -> None:
    people = generator()
    lines = "".join(text(people, index) + "\n" for index in range(200))
    assert hashlib.sha256(lines.encode()).hexdigest() == TWO_HUNDRED


@given(st.permutations(range(50)), st.integers(5, 50))
@settings(max_examples=5, deadline=None)
def test_neither_order_nor_batch_size_matters(order: list[int], size: int) -> None:
    made: dict[int, str] = {}
    for start in range(0, 50, size):
        people = generator()
        made |= {index: text(people, index) for index in order[start : start + size]}
    assert made == straight()


def test_the_order_of_groups_in_a_file_does_not_matter() -> None:
    backwards = {
        key: dict(reversed(table.items())) if isinstance(table, dict) else table for key, table in figures().items()
    }
    people = generator(dict(reversed(backwards.items())))
    assert {index: text(people, index) for index in range(50)} == straight()


def test_one_figure_does_not_move_another() -> None:
    other = deepcopy(figures())
    other["places"] = {"Nowhere": "1"}
    other["languages_by_place"] = {}
    for one, another in zip(drawn(other, 100), drawn(figures(), 100), strict=True):
        assert another.place != one.place == "Nowhere"
        assert (one.occupation, one.gender, one.products, one.born, one.joined) == (
            another.occupation, another.gender, another.products, another.born, another.joined,
        )  # fmt: skip


TABLES = st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0, 1e12), min_size=1).filter(
    lambda table: any(table.values())
)


@given(TABLES, st.floats(0, 1, exclude_max=True))
def test_any_weights_give_a_group_that_has_one(table: dict[str, float], number: float) -> None:
    """They need not sum to 1; a group of weight 0 is never drawn."""
    assert table[Table(table.items()).at(number)] > 0


@given(TABLES, st.integers(-20, 20), st.floats(0, 1, exclude_max=True))
def test_weights_count_by_their_ratio(table: dict[str, float], power: int, number: float) -> None:
    kept = {name: weight for name, weight in table.items() if weight == 0 or weight > 1e-200}
    if any(kept.values()):
        scaled = {name: weight * 2.0**power for name, weight in kept.items()}
        assert Table(scaled.items()).at(number) == Table(kept.items()).at(number)


def test_both_ends_are_drawn() -> None:
    table = Table([("none", 0), ("first", 1), ("last", 1), ("nobody", 0)])
    assert [table.at(number) for number in (0.0, 0.4999, 0.5, 1 - 2**-53)] == ["first", "first", "last", "last"]


def test_a_profile_may_have_one_group_of_each() -> None:
    one = {
        "version": "1", "name": "one", "measured": "2021-03-31", "gender": {"female": "3"}, "occupations": {"Shop": "1"},
        "places": {"Here": "0.001"}, "languages": {"luo": "1"}, "ages": {"20-20": "5"}, "joined": {"2021-03": "1"},
    }  # fmt: skip
    for index in range(50):
        person = generator(one).person(index)
        assert person.document["gender"] == "female"
        assert (person.document["products"], person.document["location"]) == (["Shop"], {"area_name": "Here"})
        assert person.language == "luo"
        born = person.document["date_of_birth"]
        assert date(2000, 4, 1) <= date(born["year"], born["month"], born["day"]) <= date(2001, 3, 31)
        joined = datetime.fromtimestamp(person.document["date_registered"], UTC)
        assert datetime(2021, 3, 1, tzinfo=UTC) <= joined < datetime(2021, 4, 1, tzinfo=UTC)


def table(groups: list[str]) -> st.SearchStrategy[dict[str, float]]:
    """Weights of any sum, of which some may be 0."""
    weight = st.one_of(st.just(0), st.integers(1, 10**12), st.floats(1e-9, 1))
    return st.dictionaries(st.sampled_from(groups), weight, min_size=1).filter(lambda found: any(found.values()))


GENDERS = table(["female", "male", "other", "unknown"])
PROFILES = st.fixed_dictionaries(
    {"version": st.just(1), "name": st.just("any"), "measured": st.just("2021-02-28"), "languages": table(["en", "sw"])}
    | {"occupations": table(["Shop", "Farm"])},
    optional={
        "gender": GENDERS, "places": table(["A", "B", "C"]),
        "gender_by_occupation": st.dictionaries(st.sampled_from(["Shop", "Farm"]), GENDERS, min_size=1),
        "ages": table(["0-0", "18-34", "120-120", "unknown"]), "joined": table(["1970-01", "2020-02", "2021-02"]),
    },
)  # fmt: skip


@given(PROFILES, st.integers(0, 2**32), st.lists(st.integers(0, 10**6), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_any_profile_makes_people_of_its_groups(document: dict[str, Any], seed: int, indices: list[int]) -> None:
    Draft202012Validator(load_schema("profile-v1")).validate(document)
    people, again = (MakeUp(Profile.of(document), languages={}, gender={}) for _ in range(2))
    figures = people.figures()
    for index in indices:
        one = people.traits(Draw(seed, index))
        assert one == again.traits(Draw(seed, index))
        for figure, group in (
            ("gender", one.gender),
            ("occupation", one.occupation),
            ("place", one.place),
            ("age", one.age),
        ):
            assert figures[figure][group] > 0
        for key, group in (("occupations", one.occupation), ("places", one.place), ("languages", one.language)):
            assert key not in document or document[key][group] > 0
        assert datetime(1970, 1, 1, tzinfo=UTC) <= one.joined < datetime(2021, 3, 1, tzinfo=UTC)
        assert one.born is None or one.born.year >= 1850
    for groups in figures.values():
        assert sum(groups.values()) == pytest.approx(1)


def test_what_a_profile_does_not_say_is_as_without_one() -> None:
    bare = {"version": "1", "name": "bare", "measured": "2021-03-31"}
    people = [generator(bare, languages=[("sw", 1)]).person(index) for index in range(100)]
    assert {one.document["gender"] for one in people} == {"female", "male", "other"}
    assert {one.document["location"]["area_name"] for one in people} & {"ruben", "kisauni"}
    assert {one.language for one in people} == {"sw"}
    assert not any("date_of_birth" in one.document for one in people)


# --- documents, names and what a scenario says itself ---------------------------------------------------------------


def test_every_document_is_a_person_document() -> None:
    for index, traits in enumerate(drawn(figures(), 200)):
        person = generator_of_seven().person(index)
        validate(person.document)
        contact = decode(person.document["vcard"])
        assert contact.phone == person.phone
        assert str(contact.email).partition("@")[2] in {"example.com", "example.net", "example.org"}
        assert person.document["gender"] == {"unknown": "other"}.get(traits.gender, traits.gender)
        assert person.document["products"] == list(traits.products)
        assert traits.joined.date() <= date(2020, 5, 12)


@cache
def generator_of_seven() -> Generator:
    return generator(seed=7)


def test_names_are_those_of_the_region_by_gender_and_frequency() -> None:
    from faker.providers.person.en_KE import Provider

    people = [generator_of_seven().person(index) for index in range(1000)]
    given: dict[str, set[str]] = {"female": set(), "male": set()}
    for person in people:
        contact = decode(person.document["vcard"])
        assert contact.family in Provider.last_names
        if person.document["gender"] in given:
            given[person.document["gender"]].add(contact.given)
    assert given["female"] <= set(Provider.first_names_female)
    assert given["male"] <= set(Provider.first_names_male)
    families = Counter(decode(person.document["vcard"]).family for person in people)
    often = sorted(Provider.last_names, key=lambda name: -Provider.last_names[name])[:100]
    assert sum(families[name] for name in often) > 3 * sum(families[name] for name in list(Provider.last_names)[-100:])


@pytest.mark.parametrize(
    ("region", "locales"), [("KE", ("en_KE",)), ("CH", ("de_CH", "fr_CH")), ("TZ", ("sw",)), ("FJ", ("en_US",))]
)
def test_a_region_without_names_has_those_of_another(region: str, locales: tuple[str, ...]) -> None:
    assert tuple(name for name in locales_of(region) if name != "it_CH") == locales
    assert generator(region=region).person(0).name


def test_what_a_scenario_says_itself_replaces_the_profile_key_by_key() -> None:
    plain, own = generator(), generator(languages=[("kam", 1)], locales=["de_DE"], gender=[("male", 1)])
    for index in range(50):
        one, another = plain.person(index), own.person(index)
        assert (another.language, another.document["gender"]) == ("kam", "male")
        assert another.document["location"] == one.document["location"]
        assert another.document["date_registered"] == one.document["date_registered"]
        assert another.name != one.name


def test_each_gender_keeps_its_occupations_when_there_are_more_of_it() -> None:
    people = MakeUp(Profile.of(numbers(figures())), languages={}, gender={"male": 3, "female": 1})
    shown = [people.traits(Draw(7, index)) for index in range(8000)]
    assert probability((one.gender for one in shown), {"male": 3, "female": 1}) > UNLIKELY
    rows = figures()["gender_by_occupation"]
    expected = {occupation: float(row["male"]) for occupation, row in rows.items()}
    assert probability((one.occupation for one in shown if one.gender == "male"), expected) > UNLIKELY


def test_genders_without_a_profile_change_nothing_else() -> None:
    usual = OPTIONS | {"locales": ["en_US"], "languages": [("en", 1)]}
    plain, own = Generator(**usual), Generator(**usual, gender=[("female", 1)])
    for index in range(50):
        assert own.person(index).document == plain.person(index).document | {"gender": "female"}
