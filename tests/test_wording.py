"""Numbers and their nouns agree, in each message that has one."""

import ast
import re
from pathlib import Path

import pytest

import cicscenario
from cicscenario.engine.events import CheckFinished, CheckProgressed, RepairLooked, RunStarted, Waiting
from cicscenario.report.problems import where
from cicscenario.report.words import line_of
from cicscenario.wording import agreeing, counted, plural

NOUNS = r"errors|people|problems|runs|transactions|checks|tasks|workers|faults|others|things|files|keys"


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "person", "1 person"),
        (0, "person", "0 people"),
        (1234, "person", "1,234 people"),
        (2, "error", "2 errors"),
        (1, "entry", "1 entry"),
        (3, "entry", "3 entries"),
        (2, "bad record", "2 bad records"),
    ],
)
def test_a_noun_is_that_of_its_number(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said


def test_a_change_has_its_sign() -> None:
    assert [counted(n, "token", sign=True) for n in (1, -1, 78, -997)] == [
        "+1 token",
        "-1 token",
        "+78 tokens",
        "-997 tokens",
    ]


def test_a_verb_is_that_of_its_number() -> None:
    assert [agreeing(1, verb) for verb in ("are", "have", "wait", "do")] == ["is", "has", "waits", "does"]
    assert [agreeing(n, "are") for n in (0, 2)] == ["are", "are"]
    assert (plural(1, "module"), plural(3, "module")) == ("module", "modules")


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (CheckFinished("gas", 1, 30, "", "has 0"), "gas: 1 error of 30; first: has 0"),
        (CheckProgressed("gas", 1, 1, 1, 0.1), "check gas: 1 of 1 person asked about, 1 error"),
        (RepairLooked("gas", 1, 30), "looked at gas: 1 problem of 30"),
        (RunStarted("mine", "runs/mine", 1, {"gas": 0}), "mine: 1 person in runs/mine"),
        (Waiting("gas", "blocks", 1, 9.0), "gas: waits for blocks for 1 person, no news for 9.0 s"),
    ],
)
def test_one_is_told_as_one(event: object, said: str) -> None:
    assert line_of(event) == said


def test_two_are_not_all_two() -> None:
    assert where(2, "failing.csv") == "everybody who failed anything (2 people): failing.csv"


def test_no_message_writes_the_noun_of_a_number_by_itself() -> None:
    """``{number} people`` is wrong for one. Where several are certain, the text before says so (``all``, ``more than``)."""
    found, root = list[str](), Path(cicscenario.__file__).parent
    for path in root.rglob("*.py"):
        text = path.read_text("utf-8")
        if not re.search(rf"}} ({NOUNS})\b", text):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.JoinedStr):
                found += [
                    f"{path.relative_to(root)}:{node.lineno}: {after.value}"
                    for value, after in zip(node.values, node.values[1:], strict=False)
                    if isinstance(value, ast.FormattedValue)
                    and isinstance(after, ast.Constant)
                    and re.match(rf" ({NOUNS})\b", str(after.value))
                ]
    assert found == []
