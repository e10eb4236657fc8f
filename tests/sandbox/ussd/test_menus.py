"""Texts and choices."""

import pytest

from cicscenario.sandbox.ussd.menus import CURRENT, OLD, Menus

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
