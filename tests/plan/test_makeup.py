"""The profile of a scenario as plans and reports show it."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from cicscenario.plan.makeup import largest, make_up, percent, profile_document, profile_words
from cicscenario.resources import load_schema
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written


def population(folder: Path, **keys: str) -> Path:
    people = {"size": "5", "seed": "1"} | keys
    return written(folder, population="{" + ", ".join(f"{key}: {value}" for key, value in people.items()) + "}")


def test_it_says_what_it_is_and_where_it_is_from(tmp_path: Path) -> None:
    document = profile_document(load_scenario(population(tmp_path, profile="sarafu-2020")))
    assert document
    schema = load_schema("report-v1")["properties"]["profile"]
    Draft202012Validator(schema).validate(document)
    lines = profile_words(document)
    assert lines[0] == "sarafu-2020, 19,753 people, 2020-05-12"
    assert lines[1].startswith("from: Counted from a public, anonymised table")
    assert lines[1].endswith("(licence LGPL-3.0)")
    assert "gender: female 57 %, male 37 %, unknown 6.1 %, and 1 more" in lines
    assert "place: Miyani 12 %, Mkanyeni 5.8 %, Kayaba 5.5 %, and 80 more" in lines


def test_figures_are_those_that_people_are_drawn_with(tmp_path: Path) -> None:
    path = population(tmp_path, profile="sarafu-2020", gender="{female: 1, male: 3}", languages="{luo: 1}")
    figures = make_up(load_scenario(path))
    assert figures["gender"] == pytest.approx({"female": 0.25, "male": 0.75})
    assert figures["language"] == {"luo": 1}
    assert figures["place"]["Miyani"] == pytest.approx(2296 / 19234)
    assert all(sum(groups.values()) == pytest.approx(1) for groups in figures.values())


def test_people_without_a_profile_have_a_make_up_and_existing_people_have_none(tmp_path: Path) -> None:
    scenario = load_scenario(population(tmp_path))
    assert make_up(scenario)["gender"]["female"] == pytest.approx(1 / 3)
    assert make_up(scenario)["language"] == {"en": 0.5, "sw": 0.5}
    assert profile_document(scenario) is None
    existing = load_scenario(population(tmp_path, profile="sarafu-2020") and written(tmp_path, population="{from: x}"))
    assert make_up(existing) == {}
    assert profile_document(existing) is None


def test_shares_are_told_in_few_words() -> None:
    assert [percent(share) for share in (1, 0.5714, 0.0613, 0.0005, 0)] == ["100 %", "57 %", "6.1 %", "0.05 %", "0 %"]
    assert largest({"a": 0.2, "b": 0.5, "c": 0.2, "d": 0.1}) == "b 50 %, a 20 %, c 20 %, and 1 more"
    assert largest({"a": 1.0}) == "a 100 %"
