"""The command that goes on is always the whole one, from one place, and shows no secret."""

import ast
import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import cicscenario
from cicscenario.api.naming import about
from cicscenario.cli.commandline import as_given, shown
from cicscenario.engine.identity import claim, recall_named
from cicscenario.invocation import _TAKES, UNKNOWN, going_on
from cicscenario.plan.compile import compile_plan
from cicscenario.state.store import Store
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written

COMMANDS = (
    *_TAKES, "runs", "compare", "validate", "diff", "new", "fmt", "schema", "explain", "config", "export", "profile", "stack",
    "state", "worker",
)  # fmt: skip
#: A command as a whole, as a part in backticks, or as options of `run` that a sentence asks for.
BY_HAND = re.compile(
    rf"cicscenario ({'|'.join(COMMANDS)})\b|`({'|'.join(COMMANDS)})( [^`]*)?`|\b(run|call|again|begin) with --"
)
PAGES = ("review/pages.py",)  #: what these write is documentation
#: Commands that are whole as they are: they are about no run, and take no option that would lead elsewhere.
WHOLE = (
    "cicscenario explain", "cicscenario new FILE", "cicscenario runs", "cicscenario validate ", "cicscenario stack up",
    "cicscenario stack down", "cicscenario stack dial ", "cicscenario stack faults set ", "a name that `runs` lists", " in `new`",
    "cicscenario stack save NAME", "cicscenario stack list", "see `stack save`", "see `stack restore`",
)  # fmt: skip
PACKAGE = Path(cicscenario.__file__).parent
KEY = "4f" * 32


@pytest.mark.parametrize("name", ["run", "verify", "repair"])
def test_a_command_is_about_the_same_run_in_the_same_place(name: str) -> None:
    sets = ["gift={threshold: 3}", "population.size=5"]
    about(Path("a b.yaml"), sets, env="e.yaml", directory=Path("runs/x"), node="anvil", contracts="latest", pace="real")
    assert shlex.split(going_on(name)) == [
        "cicscenario", name, "a b.yaml", "--env", "e.yaml", "--dir", "runs/x", "--node", "anvil", "--contracts", "latest",
        "--pace", "real", "--set", sets[0], "--set", sets[1],
    ]  # fmt: skip


def test_a_command_has_only_the_options_that_it_takes() -> None:
    about(Path("a.yaml"), ["x.y=1"], env="e.yaml", directory=Path("d"), node="anvil")
    assert going_on("status") == "cicscenario status a.yaml --dir d --set x.y=1"
    assert going_on("state repair") == "cicscenario state repair a.yaml --env e.yaml --dir d --set x.y=1"
    assert going_on("show", "--pins") == "cicscenario show a.yaml --env e.yaml --dir d --set x.y=1 --pins"


def test_every_command_takes_the_options_that_are_given_to_it() -> None:
    from typer.main import get_command

    from cicscenario.cli.app import app

    for name, options in _TAKES.items():
        command = get_command(app)
        for word in name.split():
            command = command.commands[word]  # type: ignore[attr-defined]
        assert {f"--{option}" for option in options} <= {opt for one in command.params for opt in one.opts}, name


def test_a_process_that_names_no_run_says_what_it_knows() -> None:
    assert going_on("run", scenario=Path("b.yaml")) == "cicscenario run b.yaml"
    assert going_on("verify") == "cicscenario verify SCENARIO"


@pytest.mark.parametrize(
    ("override", "rest"),
    [
        ("backend.keystore.password=hunter2-tree", "backend.keystore.password=***"),
        ("backend={keystore: {kdf: light, password: hunter2-tree}}", "backend={keystore: {kdf: light, password: ***"),
        (f"vars.signer={KEY}", "vars.signer=***"),
        (f"vars.whose=0x{KEY}", "vars.whose=***"),
        ("population.from=https://me:hunter2-tree@host/people", "population.from=https://***@host/people"),
        ("backend.keystore.password=file:words.txt", "backend.keystore.password=file:words.txt"),
        ("population.size=50", "population.size=50"),
    ],
)
def test_no_secret_of_an_override_is_shown(monkeypatch: pytest.MonkeyPatch, override: str, rest: str) -> None:
    about(Path("a.yaml"), [override])
    assert shlex.split(going_on("repair"))[-1] == rest
    for words in (["--set", override], [f"--set={override}"]):
        monkeypatch.setattr(sys, "argv", ["cicscenario", "run", "a.yaml", *words])
        assert rest in " ".join(shlex.split(as_given()))
        assert not {"hunter2", KEY} & set(as_given().replace("-tree", " ").replace("=", " ").split())
    assert shown(["--env", "password: x/e.yaml"]) == ["--env", "password: x/e.yaml"], "a path stays what it is"


def test_what_resumes_does_not_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["cicscenario", "run", "a.yaml", "--fresh", "--yes", "--until", "gift"])
    assert as_given() == "cicscenario run a.yaml --until gift"
    monkeypatch.setattr(sys, "argv", ["cicscenario", "repair", "a.yaml", "--yes"])
    assert as_given() == "cicscenario repair a.yaml --yes"


# --- what the run was given ---------------------------------------------------------------------------------------


def claimed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A state in ``folder`` that was claimed by a run with options."""
    monkeypatch.chdir(folder)
    store = Store(folder / "state.sqlite")
    plan = compile_plan(load_scenario(written(folder, backend="eth", checks="{include: [keystore]}")))
    monkeypatch.setattr("cicscenario.engine.identity._place", lambda plan, services: {})
    monkeypatch.setattr("cicscenario.engine.identity.said_by_chain", lambda session: {})
    monkeypatch.setattr("cicscenario.engine.identity._time", lambda services: 0)
    about(Path("a.yaml"), ["x.y=1"], env="envs/e.yaml", directory=Path("d"), node="anvil")
    claim(store, plan, SimpleNamespace(chain=SimpleNamespace(next_nonce=lambda: 0, height=0)))  # type: ignore[arg-type]
    return store


def test_a_command_that_does_not_take_the_options_of_the_run_shows_them(tmp_path, monkeypatch) -> None:
    store = claimed(tmp_path, monkeypatch)
    about(Path("a.yaml"), [], directory=Path("d"), recalls=True)
    recall_named(store.meta())
    assert going_on("run") == "cicscenario run a.yaml --env envs/e.yaml --dir d --node anvil --set x.y=1"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    about(Path("../a.yaml"), [], directory=Path("../d"), recalls=True)
    recall_named(store.meta())
    assert f"--env {tmp_path}/envs/e.yaml" in going_on("run"), "it works from the folder that it is shown in"
    about(Path(UNKNOWN), [], directory=Path("../d"), recalls=True)  # a command that is given the run directory
    recall_named(store.meta())
    assert going_on("status") == f"cicscenario status {tmp_path}/a.yaml --dir ../d --set x.y=1"
    store.close()


def test_what_the_command_line_says_itself_counts_more(tmp_path, monkeypatch) -> None:
    store = claimed(tmp_path, monkeypatch)
    about(Path("a.yaml"), ["x.y=2"], env="other.yaml", recalls=True)
    recall_named(store.meta())
    assert going_on("show", "3") == "cicscenario show a.yaml --env other.yaml --set x.y=2 3"
    about(Path("a.yaml"), [])  # `run` itself: without --env, the scenario's own environment is meant
    recall_named(store.meta())
    assert going_on("run") == "cicscenario run a.yaml"
    store.close()


# --- nobody else writes one ---------------------------------------------------------------------------------------


def documentation(tree: ast.AST) -> set[int]:
    """The ids of the texts that are docstrings."""
    places = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, places)]
    return {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}


def written_by_hand(text: str) -> list[str]:
    """The texts of a module, docstrings apart, in which a command is written out that is not whole."""
    tree = ast.parse(text)
    apart = documentation(tree)
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    found = [str(node.value) for node in texts if id(node) not in apart and BY_HAND.search(str(node.value))]
    return [text for text in found if not any(whole in text for whole in WHOLE)]


def test_a_command_by_hand_is_seen() -> None:
    assert written_by_hand('"""cicscenario run"""\nx = f"see: cicscenario verify {y}"') == ["see: cicscenario verify "]
    for part in ("`run --fresh` starts a new one", "`repair`", "if it is certain, run with --reconcile"):
        assert written_by_hand(f"x = {part!r}") == [part]
    assert written_by_hand("x = 'see: cicscenario explain gift'") == []


def test_a_command_that_counts_as_whole_is_shown_somewhere() -> None:
    code = "".join(module.read_text("utf-8") for module in MODULES)
    assert [whole for whole in WHOLE if whole not in code] == []


def test_the_commands_are_those_of_the_command_line() -> None:
    from typer.main import get_command

    from cicscenario.cli.app import app

    assert set(get_command(app).commands) == {name for name in COMMANDS if " " not in name}  # type: ignore[attr-defined]


MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if str(path.relative_to(PACKAGE)) not in PAGES]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_writes_a_command_about_a_run_by_hand(module: Path) -> None:
    assert written_by_hand(module.read_text("utf-8")) == []


@pytest.mark.parametrize("template", sorted((PACKAGE / "templates").iterdir()), ids=lambda path: path.name)
def test_no_report_writes_one_by_hand(template: Path) -> None:
    """A new scenario's own file has one: nothing but the file is known there."""
    found = [name for name in _TAKES if f"cicscenario {name}" in template.read_text("utf-8")]
    assert found == (["plan"] if template.name == "scenario.yaml.j2" else [])
