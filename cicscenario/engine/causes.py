"""Groups everything that failed by problem. What follows from something else that failed is no problem of its own.

A person for whom a step failed does not pass the checks of what the step would have done.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.step import PlannedStep
from cicscenario.engine.problems import NAMED, Affected, Problem, Problems
from cicscenario.plan.compile import Plan
from cicscenario.printable import foreign
from cicscenario.state.rows import Failure, Made

_MOST = 100  # reasons of one step or check that are told apart
_OTHER = "other reasons"
_GAP = "…"
#: What differs from person to person in a reason: quoted text, JSON, identifiers, hexadecimal, and numbers.
_VARYING = re.compile(
    r"('[^']*'|\"[^\"]*\"|`[^`]*`|\{.*\}|\[.*\]|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b0x[0-9a-fA-F]+\b|\b[0-9a-fA-F]{16,}\b"
    r"|\+?\d[\d,]*(?:\.\d+)?)"
)


class Causes:
    """Tells apart what went wrong for a person and what only follows from it, by the steps and checks of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._steps = {step.name: number for number, step in enumerate(plan.steps)}
        self._before = _before(plan.steps)
        self._checks = {check.name: number for number, check in enumerate(plan.checks)}
        self._direct = {check.name: frozenset(check.shows) - {check.name} for check in plan.checks}
        self._shows = {check.name: self._shown_by(check) for check in plan.checks}

    def _shown_by(self, check: Check) -> frozenset[str]:
        own = {check.name, *check.shows} & self._steps.keys()
        return frozenset(own.union(*(self._before[step] for step in own)))

    def place(self, failure: Failure) -> int:
        """The place of its step or check in the plan: steps first. What the plan does not have comes last."""
        if failure.what == "step":
            return self._steps.get(failure.name, len(self._steps))
        return len(self._steps) + 1 + self._checks.get(failure.name, len(self._checks))

    def of(self, failures: Sequence[Failure]) -> list[tuple[Failure, list[Failure]]]:
        """The root causes among the failures of one person, each with those that follow from it."""
        ordered = sorted(failures, key=self.place)
        causes = [self._cause(number, ordered) for number in range(len(ordered))]
        return [
            (one, [ordered[other] for other, cause in enumerate(causes) if cause == number and other != number])
            for number, one in enumerate(ordered)
            if causes[number] == number
        ]

    def _cause(self, number: int, ordered: Sequence[Failure], past: frozenset[int] = frozenset()) -> int:
        """The index of the failure from which this one follows in the end; its own when there is none.

        ``past`` are those on the way to it: checks of other packages may say that each looks at the other.
        """
        past |= {number}
        for other, root in enumerate(ordered):
            if other not in past and self._follows(ordered[number], root, first=other < number):
                return self._cause(other, ordered, past)
        return number

    def _follows(self, one: Failure, root: Failure, *, first: bool) -> bool:
        """Whether ``one`` follows from ``root``, which comes ``first`` in the plan or not."""
        if one.what == "step":
            return root.what == "step" and root.name in self._before.get(one.name, ())
        if one.made is Made.NOT_MADE:  # for a person without an account
            return root.what == "step" or (first and root.made is Made.NOT_MADE)
        if one.made is not Made.YES or root.made is not Made.YES:
            return False
        if root.what == "step":
            return root.name in self._shows.get(one.name, ())
        # Two checks have found the same, or one looks at more than the other.
        return (first and one.reason == root.reason) or root.name in self._direct.get(one.name, ())


def _before(steps: Iterable[PlannedStep]) -> dict[str, frozenset[str]]:
    """The steps that must be done before each step, also indirectly. ``steps`` are in the order of a plan."""
    found: dict[str, frozenset[str]] = {}
    for step in steps:
        direct = [name for name in step.after if name in found]
        found[step.name] = frozenset(direct).union(*(found[name] for name in direct))
    return found


@dataclass
class _Group:
    """The people of one problem so far."""

    root: Failure
    varying: list[str | None]  #: what fills each gap of the reason; None where it differs
    people: int = 0
    first: list[Failure] = field(default_factory=list)
    unmade: dict[str, None] = field(default_factory=dict)
    failing: dict[str, None] = field(default_factory=dict)

    def add(self, root: Failure, varying: Sequence[str], follow: Sequence[Failure]) -> None:
        self.people += 1
        if len(self.first) < NAMED:
            self.first.append(root)
        self.varying = [a if a == b else None for a, b in zip(self.varying, varying, strict=False)]
        if root.made is Made.NOT_MADE:
            self.unmade[root.name] = None
        for one in follow:
            if one.what == "check":
                (self.unmade if one.made is Made.NOT_MADE else self.failing)[one.name] = None


def by_person(failures: Iterable[Failure]) -> Iterator[list[Failure]]:
    """The failures of one person after the other. ``failures`` are in the order of people."""
    return (list(those) for _, those in groupby(failures, lambda one: one.person))


class Grouping:
    """Collects problems, one person after the other. Its size does not depend on the number of people."""

    def __init__(self, causes: Causes) -> None:
        self._causes = causes
        self._groups: dict[tuple[str, ...], _Group] = {}
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._people = 0

    def add(self, failures: Sequence[Failure]) -> None:
        """Adds all failures of one person."""
        self._people += 1
        for root, follow in self._causes.of(failures):
            parts = _VARYING.split(root.reason)  # what is fixed and what varies, by turns
            self._group(root, parts[::2], parts[1::2]).add(root, parts[1::2], follow)

    def _group(self, root: Failure, fixed: Sequence[str], varying: Sequence[str]) -> _Group:
        # For a person without an account, the first check that was not made stands for all of them.
        place = root.what, "" if root.made is Made.NOT_MADE else root.name
        key = (*place, root.made.value, *fixed)
        if key not in self._groups and self._reasons[place] >= _MOST:
            key = (*place, root.made.value, _OTHER)
        if key not in self._groups:
            self._reasons[place] += 1
            self._groups[key] = _Group(root, [*varying])
        return self._groups[key]

    def result(self, names: Mapping[int, str], lacking: Mapping[str, str]) -> Problems:
        """The problems: in the order of the plan, and of one step or check the most frequent first.

        ``names`` are those of the people in ``named``, and ``lacking`` says by step what people have not got without it.
        """
        groups = sorted(self._groups.items(), key=lambda item: (self._causes.place(item[1].root), -item[1].people))
        return Problems(self._people, tuple(_problem(key, group, names, lacking) for key, group in groups))

    @property
    def named(self) -> list[int]:
        """The people whose names ``result`` needs."""
        return sorted({one.person for group in self._groups.values() for one in group.first})


def _problem(key: Sequence[str], group: _Group, names: Mapping[int, str], lacking: Mapping[str, str]) -> Problem:
    fixed = key[3:]
    gaps = [*(_GAP if one is None else one for one in group.varying), ""]
    reason = _OTHER if fixed == (_OTHER,) else "".join(f"{a}{b}" for a, b in zip(fixed, gaps, strict=False))
    root = group.root
    step = root.what == "step"
    return Problem(
        what=root.what,
        name=root.name,
        reason=foreign(reason),
        people=group.people,
        lacking=lacking.get(root.name, "") if step else "",
        made=root.made.value,
        first=tuple(Affected(one.person, names.get(one.person, ""), foreign(one.reason)) for one in group.first),
        unmade=tuple(group.unmade),
        failing=tuple(group.failing),
    )
