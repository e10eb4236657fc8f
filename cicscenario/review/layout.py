"""Places boxes on floors and arrows between them, so that few arrows cross and none runs through a box.

Where an arrow passes a floor it gets a place of its own between the boxes; arrows to one box share it.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum  # the same on every version of Python, as the picture is to be

_SWEEPS = 40
_GAP, _PASSAGE = 24, 1  #: between boxes; width of the place of an arrow that passes. In pixels, as everything here
_NEAR = 14  #: between a box and an arrow that passes
_MARGIN = 16
_ENTRIES = 26  #: most that two ends of arrows at one box are apart


@dataclass(frozen=True)
class Shape:
    """Where a box or the place of an arrow that passes is."""

    left: int
    width: int


@dataclass(frozen=True)
class Layout:
    """``shapes`` of the boxes by name; ``routes`` of the arrows, each as (floor, x) from its first box to its last."""

    shapes: Mapping[str, Shape]
    routes: Sequence[list[tuple[int, int]]]


def place(floors: Sequence[Mapping[str, int]], arrows: Sequence[tuple[str, str]], width: int) -> Layout:
    """Places the boxes of ``floors`` (widths by name, from the top down) and the ``arrows``, which all point down."""
    floor_of = {name: number for number, floor in enumerate(floors) for name in floor}
    widths = [dict(floor) for floor in floors]
    paths = [_path(one, other, floor_of[one], floor_of[other]) for one, other in arrows]
    for path in paths:
        for floor, name in path[1:-1]:
            widths[floor][name] = _PASSAGE
    links = sorted({link for path in paths for link in itertools.pairwise(path)})
    centres = _centres(widths, links, width)
    ends = _ends(widths, links, centres)
    routes = []
    for path in paths:
        route = [(path[0][0], ends[path[0], path[1]][0])]
        for before, after in itertools.pairwise(path):
            route.append((after[0], ends[before, after][1]))
        routes.append(route)
    shapes = {
        name: Shape(round(centres[floor, name] - size / 2), size)
        for floor, sizes in enumerate(floors)
        for name, size in sizes.items()
    }
    return Layout(shapes, routes)


_Node = tuple[int, str]  # floor and name


def _path(one: str, other: str, first: int, last: int) -> list[_Node]:
    return [(first, one), *((floor, f"to {other}") for floor in range(first + 1, last)), (last, other)]


def _centres(
    widths: Sequence[Mapping[str, int]], links: Sequence[tuple[_Node, _Node]], width: int
) -> dict[_Node, float]:
    """The middle of everything on each floor: near the middle of what it is linked with."""
    above: dict[_Node, list[_Node]] = {}
    below: dict[_Node, list[_Node]] = {}
    for before, after in links:
        above.setdefault(after, []).append(before)
        below.setdefault(before, []).append(after)
    centres = {
        (floor, name): (number + 0.5) * width / len(names)
        for floor, names in enumerate(widths)
        for number, name in enumerate(names)
    }
    floors = range(len(widths))
    for sweep in range(_SWEEPS):
        settling = sweep >= _SWEEPS // 2
        for floor in floors if sweep % 2 else reversed(floors):
            wanted = {}
            for name in widths[floor]:
                up, down = above.get((floor, name), []), below.get((floor, name), [])
                passes = widths[floor][name] == _PASSAGE  # straight above what it leads to, in the end
                linked = (down if passes else up + down) if settling else up if sweep % 2 else down
                wanted[name] = fsum(centres[node] for node in linked) / len(linked) if linked else centres[floor, name]
            order = sorted(wanted, key=lambda name: (wanted[name], centres[floor, name]))
            placed = _apart([wanted[name] for name in order], [widths[floor][name] for name in order], width)
            centres |= {(floor, name): x for name, x in zip(order, placed, strict=True)}
    return centres


def _apart(wanted: Sequence[float], widths: Sequence[int], width: int) -> list[float]:
    """The places next to ``wanted``, in this order, at which things of these ``widths`` do not touch."""
    offsets = [0.0]
    for one, other in itertools.pairwise(widths):
        offsets.append(offsets[-1] + (one + other) / 2 + (_NEAR if _PASSAGE in (one, other) else _GAP))
    groups: list[tuple[float, int]] = []  # mean and number of neighbours that are moved together
    for want, offset in zip(wanted, offsets, strict=True):
        mean, number = want - offset, 1
        while groups and groups[-1][0] > mean:
            earlier, more = groups.pop()
            mean, number = (mean * number + earlier * more) / (number + more), number + more
        groups.append((mean, number))
    starts = [mean for mean, number in groups for _ in range(number)]
    lowest, highest = _MARGIN + widths[0] / 2, width - _MARGIN - widths[-1] / 2 - offsets[-1]
    return [min(max(start, lowest), highest) + offset for start, offset in zip(starts, offsets, strict=True)]


def _ends(
    widths: Sequence[Mapping[str, int]], links: Sequence[tuple[_Node, _Node]], centres: Mapping[_Node, float]
) -> dict[tuple[_Node, _Node], tuple[int, int]]:
    """Where each link begins and ends; at a box they are side by side, in the order of where they lead."""
    return {
        (before, after): (
            _entry(before, after, [b for a, b in links if a == before], widths, centres),
            _entry(after, before, [a for a, b in links if b == after], widths, centres),
        )
        for before, after in links
    }


def _entry(
    node: _Node,
    other: _Node,
    others: Sequence[_Node],
    widths: Sequence[Mapping[str, int]],
    centres: Mapping[_Node, float],
) -> int:
    floor, name = node
    ordered = sorted(others, key=lambda one: (centres[one], one))
    distance = min(_ENTRIES, (widths[floor][name] - 40) / max(len(ordered), 1)) if widths[floor][name] > _PASSAGE else 0
    return round(centres[node] + (ordered.index(other) - (len(ordered) - 1) / 2) * distance)
