"""Values are read as spreadsheets write them, and what is wrong with one is told without the value."""

import pytest

from cicscenario.errors import InvalidError
from cicscenario.legacy.tablecells import MOST_TOKENS, Cells, read_cells, whole_tokens

PHONE = "+254711000001"


def cells(separator: str = ",", **values: str) -> Cells:
    return read_cells({"phone": PHONE} | values, region="KE", language="sw", separator=separator)


def problem(separator: str = ",", **values: str) -> str:
    with pytest.raises(InvalidError) as caught:
        cells(separator, **values)
    return caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "254711000001", "0711000001", "0711 000 001", "+254 (0)711 000-001", "00254711000001", "'+254711000001",
        '="+254711000001"', "254711000001.0", "254,711,000,001", "tel:+254-711-000-001", "\u202a+254711000001",
    ],
)  # fmt: skip
def test_one_phone_number_in_many_notations(text: str) -> None:
    assert cells(phone=text).phone == PHONE


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("2.54711E+11", "was rounded by a spreadsheet"),
        ("2,54711E+11", "was rounded by a spreadsheet"),
        ("0711000001 / 0711000002", "is not a phone number"),
        ("call Amina", "is not a phone number"),
        ("1234", "is not a phone number: expected one such as +254711000001, or as it is dialled in KE"),
    ],
)
def test_what_is_no_phone_number(text: str, what: str) -> None:
    assert problem(phone=text).startswith(f"`phone` {what}")


@pytest.mark.parametrize(
    ("separator", "text", "tokens"),
    [
        (",", "0", 0), (",", "1200", 1200), (",", "1,200", 1200), (",", "1,200,000", 1_200_000), (",", "1,200.00", 1200),
        (",", "1200.0", 1200), (",", "0.000", 0), (",", "1'200", 1200), (",", "1\u00a0200", 1200), (",", "'5", 5),
        (";", "1.200,00", 1200), (";", "1.200.000", 1_200_000), (";", "1 200", 1200), (";", "1200,00", 1200),
        ("\t", "1,200,000", 1_200_000), (",", str(MOST_TOKENS), MOST_TOKENS),
    ],
)  # fmt: skip
def test_amounts_with_thousands_separators(separator: str, text: str, tokens: int) -> None:
    assert cells(separator, balance=text).gift == tokens == whole_tokens(text, separator)


@pytest.mark.parametrize(
    ("separator", "text", "what"),
    [
        (",", "12.5", "is not a whole number of tokens"),
        (";", "12,50", "is not a whole number of tokens"),
        (",", "1.200", "can be read in two ways"),
        (";", "1.200", "can be read in two ways"),
        (";", "1,200", "can be read in two ways"),
        ("\t", "1,200", "can be read in two ways"),
        (",", "-5", "is negative"),
        (",", "1.2E+07", "was rounded by a spreadsheet"),
        (",", "5 GFT", "is not a number of whole tokens"),
        (",", "12,34", "is not a whole number of tokens"),
        (",", "1,20,000", "is not a number of whole tokens"),
        (",", "1,200.000,00", "is not a number of whole tokens"),
        (",", "\u0661\u0662", "is not a number of whole tokens"),
        (",", str(MOST_TOKENS + 1), "is larger than"),
        (",", "1" * 5000, "is larger than"),
    ],
)
def test_an_amount_that_is_not_sure_is_refused(separator: str, text: str, what: str) -> None:
    assert problem(separator, balance=text).startswith(f"`balance` {what}")


def test_an_amount_of_nothing_is_nothing() -> None:
    assert cells(balance="").gift == 0


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Amina Wanjiru", ("Amina", "Wanjiru")), ("Grace Achieng Odhiambo", ("Grace Achieng", "Odhiambo")),
        ("Otieno, John", ("John", "Otieno")), ("Juma", ("Juma", "")), ("", ("", "")), ("A\r\nB", ("A", "B")),
    ],
)  # fmt: skip
def test_names(text: str, name: tuple[str, str]) -> None:
    found = cells(name=text)
    assert (found.given, found.family) == name


def test_the_other_values() -> None:
    found = cells(gender="F", place=" Upper\n Hill ", language="SW", tags="a; b,c | a", account="0x" + "Ab" * 20)
    assert (found.gender, found.place, found.language) == ("female", "Upper Hill", "sw")
    assert (found.tags, found.account) == (("a", "b", "c"), b"\xab" * 20)


def test_what_is_not_known() -> None:
    found = cells(gender="", place="", language="", tags="", pin="", account="")
    assert found == cells() == Cells(PHONE, language="sw")


@pytest.mark.parametrize("text", ["0042", "'0042", '="0042"'])
def test_a_pin_of_four_digits(text: str) -> None:
    found = cells(pin=text)
    assert found.pin == "0042"
    assert "0042" not in repr(found)


def test_all_that_is_wrong_in_a_row_is_told_and_no_value() -> None:
    told = problem(phone="9911x", gender="9912", language="9913", balance="-9914", pin="9915x", account="9916")
    assert told.split("; ") == [
        "`phone` is not a phone number: expected one such as +254711000001, or as it is dialled in KE",
        "`gender` is not female, male or other",
        "`language` is not a code, such as sw",
        "`balance` is negative",
        "`pin` is not four digits",
        "`account` is not an address: 40 hexadecimal digits",
    ]
    assert "99" not in told


def test_a_pin_that_lost_its_zeros_says_why() -> None:
    assert (
        problem(pin="42") == "`pin` is not four digits: zeros at its beginning may be lost; format the column as text"
    )
