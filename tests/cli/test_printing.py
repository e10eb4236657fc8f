"""Files come from other people's merge requests: neither their names nor what is in them is obeyed by the reader's terminal."""

import json
import unicodedata
from pathlib import Path

import pytest

from tests.support.commands import cicscenario
from tests.support.recordings import bad, run_directory

pytestmark = pytest.mark.slow

NASTY = "a\x1b[2J\x9b\u202eb\nerror: all is well"
SCENARIO = 'version: 1\nname: a\ndescription: "\\e]0;owned\\a \\x9b2J \\u202e"\npopulation: {size: 5, seed: 1}\n'


def unsafe(text: str) -> list[str]:
    return [c for c in text if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scenario, a changed one, a broken one and an environment, all with such names, and the report of a run."""
    folder = tmp_path / f"f{NASTY}"
    folder.mkdir()
    (folder / f"{NASTY}.yaml").write_text(SCENARIO)
    (folder / f"{NASTY}2.yaml").write_text(SCENARIO.replace("size: 5", "size: 6").replace("owned", "yours"))
    (folder / f"{NASTY}3.yaml").write_text(SCENARIO + f"{json.dumps(NASTY)}: 1\ngift: {json.dumps(NASTY)}\n")
    (folder / f"{NASTY}4.yaml").write_text("version: 1\nname: e\nspec: 'evm:byzantium:8996:\u202ebloxberg'\n")
    run_directory(folder / "run", bad() | {"error": NASTY})
    return folder


COMMANDS = [
    ["validate", "."],
    ["validate", ".", "--format", "github"],
    ["validate", ".", "--format", "sarif"],
    ["config", "1"],
    ["config", "4"],
    ["diff", "1", "2"],
    ["diff", "1", "2", "--format", "markdown"],
    ["plan", "1"],
    ["status", "1"],
    ["run", "1"],
    ["run", "no such file\x1b[2J\nerror: all is well"],
    ["explain", NASTY],
    ["report", "1", "--dir", "run"],
    ["report", "1", "--dir", "run", "--format", "markdown"],
    ["export", "1", NASTY],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda words: " ".join(words).replace("\x1b", "").replace("\n", ""))
def test_no_command_passes_on_what_a_terminal_obeys(folder: Path, tmp_path: Path, arguments: list[str]) -> None:
    places = {".": folder, "run": folder / "run", "1": folder / f"{NASTY}.yaml"}
    places |= {number: folder / f"{NASTY}{number}.yaml" for number in "234"}
    done = cicscenario(tmp_path / "home", *(str(places.get(word, word)) for word in arguments))
    assert done.stdout or done.stderr
    assert "Traceback" not in done.stderr
    assert not unsafe(done.stdout + done.stderr)
    faked = [line for line in done.stdout.splitlines() if line.startswith("error: all is well")]
    assert not faked
