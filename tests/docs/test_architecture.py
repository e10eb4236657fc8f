"""The page about the architecture names what is there, and its picture shows the package as it is."""

import ast
import re
import shutil
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

import pytest

from cicscenario.errors import InvalidError
from cicscenario.review import picture as drawing
from cicscenario.review.rooms import FLOORS, arrows, read_rooms, wrong_imports

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "cicscenario"
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
SVG = "{http://www.w3.org/2000/svg}"


def section(title: str) -> str:
    """The text below a heading, up to the next."""
    (text,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return text


WALK = re.findall(r"^\| (\d+) \| `([^`]+)` \| (.*) \| (`[^|]+`) \|$", section("A walk through one run"), re.MULTILINE)


def defined(module: Path) -> set[str]:
    """Names of the functions and classes of a module; those of methods with their class's."""
    found = set()
    for node in ast.parse(module.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return found


# --- the page -----------------------------------------------------------------------------------------------------


def test_the_walk_names_at_most_twelve_files_and_says_little_of_each() -> None:
    files = set(re.findall(r"`([^`]+\.(?:py|json))`", section("A walk through one run"))) - {"report.json"}
    assert files == {file for _, file, _, _ in WALK}
    assert 8 <= len(files) <= 12
    assert [int(number) for number, *_ in WALK] == list(range(1, len(WALK) + 1))
    for _, file, text, _ in WALK:
        assert 1 <= len(re.findall(r"\.(?: |$)", text)) <= 3, file


@pytest.mark.parametrize(
    ("file", "function"), [(file, name) for _, file, _, names in WALK for name in re.findall("`(.+?)`", names)]
)
def test_each_breakpoint_can_be_set(file: str, function: str) -> None:
    assert function in defined(ROOT / file)


def test_a_function_that_there_is_not_is_noticed() -> None:
    assert "Runner.carry" not in defined(PACKAGE / "engine" / "runner.py")


def named_paths(text: str) -> set[str]:
    """Paths in a text, from the checkout's folder on; those with a part in capitals stand for any."""
    found = re.findall(r"`((?:cicscenario|schemas|tests|scenarios)/[^` :]*)[`:]", text)
    return {path for path in found if not re.search(r"\b(?:NAME|ROOM)\b", path)}


@pytest.mark.parametrize("path", sorted(named_paths(PAGE)))
def test_every_file_and_folder_that_it_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_list_that_it_names_is_in_its_file() -> None:
    belongs = section("Where does a new ... belong?")
    for name, path in re.findall(r"in `(\w+)` of `(cicscenario/[^`]+\.py)`", belongs):
        assert re.search(rf"^(?:def |class )?{name}\b", (ROOT / path).read_text("utf-8"), re.MULTILINE), name


@pytest.mark.parametrize("test", re.findall(r"`(tests/[^`]+)::(\w+)`", section("The rules")))
def test_the_test_that_holds_a_rule_is_there(test: tuple[str, str]) -> None:
    path, function = test
    assert function in defined(ROOT / path)


def test_each_rule_is_held_by_a_test() -> None:
    rows = [line for line in section("The rules").splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 6
    assert all("`tests/" in row for row in rows)


# --- the picture --------------------------------------------------------------------------------------------------


@cache
def picture() -> str:
    """The picture of the package as it is."""
    return drawing.picture()


def boxes(svg: str) -> dict[str, tuple[float, float, float, float]]:
    """Left, top, right and bottom of each room's box."""
    found = {}
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        (box,) = group.iter(f"{SVG}rect")
        left, top, width, height = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
        found[group.attrib["id"]] = (left, top, left + width, top + height)
    return found


def rooms_on_disk(package: Path) -> set[str]:
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    return folders | {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}


def test_every_room_is_in_the_picture_and_nothing_else_is() -> None:
    assert set(boxes(picture())) == rooms_on_disk(PACKAGE)


def test_every_room_says_what_it_is() -> None:
    for room in read_rooms(PACKAGE).values():
        assert room.sentence, f"{room.name} has no docstring"


def test_no_box_touches_another_or_the_edge() -> None:
    width = float(ET.fromstring(picture()).attrib["width"])
    placed = list(boxes(picture()).items())
    for name, (left, top, right, bottom) in placed:
        assert 0 < left < right < width <= 1000, name
        for other, (start, above, end, below) in placed:
            assert other == name or right < start or end < left or bottom < above or below < top, (name, other)


def test_no_arrow_runs_through_a_box() -> None:
    """Where it passes a floor, an arrow goes straight down (V), between the boxes."""
    found = boxes(picture()).values()
    for path in ET.fromstring(picture()).findall(f"{SVG}path"):
        for x, y, end in re.findall(r"(\d+) (\d+)V(\d+)", path.attrib["d"]):
            for left, top, right, bottom in found:
                assert not (left <= int(x) <= right and int(y) < bottom and top < int(end)), path.attrib["d"]


def test_it_is_plain_has_words_for_those_who_cannot_see_it_and_is_dark_at_night() -> None:
    root = ET.fromstring(picture())
    assert root[0].tag == f"{SVG}title"
    assert root[1].tag == f"{SVG}desc"
    assert all(part.text for part in root[:2])
    assert not {element.tag.removeprefix(SVG) for element in root.iter()} & {"script", "image", "use", "foreignObject"}
    assert "prefers-color-scheme: dark" in picture()
    assert re.findall(r"@import|@font-face|https?://(?!www\.w3\.org/2000/svg)", picture()) == []


def test_an_arrow_that_follows_from_others_is_left_out() -> None:
    rooms = read_rooms(PACKAGE)
    shown = set(arrows(rooms))
    assert ("cli", "engine") not in shown  # by way of the report
    assert ("report", "engine") in shown
    assert len(ET.fromstring(picture()).findall(f"{SVG}path[@class='arrow']")) == len(shown)
    reached = {room: {other for one, other in shown if one == room} for room in rooms}
    for _ in FLOORS:
        reached = {room: others.union(*(reached[other] for other in others)) for room, others in reached.items()}
    assert all(room.imports <= reached[name] for name, room in rooms.items())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKAGE, tmp_path / "cicscenario", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.mark.parametrize(
    ("module", "line", "wrong"),
    [
        ("chain/rpc.py", "from cicscenario.engine.runner import Runner", ("chain", "engine")),
        ("retry.py", "from cicscenario import state", ("retry", "state")),
        ("steps/gift.py", "def f():\n    import cicscenario.backends.eth", ("steps", "backends")),
        ("sandbox/stack.py", "from cicscenario.files import x\nfrom cicscenario.state.store import Store", ("sandbox", "state")),
        ("services/ussd.py", "from cicscenario.sandbox.stack import x", ("services", "sandbox")),
    ],
)  # fmt: skip
def test_an_import_that_is_not_allowed_is_drawn_red(copy: Path, module: str, line: str, wrong: tuple[str, str]) -> None:
    assert drawing.picture(copy) == picture()
    path = copy / module
    path.write_text(f"{path.read_text('utf-8')}\n{line}\n", "utf-8")
    assert wrong_imports(read_rooms(copy)) == [wrong]
    svg = drawing.picture(copy)
    assert len(ET.fromstring(svg).findall(f"{SVG}path[@class='arrow wrong']")) == 1
    assert f"Not allowed: {wrong[0]} imports from {wrong[1]}." in svg
    assert "Not allowed" not in picture()


def test_a_room_without_a_floor_is_refused(copy: Path) -> None:
    (copy / "attic").mkdir()
    (copy / "attic" / "__init__.py").write_text('"""What nobody needs."""\n')
    with pytest.raises(InvalidError, match="attic is on no floor"):
        drawing.picture(copy)


def test_a_new_module_and_a_new_import_change_the_picture(copy: Path) -> None:
    (copy / "state" / "more.py").write_text('"""More."""\n')
    more = drawing.picture(copy)
    assert more != picture()
    (copy / "state" / "more.py").write_text('"""More."""\nfrom cicscenario.transport import x\n')
    assert drawing.picture(copy) not in (more, picture())
