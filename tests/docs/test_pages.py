"""The documentation is what the schemas and the code say, and its examples work."""

import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from cicscenario.checks import all_checks
from cicscenario.cli.rungroup import run_app
from cicscenario.cli.scenariogroup import scenario_app
from cicscenario.cli.stackgroup import stack_app
from cicscenario.cli.stategroup import state_app
from cicscenario.language import load_environment
from cicscenario.language.profiles import load_profile
from cicscenario.language.schema import keys
from cicscenario.plan.compile import ordered
from cicscenario.resources import load_schema
from cicscenario.review.pages import pages
from cicscenario.steps import all_steps
from cicscenario.vocabulary import load_scenarios
from tests.support.commands import cicscenario

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
BY_HAND = ("from-the-old-tools.md", "people.md", "recipes.md")
#: The page about the old tools speaks of all that they did.


def examples() -> list[tuple[str, str]]:
    return [
        (name, text)
        for name in BY_HAND
        for text in re.findall(r"^```yaml\n(.*?)^```$", (DOCS / name).read_text("utf-8"), re.DOTALL | re.MULTILINE)
    ]


@pytest.mark.parametrize("name", pages())
def test_generated_pages_are_what_would_be_generated_now(name: str) -> None:
    expected = pages()[name]
    assert (DOCS / name).read_text("utf-8") == expected, "run: python -m cicscenario.review.pages docs"


def test_they_are_written_by_one_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cicscenario.review.pages", str(tmp_path / "new")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(pages())


def test_nothing_is_left_out() -> None:
    found = pages()
    for page, names in {
        "language.md": keys(load_schema("scenario-v1")),
        "environment.md": keys(load_schema("environment-v1")),
        "profile.md": keys(load_schema("profile-v1")),
        "steps.md": [step.name for step in all_steps()],
        "checks.md": [check.name for check in all_checks()],
    }.items():
        headings = re.findall(r"^## `(.*)`$", found[page], re.MULTILINE)
        assert headings == list(names)


def test_every_command_is_on_the_page_of_commands() -> None:
    page = pages()["commands.md"]
    for app, prefix in ((run_app, ""), (scenario_app, ""), (stack_app, "stack "), (state_app, "state ")):
        for command in app.registered_commands:
            name = command.name or command.callback.__name__  # type: ignore[union-attr]
            name = name.removeprefix(f"{prefix.strip()}_")
            assert f"## `cicscenario {prefix}{name}`" in page


def test_the_picture_of_a_run_has_its_steps_in_order() -> None:
    root = ET.fromstring(pages()["concepts.svg"])
    rows = [group.attrib["id"] for group in root.iter("{http://www.w3.org/2000/svg}g")]
    assert rows[-1] == "checks"
    steps = [step.name for step in ordered(all_steps()) if step.name in rows]
    assert rows[:-1] == steps
    assert {"population", "gift", "pins", "ussd_data"} <= set(steps)


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"(?:\[`[^`]+`\]|\[[^`\]]+\])\(([^)]+)\)", re.sub(r"`\^.*\$`", "", page.read_text("utf-8"))):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9_ -]", "", h.lower()).replace(" ", "-") for h in headings}, link


@pytest.mark.parametrize(("page", "text"), examples(), ids=lambda value: str(value)[:40])
def test_examples_are_valid(page: str, text: str, tmp_path: Path) -> None:
    document = yaml.safe_load(text)
    path = tmp_path / "example.yaml"
    path.write_text(text)
    if "repos" in document:
        [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
        assert document["repos"][0]["hooks"] == [{"id": hook["id"]}]
    elif "measured" in document:
        assert load_profile(path).name == document["name"]
    elif "chain" in document:
        assert load_environment(path).name == document["name"]
    else:
        unknown = set(document) - set(load_schema("scenario-v1")["properties"])
        if unknown:
            pytest.skip(f"the language has no {', '.join(sorted(unknown))} yet")
        assert {one.name for one in load_scenarios(path)} == {document["name"]}


GROUPS = ("stack ", "state ")  #: commands with commands of their own


def commands() -> list[str]:
    text = "\n".join((DOCS / name).read_text("utf-8") for name in BY_HAND)
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    blocks = [block for kind, block in fenced if kind in ("", "sh")]
    lines = {line.partition("cicscenario ")[2] for block in blocks for line in block.splitlines()}
    return sorted({" ".join(line.split()[: 2 if line.startswith(GROUPS) else 1]) for line in lines if line})


@pytest.mark.parametrize("command", commands())
def test_commands_exist_with_the_options_that_are_named(command: str, tmp_path: Path) -> None:
    done = cicscenario(tmp_path, *command.split(), "--help")
    assert done.returncode == 0
    text = "\n".join((DOCS / name).read_text("utf-8") for name in BY_HAND)
    for line in re.findall(rf"^.*cicscenario {command} .*$", text, re.MULTILINE):
        if line.startswith(("cicscenario", "SIGNER")):
            for option in (word for word in shlex.split(line) if word.startswith("--")):
                assert option in done.stdout, line


def test_every_key_and_check_of_the_page_about_the_old_tools_exists() -> None:
    text = (DOCS / "from-the-old-tools.md").read_text("utf-8")
    rows = [line.split(" | ")[1] for line in text.splitlines() if line.startswith("| ") and " | " in line]
    named = {name for row in rows for name in re.findall(r"`([a-z_.]+)[:`]", row)}
    known = {*keys(load_schema("scenario-v1")), *load_schema("environment-v1")["properties"]}
    known |= {check.name for check in all_checks()} | {step.name for step in all_steps()}
    assert named - known <= {"verify"}
    assert {check.name for check in all_checks()} <= named | {"gas", "traffic", "statement"}
