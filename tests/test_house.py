"""The structure holds: a capability is known where it is declared, and nowhere else by its name."""

import ast
import re
import statistics
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from cicscenario.backends import all_backends
from cicscenario.steps import all_steps

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "cicscenario"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
KINDS = {backend.kind for backend in all_backends()}
STEPS = {step.name for step in all_steps()}
#: Rooms in which a step's name would be knowledge of that step. In the language and the old tools' files the same words are
#: keys of scenarios and names of folders, and a check may have the name of the step that it looks at.
STEP_ROOMS = ("backends", "capabilities", "engine", "plan", "report", "review", "state", "chain", "cli")
#: What takes the name of a step.
STATE_METHODS = (
    "done",
    "commit",
    "failures",
    "gifts_without",
    "pages",
    "live_transactions",
    "failed_transactions",
    "send",
)


def strings(module: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module with their lines; docstrings are whole sentences, and so are no names."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def room(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_outside_the_backends_knows_one_by_its_name(module: Path) -> None:
    if room(module) in ("backends", "sandbox"):
        return
    assert [(line, text) for line, text in strings(module) if text in KINDS] == []
    compared = re.findall(r"\.kind\s*(?:==|!=|in\b|not in\b)", module.read_text("utf-8"))
    assert compared == [] or room(module) == "language", "ask the descriptor for the property that is meant"
    assert not re.search(r"isinstance\([^)]*Backend\b", module.read_text("utf-8"))


def compared_or_looked_up(module: Path) -> Iterator[tuple[int, str]]:
    """Strings that something is compared with, or that the state is asked about."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        parts: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in STATE_METHODS:
            parts = [*node.args, *(keyword.value for keyword in node.keywords)]
        for part in parts:
            for leaf in ast.walk(part):
                if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
                    yield leaf.lineno, leaf.value


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_outside_a_steps_own_file_knows_it_by_its_name(module: Path) -> None:
    if room(module) in STEP_ROOMS:
        assert [(line, text) for line, text in compared_or_looked_up(module) if text in STEPS] == []
    if room(module) == "steps":
        others = STEPS - {module.stem}
        assert [(line, text) for line, text in strings(module) if text in others] == []


def test_a_name_that_is_known_elsewhere_is_noticed(tmp_path: Path) -> None:
    module = tmp_path / "wrong.py"
    module.write_text(
        '"""About gift and eth."""\nif step == "gift" or backend == "eth":\n    store.done("pins", 0, 9)\n'
    )
    assert {text for _, text in strings(module)} & KINDS == {"eth"}
    assert {text for _, text in compared_or_looked_up(module)} & STEPS == {"gift", "pins"}


def test_modules_are_short() -> None:
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {str(path.relative_to(ROOT)): number for path, number in lines.items() if number > 400} == {}
    assert statistics.median(number for number in lines.values() if number > 5) < 100


@pytest.mark.parametrize("folder", ["backends", "steps", "checks", "metadata", "report"])
def test_a_capability_is_one_file_and_one_line(folder: str) -> None:
    """Everything that is declared in a room is in its list, which names it once."""
    listed = (PACKAGE / folder / "__init__.py").read_text("utf-8")
    for module in (PACKAGE / folder).glob("*.py"):
        if re.search(r"^(BACKEND|STEP|CHECK|KIND|FORM) = ", module.read_text("utf-8"), re.MULTILINE):
            assert len(re.findall(rf"\b{module.stem}\.(?:BACKEND|STEP|CHECK|KIND|FORM)\b", listed)) == 1, module


def module_at(name: str, root: Path) -> Path | None:
    """The file of a module by its dotted name; None when it is none of those below ``root``."""
    place = root.joinpath(*name.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def imports(module: Path, root: Path) -> Iterator[Path | None]:
    """The modules below ``root`` that a module imports from, at its top or anywhere within it; None for others."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (module_at(alias.name, root) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield module_at(f"{node.module}.{alias.name}", root) or module_at(node.module, root)


def circle(modules: Sequence[Path], root: Path) -> list[str]:
    """Modules that import each other in a circle, the first of which is the last as well; empty when none do."""
    try:
        TopologicalSorter({one: {*imports(one, root)} & {*modules} - {one} for one in modules}).prepare()
    except CycleError as error:
        return [str(module.relative_to(root)) for module in error.args[1]]
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Also not where one of them imports late: then neither can be understood without the other.

    The package itself is left out: it has the version, which many import, and hands on the names of its Python API.
    """
    assert circle([module for module in MODULES if module != PACKAGE / "__init__.py"], ROOT) == []


def test_a_circle_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("def late():\n    from two import name\n")
    (tmp_path / "two.py").write_text("import three\n")
    (tmp_path / "three.py").write_text("")
    assert circle(sorted(tmp_path.glob("*.py")), tmp_path) == []
    (tmp_path / "three.py").write_text("import one\n")
    assert sorted(set(circle(sorted(tmp_path.glob("*.py")), tmp_path))) == ["one.py", "three.py", "two.py"]


#: What changes outcomes or results of checks in the state.
WRITERS = ("commit", "record_checks", "forget_checks")
SENDING = "eth_sendRawTransaction"
#: `retry` sleeps where there is no run that could be stopped; `cancellation` in a thread that begins when one is.
MAY_SLEEP = {"retry.py", "transport/cancellation.py"}


def attributes(module: Path) -> Iterator[str]:
    """The names after a dot, as in ``store.commit``; those of imported modules too."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_engine_alone_writes_outcomes(module: Path) -> None:
    if room(module) not in ("engine", "state", "sandbox"):
        assert set(attributes(module)).isdisjoint(WRITERS)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_ledger_alone_sends(module: Path) -> None:
    """And the broadcaster, which it gives what it has written down. What it reviews at its start only writes."""
    name = str(module.relative_to(PACKAGE))
    if room(module) != "sandbox" and name not in ("chain/ledger.py", "chain/broadcast.py"):
        assert SENDING not in {text for _, text in strings(module)}
        if name not in ("chain/review.py", "chain/adoption.py", "chain/wallets.py", "state/ledgertable.py"):
            writers = {"add_transactions", "mark_broadcast", "settle", "adopt", "replace_transactions", "reopen"}
            assert set(attributes(module)).isdisjoint(writers)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_sleeps_through_a_stop(module: Path) -> None:
    if room(module) != "sandbox" and str(module.relative_to(PACKAGE)) not in MAY_SLEEP:
        assert "sleep" not in set(attributes(module))


def test_writing_sending_and_sleeping_are_noticed(tmp_path: Path) -> None:
    module = tmp_path / "wrong.py"
    module.write_text(
        f'from time import sleep\nstore.commit("x", [])\nrpc.calls([("{SENDING}", [])])\nstore.add_transactions([])\n'
    )
    assert {"sleep", "commit", "add_transactions"} <= set(attributes(module))
    assert SENDING in {text for _, text in strings(module)}
