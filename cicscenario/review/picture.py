"""The picture of the package, ``docs/architecture.svg``: rooms on their floors, and which of them import from which."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

import cicscenario
from cicscenario.resources import template_path
from cicscenario.review.layout import place
from cicscenario.review.rooms import APART, FLOORS, Room, arrows, floor_of, read_rooms, wrong_imports
from cicscenario.wording import plural

_WIDTH = 980  #: of the picture, in pixels
_TOP, _GAP, _LEGEND = 16, 32, 40  #: above the first floor, between floors, below the last
_HEAD, _LINE, _FOOT = 26, 15, 6  #: of a box: its name, a line of text, what is below it
_LETTER = 6.35  #: width of a letter in the text of a box, on average
_WIDTHS = {1: 390, 2: 390, 3: 205, 4: 180}  #: of a box, by the number on its floor
_NARROW = 156  #: of a box on a floor with more
_TIP = 2  #: between the tip of an arrow and the box that it points at


@dataclass(frozen=True)
class Box:
    """A room as it is drawn."""

    room: Room
    lines: list[str]
    left: int
    top: int
    width: int
    height: int

    @property
    def apart(self) -> bool:
        return self.room.name in APART

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def label(self) -> str:
        return f"{self.room.name}/" if self.room.folder else f"{self.room.name}.py"

    @property
    def number(self) -> str:
        """How many modules it has; nothing for a room that is one module, as its name says."""
        modules = plural(self.room.modules, "module")
        return f"{self.room.modules} {modules}" if self.room.folder else ""


def picture(package: Path | None = None) -> str:
    """The picture as SVG; ``package`` is the folder of the package, or None for this one.

    An import that is not allowed is drawn red. Raises InvalidError when a room is on no floor.
    """
    rooms = read_rooms(package or Path(cicscenario.__file__).parent)
    floors = [[rooms[name] for name in floor] for floor in _floors(rooms)]
    texts = {room.name: _lines(room, _width(floor)) for floor in floors for room in floor}
    heights = [_HEAD + _LINE * max(len(texts[room.name]) for room in floor) + _FOOT for floor in floors]
    tops = [_TOP + sum(heights[:number]) + _GAP * number for number in range(len(floors))]
    layout = place([{room.name: _width(floor) for room in floor} for floor in floors], arrows(rooms), _WIDTH)
    boxes = {}
    for floor, top, height in zip(floors, tops, heights, strict=True):
        for room in floor:
            shape = layout.shapes[room.name]
            boxes[room.name] = Box(room, texts[room.name], shape.left, top, shape.width, height)
    edges = [(top, top + height) for top, height in zip(tops, heights, strict=True)]
    wrong = wrong_imports(rooms)
    return _template().render(
        boxes=boxes.values(),
        arrows=[_down(route, edges) for route in layout.routes],
        wrong=wrong,
        wrong_arrows=[_around(boxes[one], boxes[other]) for one, other in wrong if other in boxes],
        width=_WIDTH,
        height=tops[-1] + heights[-1] + _LEGEND,
        head=_HEAD,
        line=_LINE,
    )


def _floors(rooms: dict[str, Room]) -> list[list[str]]:
    """Names of the rooms by floor; one that stands apart is drawn right above the first that it may import."""
    floors = [[name for name in floor if name in rooms] for floor in FLOORS]
    for name in rooms:
        if name in APART:
            floors[min(floor_of(below) for below in APART[name]) - 1].append(name)
        else:
            floor_of(name)
    return [floor for floor in floors if floor]


def _width(floor: Sequence[Room]) -> int:
    return _WIDTHS.get(len(floor), _NARROW)


def _lines(room: Room, width: int) -> list[str]:
    return textwrap.wrap(room.sentence, int((width - 20) / _LETTER))


def _down(route: Sequence[tuple[int, int]], edges: Sequence[tuple[int, int]]) -> str:
    """An SVG path out of the bottom of one box, straight through the floors between, to the top of another.

    ``route`` is a list of floors, each with the place at which it is met; ``edges`` are the top and bottom of the floors.
    """
    floor, x = route[0]
    y = edges[floor][1]
    path = f"M{x} {y}"
    for number, (floor, across) in enumerate(route[1:], 1):
        top, bottom = edges[floor]
        last = number == len(route) - 1
        end = top - _TIP if last else top
        middle = (y + end) // 2
        path += f"C{x} {middle} {across} {middle} {across} {end}" + ("" if last else f"V{bottom}")
        x, y = across, bottom
    return path


def _around(one: Box, other: Box) -> str:
    """An SVG path beside the others: from side to side, or below the boxes where both are on one floor."""
    if one.top == other.top:
        (x, across), bottom = (one.left + one.width // 2, other.left + other.width // 2), one.top + one.height
        return f"M{x} {bottom}C{x} {bottom + _GAP} {across} {bottom + _GAP} {across} {bottom + _TIP}"
    start, end = one.top + one.height // 2, other.top + other.height // 2
    bulge = min(max(one.right, other.right) + 120, _WIDTH)
    return f"M{one.right} {start}C{bulge} {start} {bulge} {end} {other.right + _TIP} {end}"


def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template_path("architecture.svg.j2").read_text("utf-8"))
