"""Number plans: sets of digit strings, given by patterns, that can be counted and numbered.

The patterns of the phone number metadata are regular expressions without repetition that never ends, of digits,
``\\d``, classes, groups, ``|``, ``?`` and ``{n,m}``. Read as an automaton they say exactly how many numbers a region has,
and which is the n-th, where trying samples could only guess.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise

from phonenumbers import SUPPORTED_REGIONS, PhoneMetadata

#: What may come next: the digits of each place that is left, one tuple for every way to go on.
State = frozenset[tuple[str, ...]]

_TOKEN = re.compile(r"\\d|\[[\d-]+\]|\d|\(\?:|[|)?]|\{\d+(?:,\d+)?\}")
_DIGITS = "0123456789"


def ways(pattern: str) -> State:
    """All ways through a pattern. Raises ValueError for a pattern with anything else in it than the module says."""
    try:
        re.compile(pattern)
        return _alternatives(_tokens(pattern))
    except (re.error, ValueError) as error:
        raise ValueError(f"not a pattern of digits: {pattern}: {error}") from None


def _tokens(pattern: str) -> list[str]:
    """The last token first, so that reading on is popping."""
    tokens = _TOKEN.findall(pattern)
    if "".join(tokens) != pattern:
        raise ValueError("something else is in it")
    return tokens[::-1]


def _alternatives(tokens: list[str]) -> State:
    found = _sequence(tokens)
    while tokens and tokens[-1] == "|":
        tokens.pop()
        found |= _sequence(tokens)
    return found


def _sequence(tokens: list[str]) -> State:
    found: State = frozenset({()})
    while tokens and tokens[-1] not in "|)":
        found = _join(found, _repeated(tokens, _atom(tokens)))
    return found


def _atom(tokens: list[str]) -> State:
    token = tokens.pop()
    if token == "(?:":  # noqa: S105
        group = _alternatives(tokens)
        tokens.pop()
        return group
    if token[0] in "?{":
        raise ValueError("a repetition of nothing, or of a repetition")
    return frozenset({(_members(token),)})


def _members(token: str) -> str:
    if token == r"\d":  # noqa: S105
        return _DIGITS
    return "".join(digit for digit in _DIGITS if re.fullmatch(token, digit))


def _repeated(tokens: list[str], atom: State) -> State:
    """The atom as often as the ``?`` or ``{n,m}`` that may follow says."""
    least = most = 1
    if tokens and tokens[-1][0] in "?{":
        token = tokens.pop()
        bounds = [int(bound) for bound in re.findall(r"\d+", token)] or [0, 1]
        least, most = bounds[0], bounds[-1]
    found: State = frozenset()
    power: State = frozenset({()})
    for times in range(most + 1):
        if times >= least:
            found |= power
        power = _join(power, atom)
    return found


def _join(first: State, second: State) -> State:
    return frozenset(a + b for a in first for b in second)


@dataclass(frozen=True, slots=True)
class _Node:
    """Where strings part: what each branch adds, and how many strings it and those before it hold."""

    labels: tuple[str, ...]
    ends: tuple[int, ...]
    branches: tuple["_Node", ...]

    @property
    def size(self) -> int:
        return self.ends[-1] if self.ends else 0


_LEAF = _Node((), (1,), ())
_NONE = _Node((), (), ())


class NumberPlan:
    """The digit strings of the given lengths that match a pattern; there are ``size`` of them."""

    def __init__(self, pattern: str, lengths: Iterable[int]) -> None:
        """Raises ValueError for a pattern with anything in it but what the module says."""
        nodes: dict[tuple[int, State], _Node] = {}
        start = ways(pattern)
        self._root = _branching(("", _node(nodes, length, start)) for length in sorted(lengths))
        self.size = self._root.size

    def lengths(self) -> Iterator[tuple[int, range]]:
        """Each number of digits, and the ranks of the strings that have it."""
        for first, end in pairwise((0, *self._root.ends)):
            yield len(self.number(first)), range(first, end)

    def number(self, rank: int) -> str:
        """The string of this rank, from 0 to below ``size``: short strings first, then by their digits."""
        digits, node = "", self._root
        while node.branches:
            branch = bisect_right(node.ends, rank)
            rank -= node.ends[branch - 1] if branch else 0
            digits += node.labels[branch]
            node = node.branches[branch]
        return digits


@cache
def mobile_numbers(region: str) -> NumberPlan | None:
    """The mobile numbers of a country, without its code; None for one that does not exist, or has none."""
    metadata = PhoneMetadata.metadata_for_region(region, None) if region in SUPPORTED_REGIONS else None
    mobile = metadata.mobile if metadata else None
    if not metadata or not mobile or not mobile.national_number_pattern:
        return None
    return NumberPlan(mobile.national_number_pattern, mobile.possible_length or _any_length(metadata))


def _any_length(metadata: PhoneMetadata) -> tuple[int, ...]:
    """The lengths of all numbers of a region: a kind of number that names none of its own may have any."""
    lengths: tuple[int, ...] = metadata.general_desc.possible_length if metadata.general_desc else ()
    return lengths


def _node(nodes: dict[tuple[int, State], _Node], length: int, state: State) -> _Node:
    """What follows when ``length`` digits are left and these ways are open. Equal rests are one node, made once."""
    if length == 0:
        return _LEAF if () in state else _NONE
    if (length, state) not in nodes:
        nodes[length, state] = _branching((d, _node(nodes, length - 1, _step(state, d))) for d in _DIGITS)
    return nodes[length, state]


def _branching(branches: Iterable[tuple[str, _Node]]) -> _Node:
    kept = [(label, node) for label, node in branches if node.size]
    ends = accumulate(node.size for _, node in kept)
    return _Node(tuple(label for label, _ in kept), tuple(ends), tuple(node for _, node in kept))


def _step(state: State, digit: str) -> State:
    return frozenset(way[1:] for way in state if way and digit in way[0])
