"""Answers in people's words: what is clear is understood, and what is not is asked again with what is possible."""

import re
from pathlib import Path

import pytest

from cicscenario.cli.new import new
from cicscenario.cli.newquestions import Ask, Question, questions
from cicscenario.cli.newwords import UnclearError, read
from cicscenario.errors import ExitCode
from cicscenario.language.schema import keys
from cicscenario.vocabulary import load_scenario, scenario_schema

SCHEMAS = keys(scenario_schema())
QUESTIONS = {question.key: question for question in questions()}
KINDS = ["person", "phone", "preferences", "custom"]


@pytest.mark.parametrize(
    ("key", "answer", "value"),
    [
        ("population.size", "about 30 people", 30),
        ("population.size", "1k", 1000),
        ("population.size", "1,000", 1000),
        ("population.size", "2 dozen", 24),
        ("population.size", "about twenty", 20),
        ("population.size", "a hundred people", 100),
        ("population.region", "Kenya", "KE"),
        ("population.region", "in Tanzania", "TZ"),
        ("population.region", "south africa", "ZA"),
        ("population.region", "Nigeria", "NG"),
        ("population.region", "Niger", "NE"),
        ("population.region", "Kenia", "KE"),
        ("population.region", "+256", "UG"),
        ("population.region", "NO", "NO"),
        ("backend.kind", "by phone", "cic_ussd"),
        ("backend.kind", "USSD", "cic_ussd"),
        ("backend.kind", "a key of their own", "eth"),
        ("backend.kind", "cic-eth", "cic_eth"),
        ("backend.kind", "they have accounts already", "existing"),
        ("gift.threshold", "50 tokens", 50),
        ("gift.threshold", "50 GFT each", 50),
        ("gift.threshold", "none", 0),
        ("faucet", "yes", True),
        ("faucet", "No.", False),
        ("gas", "2 gwei", 2 * 10**9),
        ("gas", "nothing", 0),
        ("metadata", "person, phone, preferences, custom", KINDS),
        ("metadata", "person phone", ["person", "phone"]),
        ("metadata", "phone and the tags", ["phone", "custom"]),
        ("metadata", "all", KINDS),
        ("metadata", "everything except the phone", ["person", "preferences", "custom"]),
        ("metadata", "none", []),
        ("metadata", "[person]", ["person"]),
        ("pins", "bcrypt", {"scheme": "bcrypt"}),
        ("pins", "yes", {"scheme": "bcrypt"}),
        ("pins", "Fernet", {"scheme": "fernet"}),
        ("pins", "no", None),
        ("pins", "{scheme: fernet}", {"scheme": "fernet"}),
        ("checks.include", "balance and gas", ["balance", "gas"]),
        ("checks.include", "blance", ["balance"]),
        ("checks.include", "all", None),
    ],
)
def test_what_is_clear_is_understood(key: str, answer: str, value: object) -> None:
    assert read(QUESTIONS[key], SCHEMAS[key], answer) == value


@pytest.mark.parametrize(
    ("key", "answer", "why"),
    [
        ("population.size", "many", "not understood"),
        ("population.size", "2 min", "not understood"),
        ("population.size", "a few people", "not understood"),
        ("population.size", "a hundred and fifty", "not understood"),
        ("population.size", "1,5", "not understood"),
        ("population.region", "no", "not understood"),
        ("population.region", "Kenya or Uganda", "not understood"),
        ("population.region", "the Congo", "not understood"),
        ("backend.kind", "custodial", "may be cic_eth or cic_ussd"),
        ("backend.kind", "not by phone", "none of them"),
        ("backend.kind", "by the", "none of them"),
        ("gift.threshold", "10 MiB", "not understood"),
        ("metadata", "yes", "does not say which"),
        ("metadata", "person, fingerprints", "`fingerprints` is none of them"),
        ("checks.include", "[]", "without checks nothing shows"),
        ("checks.include", "none", "without checks nothing shows"),
    ],
)
def test_what_is_not_clear_is_not_guessed(key: str, answer: str, why: str) -> None:
    with pytest.raises(UnclearError, match=why):
        read(QUESTIONS[key], SCHEMAS[key], answer)


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=list(QUESTIONS))
def test_no_name_runs_into_what_is_said_of_it(question: Question) -> None:
    for line, (name, said) in zip(question.lines(), question.explained, strict=True):
        assert re.fullmatch(rf"  {name} {{2,}}{re.escape(said)}", line)
    assert len({line.index(said) for line, (_, said) in zip(question.lines(), question.explained, strict=True)}) <= 1


def answering(replies: dict[str, list[str]]) -> Ask:
    """Answers questions that begin so with these, one after the other, and all others with the default."""

    def ask(question: str, default: str) -> str:
        given = next((answers for start, answers in replies.items() if question.startswith(start)), [])
        return given.pop(0) if given else default

    return ask


def test_a_talk_in_words_is_a_scenario_and_shown_before_it_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = {
        "How many people": ["about 30 people"],
        "Of which country": ["Uganda"],
        "How do they get": ["custodial", "by phone"],
        "How many tokens": ["1,5", "50 tokens"],
        "What is written": ["all but the tags"],
        "Do they get PINs": ["yes"],
        "Which checks": ["none", "all that apply"],
        "Write ": ["perhaps", "yes please"],
    }
    path = tmp_path / "a.yaml"
    assert new(path, name=None, answers=[], ask=answering(replies)) is ExitCode.OK
    scenario = load_scenario(path)
    assert (scenario.population.size, scenario.population.region, scenario.gift.threshold) == (30, "UG", 50)
    assert (scenario.backend.traits.kind, scenario.metadata) == ("cic_ussd", ("person", "phone", "preferences"))
    assert scenario.pins
    assert scenario.pins.scheme == "bcrypt"
    assert scenario.checks.include is None
    out = capsys.readouterr().out
    assert not any(replies.values())
    assert "--set" not in out
    assert "`custodial` may be cic_eth or cic_ussd\npossible: eth | cic_eth | cic_ussd | existing\n" in out
    assert "a whole number of tokens; only whole numbers are possible: 1 or 2\n" in out
    shown = out.partition("this is what was understood:\n")[2]
    assert "  people        30 of Uganda (UG)\n" in shown
    assert "  PINs          bcrypt\n" in shown
    assert "  metadata      person, phone, preferences\n" in shown


def test_an_answer_that_contradicts_another_says_why_without_an_option_that_nobody_gave(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = {"How do they get": ["existing", "eth"]}
    new(tmp_path / "a.yaml", name=None, answers=[], ask=answering(replies))
    out = capsys.readouterr().out
    assert "`existing` is not possible: " in out
    assert "--set" not in out
