"""``cicscenario new``: whatever is answered, the file is valid, commented, and means what was said."""

import json
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cicscenario.cli.new import new
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import DiagnosticsError
from cicscenario.language.schema import keys
from cicscenario.resources import load_schema
from cicscenario.vocabulary import load_scenario, scenario_schema
from tests.support.commands import cicscenario, command_environment, command_line


def written(path: Path, *answers: str, ask: Callable[[str, str], str] | None = None) -> Path:
    assert new(path, name=None, answers=answers, ask=ask) is ExitCode.OK
    return path


def test_it_writes_a_valid_scenario_for_editors(tmp_path: Path) -> None:
    path = written(tmp_path / "My first.yaml", "population.size=50")
    assert path.read_text().startswith("# yaml-language-server: $schema=")
    scenario = load_scenario(path)
    assert (scenario.name, scenario.population.size, scenario.gift.threshold) == ("my-first", 50, 200)
    assert scenario.description == "50 people join and get a gift."
    assert scenario.environment == "sandbox"


def test_every_key_is_there_or_shown_as_a_comment_with_what_it_is_for(tmp_path: Path) -> None:
    text = written(tmp_path / "a.yaml").read_text()
    assert "  size: 100 # Number of people\n" in text
    assert "  #  How gifts are paid: `transfer` from the signer's balance, `mint` new tokens" in text
    assert "  # method: transfer\n" in text
    assert "# faucet: true # Whether the token faucet is triggered for each person\n" in text
    assert "  #  `eth`: each person has a key of their own, which the run holds. `cic_eth`: the custodial" in text
    assert "  kind: eth\n" in text
    assert "…" not in text


def test_a_comment_taken_away_leaves_a_valid_scenario(tmp_path: Path) -> None:
    lines = written(tmp_path / "a.yaml").read_text().splitlines()
    shown = [n for n, line in enumerate(lines) if re.match(r" *# [a-z_]+: ", line) and n > 1]
    assert len(shown) > 8
    for number in shown:
        path = tmp_path / f"{number}.yaml"
        path.write_text("\n".join([*lines[:number], lines[number].replace("# ", "", 1), *lines[number + 1 :]]))
        load_scenario(path)


#: A scenario of accounts that are there already says where they are, and gives nothing; no flag alone makes one.
KINDS = [kind for kind in keys(load_schema("scenario-v1"))["backend.kind"]["enum"] if kind != "existing"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_backend_can_be_begun_with(tmp_path: Path, kind: str) -> None:
    assert load_scenario(written(tmp_path / "a.yaml", f"backend.kind={kind}")).backend.traits.kind == kind


def test_answers_are_yaml_and_reach_any_key(tmp_path: Path) -> None:
    path = written(tmp_path / "a.yaml", "gift.method=mint", "population.languages={sw: 1}", "description=x")
    scenario = load_scenario(path)
    assert (scenario.gift.method, scenario.population.languages, scenario.description) == ("mint", (("sw", 1),), "x")


def test_what_is_not_given_is_asked_with_a_default(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def ask(question: str, default: str) -> str:
        asked.append((question, default))
        return "no" if "faucet" in question else default

    scenario = load_scenario(written(tmp_path / "a.yaml", "population.size=7", ask=ask))
    questions = [question for question, _ in asked]
    assert not any(question.startswith("How many people") for question in questions)
    assert ("Do they also get what the token's faucet gives? (yes | no)", "yes") in asked
    assert any(question.startswith("How many tokens") and default == "200" for question, default in asked)
    assert (scenario.population.size, scenario.faucet) == (7, False)


def test_an_answer_that_is_not_valid_is_said_and_asked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = iter(["many", "0", "12"])

    def ask(question: str, default: str) -> str:
        return next(replies) if question.startswith("How many people") else default

    assert load_scenario(written(tmp_path / "a.yaml", ask=ask)).population.size == 12
    out = capsys.readouterr().out
    assert "`many` was not understood: a whole number of people\npossible: a number, such as 100\n" in out
    assert "`0` is not possible: at least 1\n" in out
    assert "-->" not in out
    assert "--set" not in out


def test_each_answer_is_explained_and_what_was_understood_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = {"How many people": "12", "How do they get": "cic_ussd", "What is written": "[person, phone]"}

    def ask(question: str, default: str) -> str:
        return next((reply for start, reply in replies.items() if question.startswith(start)), default)

    written(tmp_path / "a.yaml", ask=ask)
    out = capsys.readouterr().out
    for kind in keys(load_schema("scenario-v1"))["backend.kind"]["enum"]:
        assert re.search(rf"^  {kind} +\w+", out, re.MULTILINE), kind
    understood = out.partition("this is what was understood:\n")[2]
    assert "people        12 of Kenya (KE)\n" in understood
    assert "accounts      cic_ussd: people join by phone" in understood
    assert "metadata      person, phone\n" in understood
    assert "balance" in understood


def test_nothing_is_written_when_it_was_not_understood(tmp_path: Path) -> None:
    def ask(question: str, default: str) -> str:
        return "no" if question.startswith("Write ") else default

    assert new(tmp_path / "a.yaml", name=None, answers=[], ask=ask) is ExitCode.INTERRUPTED
    assert list(tmp_path.iterdir()) == []


def test_the_schema_that_it_names_is_found_on_every_machine(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "scenarios" / "north").mkdir(parents=True)
    first = written(tmp_path / "a.yaml")
    second = written(tmp_path / "scenarios" / "north" / "b.yaml")
    named = {}
    for path in (first, second):
        named[path.name] = path.read_text().splitlines()[0].partition("$schema=")[2]
        found = path.parent / named[path.name]
        assert json.loads(found.read_text()) == scenario_schema()
    assert named == {"a.yaml": "schemas/scenario-v1.json", "b.yaml": "../../schemas/scenario-v1.json"}
    moved = tmp_path.rename(tmp_path.with_name("elsewhere"))
    assert (moved / "scenarios" / "north" / named["b.yaml"]).is_file()


def test_the_schemas_are_at_the_top_of_a_checkout_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    first = written(Path("scenarios", "a.yaml"))
    assert first.read_text().startswith("# yaml-language-server: $schema=../schemas/scenario-v1.json\n")
    assert capsys.readouterr().out.startswith("schemas is new: ")
    written(Path("scenarios", "b.yaml"))
    assert "schemas" not in capsys.readouterr().out


def test_what_it_makes_is_for_all_to_read_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        path = written(tmp_path / "new" / "scenarios" / "a.yaml")
    finally:
        os.umask(before)
    folders = [tmp_path / "new", path.parent, path.parent / "schemas"]
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o755] * 3
    files = [path, *(path.parent / "schemas").iterdir()]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o644}


def test_it_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("mine")
    with pytest.raises(InvalidError, match="exists already"):
        new(path, name=None, answers=[])
    assert path.read_text() == "mine"


def test_nothing_is_left_of_a_name_that_is_not_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidError):
        new(tmp_path / "a.yaml", name="No Name", answers=[])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        (["a.yaml", "--name", "Bad Name"], "`Bad Name` is not a value for `name`\n --> a.yaml\n", "`--name` gives it"),
        (["ÄÖ.yaml"], "`` is not a value for `name`\n --> ÄÖ.yaml\n", "`--name` gives it another"),
        (
            ["a.yaml", "--backend", "existing"],
            "a gift with the backend `existing`, which sends nothing",
            "set `gift.thr",
        ),
    ],
)
def test_an_error_is_about_what_was_given_and_not_about_a_file_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str, hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cicscenario(tmp_path, "new", *arguments)
    assert done.returncode == 2
    assert f": {said}" in done.stderr
    assert f"= hint: {hint}" in done.stderr
    assert f" --> {arguments[0]}\n" in done.stderr
    assert "cicscenario-new" not in done.stderr


def test_a_wrong_flag_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticsError, match="did you mean `size`"):
        new(tmp_path / "a.yaml", name=None, answers=["population.sise=3"])
    done = cicscenario(tmp_path, "new", str(tmp_path / "a.yaml"), "--backend", "etth", "--yes")
    assert done.returncode == 2
    assert "did you mean `eth`?" in done.stderr
    assert not (tmp_path / "a.yaml").exists()


def test_without_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    done = cicscenario(tmp_path, "new", str(tmp_path / "a.yaml"), "--size", "5", "--gift", "0", "--set", "faucet=false")
    assert done.returncode == 0, done.stderr
    scenario = load_scenario(tmp_path / "a.yaml")
    assert (scenario.population.size, scenario.gift.threshold, scenario.faucet) == (5, 0, False)


def test_flags_reach_metadata_and_what_belongs_to_a_backend(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    flags = (
        "--backend",
        "cic_ussd",
        "--metadata",
        "person,custom",
        "--metadata",
        "phone",
        "--set",
        "pins={scheme: fernet}",
        "--yes",
    )
    done = cicscenario(tmp_path, "new", str(path), *flags)
    assert done.returncode == 0, done.stderr
    scenario = load_scenario(path)
    assert (scenario.backend.traits.kind, scenario.metadata) == ("cic_ussd", ("person", "custom", "phone"))
    assert scenario.pins
    assert scenario.pins.scheme == "fernet"


def test_only_what_a_backend_can_have_is_asked(tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(question: str, default: str) -> str:
        asked.append(question)
        return default

    written(tmp_path / "a.yaml", "backend.kind=eth", ask=ask)
    assert not any("PINs" in question for question in asked)
    written(tmp_path / "b.yaml", "backend.kind=cic_ussd", ask=ask)
    assert any("PINs" in question for question in asked)


def test_on_a_terminal_it_asks(tmp_path: Path) -> None:
    """In a real pseudo-terminal: the first answer is typed, the others are the defaults."""
    path = tmp_path / "a.yaml"
    terminal, other = pty.openpty()
    process = subprocess.Popen(
        command_line("new", str(path)), env=command_environment(tmp_path), stdin=other, stdout=other, stderr=other
    )
    os.close(other)
    shown, deadline, replies = "", time.monotonic() + 60, iter(["33\n"])
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 5)[0]:
            continue
        try:
            data = os.read(terminal, 4096)
        except OSError:  # the other end has closed
            break
        if not data:
            break
        shown += data.decode()
        if shown.rstrip(" ").endswith("]:"):
            os.write(terminal, next(replies, "\n").encode())
            shown += "\n"
    os.close(terminal)
    assert process.wait(30) == 0, shown
    assert "How many people" in shown
    assert load_scenario(path).population.size == 33
