"""Texts and choices, and the files that they are in."""

import dataclasses
import fnmatch
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from cicscenario.sandbox.ussd.machine import StateMachine
from cicscenario.sandbox.ussd.menus import CURRENT, DIALECTS, OLD, Menus

LANGUAGES = ["en", "sw", "kam", "kik", "miji", "luo", "bor"]
PROMPTS = {
    "en": "END Your account is being created. You will receive an SMS when your account is ready.",
    "sw": "END Akaunti yako ya Sarafu inatayarishwa. Utapokea ujumbe wa SMS akaunti yako ikiwa tayari.",
    "kam": "END Kinandu chaku cha Sarafu chendeye usovwa. Nukwata SMS kinandu chaku chasovwa.",
    "kik": "END Akaunti yaku ya Sarafu niiraharirio.Niugutumirwo SMS akauti yaku ya rikio kuharirio",
    "miji": "END Akauntiyo ya sarafu idzikoni. Undaphokera  ujumbe wa SMS ichikala tayari.",
    "luo": "END Akaont ni mar Sarafu iloso. Iboyudo mesej ka akaont ni otieki.",
    "bor": "END Akaunt kake ta Sarafu midasaan jiraa.Meseji siergan ojaa tayar taat",
}
STARTS = {
    "en": "CON Balance 0.0 GFT\n1. Send\n2. My Sarafu\n3. My Account\n4. Help",
    "sw": "CON Salio 0.0 GFT\n1. Tuma\n2. Sarafu yangu\n3. Akaunti yangu\n4. Usaidizi",
    "kam": "CON Mbalansi yaku 0.0 GFT\n1. Kutuma\n2. Sarafu yakwa\n3. Kinandu chakwa\n4. Utethyo",
    "kik": "CON Matigari 0.0 GFT\n1. Tuma\n2. Sarafu yakwa\n3. Akaunti yakwa\n4. Uteithio",
    "miji": "CON Sazo 0.0 GFT\n1. Huma\n2. Sarafu zangu\n3. Akaunti yangu\n4. Avizwa",
    "luo": "CON Balance 0.0 GFT\n1. Or\n2. Sarafu na\n3. Akaont na\n4. Kony",
    "bor": "CON Balans 0.0 GFT\n1. Erg\n2. Sarafu khiy\n3. Akaunt Khiy\n4.Qarqars",
}


@pytest.fixture
def menus() -> Menus:
    return Menus(CURRENT, "sw")


@pytest.mark.parametrize("language", LANGUAGES)
def test_creation_and_start_are_told_in_each_language(menus: Menus, language: str) -> None:
    values = {"account_balance": 0.0, "account_token_name": "GFT"}
    assert menus.text("account_creation_prompt", language) == PROMPTS[language]
    assert menus.text("start", language, values) == STARTS[language]


def test_seven_languages_are_on_three_pages(menus: Menus) -> None:
    assert menus.text("initial_last_language_set", "en") == "CON Choose language:\n7. Borana\n22. Previous\n00. Exit"
    assert len(menus.listed_languages) == 7


def test_without_a_known_language_the_fallback_is_spoken(menus: Menus) -> None:
    for language in (None, "", "fr"):
        assert menus.text("exit", language) == "END Asante kwa kutumia huduma"


def test_the_number_of_support_is_missing_where_cic_ussd_forgets_it(menus: Menus) -> None:
    assert menus.text("exit_invalid_pin", "en").endswith("For help, call %{support_phone}.")
    assert menus.text("exit_pin_blocked", "en").endswith("please call 0757628885.")


@pytest.mark.parametrize(
    ("choice", "language"),
    [("1", "en"), ("7", "bor"), ("0", "bor"), ("-1", "luo"), ("-5", "sw"), ("+1", "en"), (" 1 ", "en"), ("01", "en")],
)
def test_a_choice_is_an_integer_and_counts_from_the_end_below_one(menus: Menus, choice: str, language: str) -> None:
    assert menus.offers(choice)
    assert menus.chosen_language(choice) == language


def test_choices_beyond_the_list_fail_each_in_its_own_way(menus: Menus) -> None:
    assert not menus.offers("8")
    assert not menus.offers("1_1")
    with pytest.raises(IndexError):
        menus.chosen_language("-8")
    with pytest.raises(ValueError, match="invalid literal"):
        menus.offers("1.5")


def test_the_old_dialect_knows_two_languages() -> None:
    menus = Menus(OLD, "en")
    assert (
        menus.text("initial_language_selection", "luo")
        == "CON Welcome to Sarafu Network\n1. English\n2. Kiswahili\n3. Help"
    )
    assert "initial_middle_language_set" not in menus


def test_a_placeholder_that_is_written_wrong_is_filled_in_or_not_as_there(menus: Menus) -> None:
    page = {"first_account_tokens_set": "1. GFT 5.0"}
    assert menus.text("initial_last_language_set", "bor") == "CON Afaan chaguad.\n7. Borana\n22.Dheebi\n00.Bai"
    assert "% first_account_tokens_set}" in menus.text("first_account_tokens_set", "bor", page)
    assert "%tanaataf" in menus.text("retry_pin_entry", "bor", {"remaining_attempts": 2})


def test_a_value_with_a_placeholder_in_it_is_left_alone(menus: Menus) -> None:
    shown = menus.text("exit_invalid_guardian_addition", "en", {"error_exit": "%{error_exit} 5%"})
    assert shown == "CON %{error_exit} 5%\n0. Back\n9. Exit"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_rule_with_an_unknown_name_is_found_at_the_start(dialect: str) -> None:
    menus = Menus(dialect, "sw")
    start = menus.states["start"]
    rule = dataclasses.replace(start.rules[0], conditions=("is_full_moon",))
    menus.states.clear()
    menus.states["start"] = dataclasses.replace(start, rules=(rule,))
    with pytest.raises(AttributeError, match="is_full_moon"):
        StateMachine(menus, object(), object())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_rules_lead_to_states_that_exist_but_for_the_one_that_never_did(dialect: str) -> None:
    menus = Menus(dialect, "sw")
    missing = {rule.next for state in menus.states.values() for rule in state.rules} - set(menus.states)
    assert missing == ({"exit_invalid_new_pin"} if dialect == OLD else set())


def test_the_files_go_into_the_wheel() -> None:
    root = Path(__file__).parents[3]
    wheel = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["cicscenario"]
    assert not {"include", "exclude", "only-include"} & set(wheel)
    ignored = [line.strip("/") for line in (root / ".gitignore").read_text("utf-8").split() if not line.startswith("#")]
    names = [f"{kind}-{dialect}.json" for kind in ("menus", "texts") for dialect in DIALECTS]
    assert [name for name in names if not files("cicscenario.sandbox.ussd").joinpath(name).is_file()] == []
    assert [name for name in names for pattern in ignored if fnmatch.fnmatch(name, pattern)] == []
