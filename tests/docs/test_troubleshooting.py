"""Each message on the page about troubles is one that the code can say."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from cicscenario.cli.explainnames import PAGES, names
from cicscenario.errors import ExitCode
from cicscenario.wording import plural

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
MESSAGES = re.findall(r"^> `(.+)`$", PAGE, re.MULTILINE)
HOLE = "\0"


@cache
def said() -> list[str]:
    """Every text in the code, with a hole for each value that is put in."""
    return [text for path in sorted((ROOT / "cicscenario").rglob("*.py")) for text in texts(path.read_text("utf-8"))]


def texts(code: str) -> list[str]:
    """Without documentation strings, which nobody is told."""
    found = []
    tree = ast.parse(code)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in told:
            continue
        if isinstance(node, ast.JoinedStr):
            found.append("".join(map(shown, node.values)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found


def shown(part: ast.expr) -> str:
    """A part of a text; a number with its noun, and its verb, are those of several."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    match part:
        case ast.FormattedValue(value=ast.Call(func=ast.Name(id="counted"), args=[_, ast.Constant(value=str(noun))])):
            return f"{HOLE} {plural(2, noun)}"
        case ast.FormattedValue(value=ast.Call(func=ast.Name(id="agreeing"), args=[_, ast.Constant(value=str(verb))])):
            return verb
    return HOLE


def can_be_said(message: str, among: list[str]) -> bool:
    """Whether a text has all that the message has, in its order; ``…`` is any text, with values in it or not."""
    pattern = re.compile(".*".join(re.escape(part) for part in re.split(r"\s*…\s*", message)), re.DOTALL)
    return any(pattern.search(text) for text in among)


@pytest.mark.parametrize("message", MESSAGES)
def test_the_code_says_it(message: str) -> None:
    assert len(max(re.split("…", message), key=len)) >= 10, "too little to find it by"
    assert can_be_said(message, said())


def test_a_message_that_nobody_says_is_noticed() -> None:
    code = 'x = f"{a} of {b} checks found errors" f"; first, {c}"\ny = "nothing" " was changed"'
    assert can_be_said("… of … checks found errors; first, …", texts(code))
    assert can_be_said("nothing was changed", texts(code))
    assert not can_be_said("… of … checks found mistakes", texts(code))
    assert not can_be_said("first, … of …", texts(code))
    assert not can_be_said("the purser has forgotten the ship", said())


def test_every_exit_code_but_success_and_interruption_has_a_part() -> None:
    parts = {int(code) for code in re.findall(r"^## Exit code (\d+)", PAGE, re.MULTILINE)}
    assert parts == {code.value for code in ExitCode} - {ExitCode.OK, ExitCode.INTERRUPTED}


def test_no_message_names_a_page_by_a_path_that_an_installation_does_not_have() -> None:
    """The pages that messages name are installed with the package, and ``explain`` prints them."""
    told = [text for text in said() if re.search(r"\bdocs/[\w-]+\.md", text)]
    assert told == []
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    for page in PAGES:
        assert wheel["force-include"][f"docs/{page}.md"] == f"cicscenario/docs/{page}.md"
        assert names()[page][0]() == (ROOT / "docs" / f"{page}.md").read_text("utf-8").strip()
