"""Profile files: valid ones are read, YAML or JSON; each mistake is told at its place, with what was expected."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cicscenario.language import DiagnosticsError
from cicscenario.language.diagnostic import Diagnostic
from cicscenario.language.profiles import is_profile, load_profile
from cicscenario.resources import profile_names, profile_path
from cicscenario.vocabulary import load_scenario, load_scenarios, settings
from tests.support.scenarios import written

PROFILE = """\
version: 1
name: village
measured: 2021-03-31
gender: {female: 3, male: 2}
occupations: {Shop: 2, Transport: 0.5}
gender_by_occupation:
  Transport: {male: 1}
products:
  Transport: {tuk tuk: 1}
places: {Miyani: 7, Kayaba: 3}
languages: {sw: 1}
languages_by_place:
  Kayaba: {en: 1}
ages: {18-34: 2, unknown: 1}
joined: {2021-02: 1}
locales: [sw]
payments:
  payers: 0.6
  receivers: 0.3
  sent: {0: 1, 0.5: 2, 1: 50}
  received: {0: 1, 0.5: 3, 1: 100}
  partners: {0: 1, 1: 9}
  size: {0: 10, 1: 400}
  gift: 400
  within_place: 0.8
"""


def profile(folder: Path, text: str = PROFILE, name: str = "village.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def told(folder: Path, text: str, name: str = "village.yaml") -> tuple[Diagnostic, ...]:
    with pytest.raises(DiagnosticsError) as caught:
        load_profile(profile(folder, text, name), named_by_file=True)
    return caught.value.diagnostics


def test_a_profile_is_read(tmp_path: Path) -> None:
    found = load_profile(profile(tmp_path))
    assert (found.name, found.measured.isoformat()) == ("village", "2021-03-31")
    assert found.occupations == {"Shop": 2, "Transport": 0.5}
    assert found.spoken() == {"sw", "en"}
    assert found.locales == ("sw",)
    assert found.payments["sent"] == {"0": 1, "0.5": 2, "1": 50}


def test_json_is_the_same(tmp_path: Path) -> None:
    text = json.dumps(yaml.safe_load(PROFILE) | {"measured": "2021-03-31"}, indent=1)
    assert load_profile(profile(tmp_path, text, "village.json")).digest == load_profile(profile(tmp_path)).digest


def test_the_digest_is_that_of_what_decides_who_people_are(tmp_path: Path) -> None:
    first = load_profile(profile(tmp_path)).digest
    said = PROFILE.replace("name: village", "name: other\npeople: 5\nsource: here").replace(
        "payers: 0.6", "payers: 0.7"
    )
    assert load_profile(profile(tmp_path, said)).digest == first
    for was, now in (("Miyani: 7", "Miyani: 8"), ("03-31", "03-30"), ("locales: [sw]", "")):
        assert load_profile(profile(tmp_path, PROFILE.replace(was, now))).digest != first


@pytest.mark.parametrize("name", profile_names())
def test_what_is_shipped_is_valid(name: str) -> None:
    path = profile_path(name)
    assert path
    found = load_profile(path)
    assert found.name == name
    assert found.source
    assert found.licence


#: What is written instead of what, where the error is, its message, and the remedy.
MISTAKES = [
    ("version: 1", "version: 2", "1:10", "the format of version 2, which is newer than this cicscenario", "version 1"),
    ("version: 1\n", "", "1:1", "`version` is missing", "such as `version: 1`"),
    ("name: village", "name: My Village", "2:7", "`My Village` is not a value for `name`", "such as village-2021"),
    ("2021-03-31", "31 March 2021", "3:11", "is not a value for `measured`", "such as 2020-05-12"),
    ("2021-03-31", "2021-02-29", "3:11", "is not a value for `measured`", "such as 2020-05-12"),
    ("gender:", "gendre:", "4:1", "unknown key `gendre`", "`gender`"),
    ("female: 3", "femal: 3", "4:10", "unknown key `femal`", "`female`"),
    ("female: 3, male: 2", "female: 0, male: 0", "4:1", "all weights of `gender` are 0", "at least one above 0"),
    ("gender: {female: 3, male: 2}", "gender: {}", "4:9", "is not a value for `gender`", "at least 1 key"),
    ("Shop: 2", "Shop: -2", "5:21", "`-2` is not a value for `occupations.Shop`", "at least 0"),
    ("Shop: 2", "Shop: many", "5:21", "`occupations.Shop` is text", "a number"),
    ("Shop: 2", "Shop: [2]", "5:21", "`occupations.Shop` is a list", "a number"),
    ("  Transport: {male: 1}", "  Transprot: {male: 1}", "7:3", "`occupations` has no `Transprot`", "`Transport`"),
    ("  Transport: {male: 1}", "  Transport: {male: 0}", "7:3", "`gender_by_occupation.Transport` are 0", "above 0"),
    ("Transport: {tuk tuk: 1}", "Shops: {tuk tuk: 1}", "9:3", "`occupations` has no `Shops`", "`Shop`"),
    ("languages: {sw: 1}", "languages: {sv: 1}", "11:13", "unknown key `sv`", "one of en, sw"),
    ("languages: {sw: 1}\n", "", "1:1", "`languages_by_place` also needs `languages`", ""),
    ("Kayaba: {en: 1}", "Kibera: {en: 1}", "13:3", "`places` has no `Kibera`", "a name that is in `places`"),
    ("18-34: 2", "34-18: 2", "14:8", "`34-18` ends before it begins", "`18-34`"),
    ("18-34: 2", "adult: 2", "14:8", "`adult` is not a band of years such as 18-34", ""),
    ("18-34: 2", "18-121: 2", "14:8", "`18-121` is not a band of years", ""),
    ("2021-02: 1", "2021-2: 1", "15:10", "`2021-2` is not a month such as 2020-04", ""),
    ("2021-02: 1", "2021-04: 1", "15:10", "people joined in 2021-04, after the day of the figures", "mend the month"),
    ("locales: [sw]", "locales: [xx_YY]", "16:11", "`xx_YY` is not a value for `locales`", "a locale of Faker"),
    ("places:", "population: {size: 1}\nplaces:", "10:1", "only scenarios and environment files have `population`", "measured"),
    ("payers: 0.6", "payers: 1.6", "18:11", "`1.6` is not a value for `payments.payers`", "at most 1"),
    ("  gift: 400\n", "", "17:1", "`gift` is missing", "such as `gift: 400`"),
    ("sent: {0: 1, 0.5: 2", "sent: {0: 1, half: 2", "20:16", "`half` is not a share of people from 0 to 1", ""),
    ("sent: {0: 1, 0.5: 2", "sent: {0: 1, 0.5: 51", "20:25", "`sent` is 50 at 1, and 51 at 0.5", "do not fall"),
    ("size: {0: 10, 1: 400}", "size: {0: 10, 0.9: 400}", "23:3", "`size` has no value at 1", "the largest one at 1"),
    ("places: {Miyani: 7", "places: {Miyani: 7, Miyani: 7", "10:21", "Miyani", ""),
]  # fmt: skip


@pytest.mark.parametrize(("was", "now", "at", "says", "remedy"), MISTAKES, ids=[one[3][:40] for one in MISTAKES])
def test_a_mistake_is_one_error_with_its_remedy(
    tmp_path: Path, was: str, now: str, at: str, says: str, remedy: str
) -> None:
    assert was in PROFILE
    problems = told(tmp_path, PROFILE.replace(was, now, 1))
    frames = "\n".join(problem.render() for problem in problems)
    assert len(problems) == 1, frames
    [found] = problems
    assert f"{found.line}:{found.column}" == at, frames
    assert says in found.message, frames
    remedies = [found.expected, found.hint, found.suggestion and f"`{found.suggestion}`"]
    assert remedy in " ".join(filter(None, remedies)), frames
    assert found.key is None or found.key.startswith("profile."), "as `explain` has it"


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    text = PROFILE.replace("Shop: 2", "Shop: -2").replace("sw: 1", "sv: 1").replace("18-34", "34-18")
    assert [problem.line for problem in told(tmp_path, text)] == [5, 11, 14]


def test_a_json_profile_is_shown_and_another_file_is_not(tmp_path: Path) -> None:
    """A scenario of somebody else may name any file."""
    wrong = json.dumps(yaml.safe_load(PROFILE) | {"measured": "2021-03-31", "places": {"Miyani": -7}})
    [found] = told(tmp_path, wrong, "village.json")
    assert "Miyani" in found.render()
    for text in (json.dumps({"auths": {"host": {"auth": "hunter2"}}}), '{"hunter2": ', "root:hunter2:19000:0\n"):
        shown = "".join(problem.render() + repr(problem) for problem in told(tmp_path, text, "config.json"))
        assert "hunter2" not in shown


# --- named by a scenario --------------------------------------------------------------------------------------------


def scenario(folder: Path, named: str, **more: str) -> Path:
    keys = {"size": "5", "seed": "1", "profile": named} | more
    return written(folder, population="{" + ", ".join(f"{key}: {value}" for key, value in keys.items()) + "}")


def test_it_is_relative_to_the_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    profile(tmp_path / "inner")
    path = scenario(tmp_path / "inner", "village.yaml")
    monkeypatch.chdir(tmp_path)
    found = load_scenario(path)
    assert found.population.profile
    assert found.population.profile.name == "village"
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(found.canonical()))
    assert load_scenario(again).population == found.population, "the canonical form is an equivalent scenario"


def test_errors_of_the_file_are_told_at_their_lines(tmp_path: Path) -> None:
    profile(tmp_path, PROFILE.replace("Shop: 2", "Shop: -2"))
    with pytest.raises(DiagnosticsError) as caught:
        load_scenario(scenario(tmp_path, "village.yaml", size="0"))
    places = [(Path(one.file).name, one.line, one.column) for one in caught.value.diagnostics]
    assert places == [("a.yaml", 3, 20), ("village.yaml", 5, 21)]


@pytest.mark.parametrize(
    ("named", "guess"),
    [
        ("sarafu_2020", "sarafu-2020"),
        ("Uniform", "uniform"),
        ("vilage.yaml", "village.yaml"),
        ("village", "village.yaml"),
    ],
)
def test_a_name_that_is_none_is_told_with_the_nearest(tmp_path: Path, named: str, guess: str) -> None:
    profile(tmp_path)
    with pytest.raises(DiagnosticsError) as caught:
        load_scenario(scenario(tmp_path, named))
    [found] = caught.value.diagnostics
    assert f"the profile {named} cannot be read: there is no such file" in found.message
    assert (found.line, found.suggestion, found.key) == (3, guess, "population.profile")
    assert "`uniform`, `sarafu-2020`, or the path" in str(found.expected)


def values(path: Path) -> dict[str, Any]:
    return {one.key: (one.value, one.origin.rpartition("/")[2]) for one in settings(path)}


def test_uniform_is_no_profile_and_changes_nothing(tmp_path: Path) -> None:
    plain, uniform = load_scenario(written(tmp_path)), load_scenario(scenario(tmp_path, "uniform"))
    assert plain.population == uniform.population
    assert plain.canonical() == uniform.canonical()
    assert plain.population.languages == (("en", 1), ("sw", 1))
    assert plain.population.spoken == {"en", "sw"}


def test_defaults_of_a_scenario_do_not_replace_what_a_profile_says(tmp_path: Path) -> None:
    profile(tmp_path)
    found = values(scenario(tmp_path, "village.yaml"))
    assert found["population.languages"] == (None, "default")
    assert found["population.locales"] == (None, "default")
    people = load_scenario(scenario(tmp_path, "village.yaml")).population
    assert (people.languages, people.locales, people.gender) == ((), (), ())


def test_what_a_scenario_says_itself_does(tmp_path: Path) -> None:
    profile(tmp_path)
    path = scenario(tmp_path, "village.yaml", languages="{kam: 2}", gender="{other: 1, male: 2}", locales="[de]")
    people = load_scenario(path).population
    assert people.languages == (("kam", 2),)
    assert people.gender == (("male", 2), ("other", 1))
    assert people.locales == ("de",)
    assert people.spoken == {"kam"}


def test_a_profile_without_languages_has_those_of_the_scenario(tmp_path: Path) -> None:
    profile(tmp_path, "version: 1\nname: a\nmeasured: 2021-03-31\n")
    assert load_scenario(scenario(tmp_path, "village.yaml")).population.languages == (("en", 1), ("sw", 1))


def test_languages_of_a_profile_are_held_against_the_backend(tmp_path: Path) -> None:
    profile(tmp_path, PROFILE.replace("Kayaba: {en: 1}", "Kayaba: {kam: 1}"))
    path = scenario(tmp_path, "village.yaml")
    backend = 'backend={kind: cic_ussd, dialect: "2021"}'
    with pytest.raises(DiagnosticsError, match="languages that the phone interface of 2021 does not offer"):
        load_scenario(path, [backend])
    load_scenario(path, [backend, "population.languages={sw: 1}"])


def test_a_matrix_may_compare_profiles(tmp_path: Path) -> None:
    profile(tmp_path)
    found = load_scenarios(written(tmp_path, matrix="{population.profile: [uniform, village.yaml]}"))
    named = [one.population.profile.name if one.population.profile else None for one in found]
    assert named == [None, "village"]
    assert [bool(one.population.languages) for one in found] == [True, False]


def test_a_profile_is_told_from_other_files(tmp_path: Path) -> None:
    assert is_profile(profile(tmp_path))
    assert not is_profile(written(tmp_path))
    assert not is_profile(profile(tmp_path, "languages: {a: 1}\nname: other\n"))
    assert not is_profile(tmp_path / "missing.yaml")
