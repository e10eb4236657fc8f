"""Every screen is recognised by its whole text, in its language; what is not known is not taken for something else."""

import json
from pathlib import Path

import pytest
import yaml

from cicscenario.services import ussd_screens
from cicscenario.services.ussd_screens import Dialect, State, recognise

CURRENT, OF_2021 = Dialect.CURRENT, Dialect.OF_2021
HELP_LINE = "0757628885"

#: Bodies of real servers, byte for byte.
RECORDED = [
    (
        CURRENT,
        "language_menu",
        "sw",
        "CON Karibu Sarafu Network!\n1. English\n2. Kiswahili\n3. Kamba\n11. Mbele\n00. Ondoka",
    ),
    (
        CURRENT,
        "language_menu",
        "en",
        "CON Welcome to Sarafu Network!\n1. English\n2. Kiswahili\n3. Kamba\n11. Next\n00. Exit",
    ),
    (
        CURRENT,
        "language_menu_2",
        "sw",
        "CON Chagua lugha:\n4. Kikuyu\n5. Mijikenda\n6. Luo\n11. Mbele\n22. Rudi\n00. Ondoka",
    ),
    (
        CURRENT,
        "language_menu_2",
        "en",
        "CON Choose language:\n4. Kikuyu\n5. Mijikenda\n6. Luo\n11. Next\n22. Previous\n00. Exit",
    ),
    (CURRENT, "language_menu_3", "sw", "CON Choose language:\n7. Borana\n22. Rudi\n00. Ondoka"),
    (CURRENT, "language_menu_3", "en", "CON Choose language:\n7. Borana\n22. Previous\n00. Exit"),
    (
        CURRENT,
        "account_creation",
        "en",
        "END Your account is being created. You will receive an SMS when your account is ready.",
    ),
    (
        CURRENT,
        "account_creation",
        "sw",
        "END Akaunti yako ya Sarafu inatayarishwa. Utapokea ujumbe wa SMS akaunti yako ikiwa tayari.",
    ),
    (
        CURRENT,
        "account_creation",
        "kam",
        "END Kinandu chaku cha Sarafu chendeye usovwa. Nukwata SMS kinandu chaku chasovwa.",
    ),
    (
        CURRENT,
        "account_creation",
        "kik",
        "END Akaunti yaku ya Sarafu niiraharirio.Niugutumirwo SMS akauti yaku ya rikio kuharirio",
    ),
    (
        CURRENT,
        "account_creation",
        "miji",
        "END Akauntiyo ya sarafu idzikoni. Undaphokera  ujumbe wa SMS ichikala tayari.",
    ),
    (CURRENT, "account_creation", "luo", "END Akaont ni mar Sarafu iloso. Iboyudo mesej ka akaont ni otieki."),
    (CURRENT, "account_creation", "bor", "END Akaunt kake ta Sarafu midasaan jiraa.Meseji siergan ojaa tayar taat"),
    (CURRENT, "pin_entry", "en", "CON Please enter a new four number PIN for your account."),
    (CURRENT, "pin_entry", "sw", "CON Tafadhali weka pin mpya yenye nambari nne kwa akaunti yako"),
    (CURRENT, "pin_entry", "kam", "CON Tafathali ikia pin yumbya ila ina namba inya "),
    (CURRENT, "pin_entry", "kik", "CON Ikira namba yaku ya thiri njeru ina namba inna."),
    (CURRENT, "pin_entry", "miji", "CON Ika piniyo ya namba Nee kwa akaunti yakwako."),
    (CURRENT, "pin_entry", "luo", "CON Kiyie to ket namba ni mopondo manyien e akaunt ni."),
    (CURRENT, "pin_entry", "bor", "CON Tafadhal pin hareti kekhae ka namba afuri fulaa akaunti kake"),
    (CURRENT, "pin_confirmation", "en", "CON Enter your four number PIN again"),
    (CURRENT, "pin_confirmation", "miji", "CON ika nambazo nee kaheri"),
    (CURRENT, "start", "en", "CON Balance 1234.56 GFT\n1. Send\n2. My Sarafu\n3. My Account\n4. Help"),
    (CURRENT, "start", "en", "CON Balance 0.0 GFT\n1. Send\n2. My Sarafu\n3. My Account\n4. Help"),
    (CURRENT, "start", "sw", "CON Salio 1234.56 GFT\n1. Tuma\n2. Sarafu yangu\n3. Akaunti yangu\n4. Usaidizi"),
    (
        CURRENT,
        "start",
        "kam",
        "CON Mbalansi yaku 1234.56 GFT\n1. Kutuma\n2. Sarafu yakwa\n3. Kinandu chakwa\n4. Utethyo",
    ),
    (CURRENT, "start", "kik", "CON Matigari 1234.56 GFT\n1. Tuma\n2. Sarafu yakwa\n3. Akaunti yakwa\n4. Uteithio"),
    (CURRENT, "start", "miji", "CON Sazo 1234.56 GFT\n1. Huma\n2. Sarafu zangu\n3. Akaunti yangu\n4. Avizwa"),
    (CURRENT, "start", "luo", "CON Balance 1234.56 GFT\n1. Or\n2. Sarafu na\n3. Akaont na\n4. Kony"),
    (CURRENT, "start", "bor", "CON Balans 1e-05 GFT\n1. Erg\n2. Sarafu khiy\n3. Akaunt Khiy\n4.Qarqars"),
    (CURRENT, "blocked", "en", f"END Your PIN has been blocked. For help, please call {HELP_LINE}."),
    (CURRENT, "blocked", "sw", f"END PIN yako imefungwa. Kwa usaidizi tafadhali piga simu {HELP_LINE}."),
    (CURRENT, "blocked", "kam", f"END PIN yaku niyavingwa. Kutethwa kuna simu {HELP_LINE}."),
    (CURRENT, "blocked", "miji", f"END. Piniyo ifungwa. Kwa kuavizwa unaangwa upige simu {HELP_LINE}."),
    (CURRENT, "blocked", "luo", f"END PIN ni olor. Kuom kony go simu e {HELP_LINE}."),
    (
        CURRENT,
        "wrong_pin",
        "en",
        "CON Incorrect PIN entered, please try again.You have 2 attempts remaining.\n0. Back",
    ),
    (
        CURRENT,
        "invalid_pin",
        "en",
        "END The PIN you have entered is invalid. PIN must consist of 4 digits. For help, call %{support_phone}.",
    ),
    (
        CURRENT,
        "invalid_pin",
        "luo",
        "END. PIN miketo oknikare. Nyaka obed gi nembni ang'wen. Kuom kony go simu e %{support_phone}.",
    ),
    (
        CURRENT,
        "invalid_choice",
        "sw",
        f"CON Chaguo lako sio sahihi. Kwa usaidizi piga simu {HELP_LINE}\n00. Rudi\n99. Ondoka",
    ),
    (CURRENT, "invalid_choice", "en", f"CON Invalid menu option. For help,call {HELP_LINE}.\n00. Back\n99. Exit"),
    (CURRENT, "invalid_input", "en", "CON Invalid input. Nothing selected\n00. Back\n99. Exit"),
    (CURRENT, "invalid_request", "en", "END Invalid request."),
    (CURRENT, "invalid_request", "miji", "END. Tsagulo karisawa sawa"),
    (CURRENT, "exit", "sw", "END Asante kwa kutumia huduma"),
    (CURRENT, "exit", "miji", "END. Namvera kwa mahumizi ga ii huduma."),
    (CURRENT, "help", "miji", f"CON Kwa Kuavizwa piga simu  {HELP_LINE}\n00. Uya nyuma\n99. Ombola"),
    (CURRENT, "balance_pin", "luo", "CON  Kiyie to ket PIN mondo ine modong'\n0. Chien"),
    (
        CURRENT,
        "account_menu",
        "en",
        "CON My account\n1. My profile\n2. Change language\n3. Check balance\n4. Check statement\n5. PIN options\n0. Back",
    ),
    (CURRENT, "unknown_service_code", "sw", "Bonyeza *483*46# kutumia mtandao wa Sarafu"),
    (CURRENT, "unknown_service_code", "en", "Please dial *483*46# to access Sarafu Network"),
    (OF_2021, "language_menu", "sw", "CON Karibu Sarafu Network\n1. English\n2. Kiswahili\n3. Help"),
    (OF_2021, "language_menu", "en", "CON Welcome to Sarafu Network\n1. English\n2. Kiswahili\n3. Help"),
    (OF_2021, "start", "en", "CON Balance 1234.56 GFT\n1. Send\n2. My Account\n3. Help"),
    (OF_2021, "start", "sw", "CON Salio 1234.56 GFT\n1. Tuma\n2. Akaunti yangu\n3. Usaidizi"),
    (OF_2021, "invalid_choice", "en", f"CON Invalid menu option. For help, call {HELP_LINE}.\n00. Back\n99. Exit"),
    (
        OF_2021,
        "invalid_choice",
        "sw",
        f"CON Chaguo lako sio sahihi. Kwa usaidizi piga simu {HELP_LINE}\n00. Nyuma\n99. Ondoka",
    ),
    (
        OF_2021,
        "wrong_pin",
        "sw",
        "CON Nambari uliyoweka si sahihi, jaribu tena. Una majaribio 2 yaliyobaki.\n0. Back",
    ),
    (
        OF_2021,
        "invalid_input",
        "sw",
        "CON Chaguo lako halipatikani. Hakuna kilichochaguliwa.\n00. Nyuma\n99. Ondoka",
    ),
    (OF_2021, "invalid_request", "sw", "END Chaguo si sahihi."),
    (OF_2021, "exit", "sw", "END Asante kwa kutumia huduma."),
    (OF_2021, "balance_pin", "sw", "CON Tafadhali weka PIN yako kuona salio.\n0. Nyuma"),
    (OF_2021, "help", "en", f"CON For assistance call {HELP_LINE}\n00. Back\n99. Exit"),
    (OF_2021, "help", "sw", f"CON Kwa usaidizi piga simu {HELP_LINE}\n0. Nyuma\n9. Ondoka"),
]
TABLES = yaml.safe_load(Path(ussd_screens.__file__).with_name("ussd_screens.yaml").read_text("utf-8"))
SEVEN = ["en", "sw", "kam", "kik", "miji", "luo", "bor"]


@pytest.mark.parametrize(("dialect", "state", "language", "body"), RECORDED)
def test_recorded_screens_are_recognised(dialect: Dialect, state: str, language: str, body: str) -> None:
    screen = recognise(body, dialect)
    assert (screen.state, screen.language, screen.text) == (State(state), language, body)


def test_welcome_of_2021_is_not_welcome_of_today() -> None:
    """Both begin with the same eleven characters, and mean the opposite."""
    old, new = "CON Welcome to Sarafu Network\n1. English\n2. Kiswahili\n3. Help", RECORDED[1][3]
    assert old[:11] == new[:11]
    assert recognise(old, CURRENT).state is State.UNKNOWN
    assert recognise(new, OF_2021).state is State.UNKNOWN


@pytest.mark.parametrize(("dialect", "body"), [(dialect, body) for dialect, _, _, body in RECORDED])
def test_a_screen_with_other_text_around_it_is_not_known(dialect: Dialect, body: str) -> None:
    for other in (f"{body}\n5. More", f"\n{body}", f"CON {body}", body[4:], body[: len(body) // 2]):
        assert recognise(other, dialect).state is State.UNKNOWN


@pytest.mark.parametrize("dialect", list(Dialect))
def test_no_two_screens_of_one_dialect_have_the_same_text(dialect: Dialect) -> None:
    texts = [text for languages in TABLES[dialect].values() for text in languages.values()]
    assert len(texts) == len(set(texts))


@pytest.mark.parametrize("dialect", list(Dialect))
def test_every_screen_of_the_table_is_recognised_as_itself(dialect: Dialect) -> None:
    filled = {"<balance>": "12.5", "<symbol>": "GFT", "<phone>": HELP_LINE, "<attempts>": "1", "<code>": "*1#"}
    for state, languages in TABLES[dialect].items():
        for language, text in languages.items():
            for placeholder, value in filled.items():
                text = text.replace(placeholder, value)
            screen = recognise(text, dialect)
            assert (screen.state, screen.language) == (State(state), language)


def test_what_says_how_far_a_person_is_is_known_in_all_seven_languages() -> None:
    for state in ("account_creation", "pin_entry", "pin_confirmation", "start", "blocked", "invalid_choice"):
        assert list(TABLES["current"][state]) == SEVEN


@pytest.mark.parametrize("dialect", list(Dialect))
def test_every_menu_that_a_server_shows_is_recognised_in_its_language(dialect: Dialect) -> None:
    """The texts are what cic-ussd's own code showed; ``why`` stands there for a reason that it never gives."""
    path = Path(__file__).parent.parent / f"sandbox/ussd/walks-{dialect.value}.json"
    walks = json.loads(path.read_text("utf-8"))
    shown = [
        (name, language, walks["texts"][index])
        for kind in ("screens", "retries")
        for name, languages in walks[kind].items()
        for language, index in languages.items()
        if index is not None and not walks["texts"][index].startswith("CON why")
    ]
    assert len(shown) > 100
    found = [(name, language, recognise(text, dialect)) for name, language, text in shown]
    assert [
        (name, language) for name, language, screen in found if (screen.state, screen.language) == (State.UNKNOWN, None)
    ] == []
    assert [(name, language) for name, language, screen in found if screen.language != language] == []


@pytest.mark.parametrize(
    ("language", "body"),
    [
        ("sw", "CON Weka jina lako la mwisho\n0. Rudi"),
        ("luo", "CON Choose a number or symbol from your balances:\n1. GFT 1234.56\n0. Chien\n11. Nyime\n00. Wuok"),
        ("bor", "CON Makhaa karaa kor\n0.Dheebi"),
    ],
)
def test_other_menus_are_one_state(language: str, body: str) -> None:
    assert (recognise(body, CURRENT).state, recognise(body, CURRENT).language) == (State.MENU, language)


@pytest.mark.parametrize(
    ("state", "body"),
    [
        ("enter_transaction_recipient", "CON Weka nambari ya simu\n0. Rudi"),
        ("enter_transaction_amount", "CON Maximum: 1234.56 GFT\nEnter amount\n0. Back"),
        ("transaction_pin_authorization", "CON A will receive 5.0 GFT from B.\nPlease enter your PIN to confirm.\n0. Back"),
        ("exit_insufficient_balance", "CON Payment of 5.0 GFT to A has failed due to insufficient balance\nBalance: 1\n00. Back\n99. Exit"),  # noqa: E501
        ("exit_successful_transaction", "CON Ombi lako limetumwa. A atapokea 5.0 GFT kutoka kwa B\n00. Rudi\n99. Ondoka"),
        ("exit_invalid_recipient", "CON Mpokeaji wa nambari hapatikani au sio sahihi.\n00. Jaribu tena\n99. Ondoka"),
        ("account_statement_pin_authorization", "CON Please enter your PIN to view statement\n0. Back"),
        ("first_transaction_set", "CON Received 3.0 GFT From A B +2547 15/04/22, 11:20 AM\n0. Back\n11. Next\n00. Exit"),
        ("first_transaction_set", "CON Received 3.0 GFT From A B +2547 15/04/22, 11:20 AM\n22. Previous\n00. Exit"),
        ("first_transaction_set_empty", "CON No transaction history\n11. Next\n22. Previous\n00. Exit"),
    ],
)  # fmt: skip
def test_menus_of_payments_and_statements_are_states_of_their_own(state: str, body: str) -> None:
    assert recognise(body, CURRENT).state == state


@pytest.mark.parametrize("body", ["CON anything\n0. Back\n11. Next\n00. Exit", "CON what\n0. Back\n9. Exit"])
def test_any_text_with_the_end_of_a_menu_is_not_a_menu(body: str) -> None:
    assert recognise(body, CURRENT).state is State.UNKNOWN


def test_every_screen_of_2021_is_known_in_both_languages() -> None:
    assert {tuple(languages) for languages in TABLES["2021"].values()} == {("en", "sw")}


def test_the_kind_does_not_need_a_blank() -> None:
    ends = [recognise(text, CURRENT).goes_on for text in ("CON a", "END b", "END. c", "Bonyeza", "")]
    assert ends == [True, False, False, None, None]


def test_a_long_screen_is_cropped_in_messages() -> None:
    assert len(str(recognise("CON " + "x" * 5000, CURRENT))) < 150
