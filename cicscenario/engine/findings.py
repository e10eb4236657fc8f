"""Asks the checks, and decides about everything that they find: what a repair makes again, and what it leaves alone.

Nothing is changed. The result does not grow with the number of people, but for one bit for each of them.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from cicscenario.capabilities.check import Check, NotKnown
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.readback import PeopleSet
from cicscenario.capabilities.redo import Redo
from cicscenario.capabilities.remedy import Decision, LeftAlone, MadeAgain, MendedWith
from cicscenario.engine.events import RepairItem, RepairPlanned
from cicscenario.errors import InterruptedRunError
from cicscenario.invocation import going_on
from cicscenario.people.person import Person
from cicscenario.plan.compile import Plan

_BATCH = 500
NAMED = 5  #: people that a line names
_NO_REMEDY = LeftAlone("nothing is known that makes it again")
_UNASKED = LeftAlone("the service could not be asked about them, so nothing is known")
NO_STEP = "the scenario has no step that makes it"

#: Says that a check has been asked: its name, the numbers of problems and of people, and whether it looked closely at all.
Asked = Callable[[str, int, int, bool], None]


@dataclass
class RepairLine:
    """One line of what a repair would do: people of one check about whom the same was decided."""

    check: str
    decision: Decision
    first: str  #: what the check says of the first of them
    people: int = 0
    named: list[int] = field(default_factory=list)  #: the first of them

    def add(self, person: int) -> None:
        """Adds a person."""
        self.people += 1
        if len(self.named) < NAMED:
            self.named.append(person)

    @property
    def again(self) -> bool:
        """Whether something is done for them."""
        return not isinstance(self.decision, LeftAlone)

    @property
    def item(self) -> RepairItem:
        """The line as a part of the event."""
        step = None
        match self.decision:
            case MadeAgain():
                step, what = self.decision.step, self.decision.how
            case MendedWith(checks):
                what = f"should be right again with {' and '.join(checks)}"
            case LeftAlone(why):
                what = why
        return RepairItem(self.check, self.first, self.people, tuple(self.named), step, what)


@dataclass
class RepairPlan:
    """What the checks found, and what is made again of it. ``asked`` is the number of checks."""

    redo: Redo = field(default_factory=Redo)
    lines: list[RepairLine] = field(default_factory=list)
    asked: int = 0

    def event(self) -> RepairPlanned:
        """What is made again, and what is left alone."""
        again = tuple(line.item for line in self.lines if line.again)
        return RepairPlanned(again, tuple(line.item for line in self.lines if not line.again))


@dataclass(frozen=True)
class Scope:
    """What is looked at: the checks that can lead to the step ``step`` (None: all), and these people (None: everybody)."""

    step: str | None = None
    people: frozenset[int] | None = None

    def checks(self, checks: Sequence[Check]) -> list[Check]:
        """Those of the checks that are asked."""
        if self.step is None:
            return list(checks)
        return [check for check in checks if check.remedy and self.step in check.remedy.steps]

    def has(self, person: int) -> bool:
        return self.people is None or person in self.people


def find(
    plan: Plan, context: RunContext, scope: Scope, asked: Asked, begins: Callable[[str], None] = lambda check: None
) -> RepairPlan:
    """Asks the checks one after the other, and decides about the people who do not pass.

    ``begins`` is told the name of each before it is asked, ``asked`` what it has found.

    Raises UnavailableError when a service does not answer, and InterruptedRunError when the run is stopped.
    """
    finder = _Finder(plan, context, scope)
    for check in scope.checks(plan.checks):
        begins(check.name)
        problems, closely = finder.ask(check)
        asked(check.name, problems, plan.size if scope.people is None else len(scope.people), closely)
    return finder.done()


class _Finder:
    """Collects what the checks find."""

    def __init__(self, plan: Plan, context: RunContext, scope: Scope) -> None:
        self._plan = plan
        self._context = context
        self._scope = scope
        self._found = RepairPlan()
        self._lines: dict[tuple[str, Decision], RepairLine] = {}
        self._mended: dict[str, PeopleSet] = {}  # by check: the people for whom something is made again
        self._left: dict[str, PeopleSet] = {}  # by check: the people who are left alone
        self._later: dict[tuple[str, MendedWith], tuple[PeopleSet, str]] = {}  # with the problem of the first

    def ask(self, check: Check) -> tuple[int, bool]:
        """Asks a check about everybody. Returns the number of problems, and whether its thorough verifier found them."""
        self._found.asked += 1
        verifier, number, closely = check.verifier(self._context), 0, False
        if check.thorough and any(problems for _, problems in self._problems(verifier)):
            verifier, closely = check.thorough(self._context), True
        for people, problems in self._problems(verifier):
            self._take(check, people, problems)
            number += len(problems)
        return number, closely

    def _problems(self, verifier: Verifier) -> Iterator[tuple[Mapping[int, Person], dict[int, str]]]:
        """The people with problems, and the problems, of one batch after the other."""
        parts, threads = iter(self._parts()), os.cpu_count() or 1
        with ThreadPoolExecutor(threads, "find") as pool:
            while these := list(islice(parts, 2 * threads)):
                if self._context.stopping.is_set():
                    raise InterruptedRunError("stopped while the checks were made; nothing was changed")
                yield from pool.map(lambda part: self._of(part, verifier), these)

    def _parts(self) -> list[range]:
        if self._scope.people is not None:
            return [range(person, person + 1) for person in sorted(self._scope.people)]
        return [range(first, min(first + _BATCH, self._plan.size)) for first in range(0, self._plan.size, _BATCH)]

    def _of(self, part: range, verifier: Verifier) -> tuple[Mapping[int, Person], dict[int, str]]:
        people = {person.id: person for person in self._context.state.people(part.start, part.stop)}
        have = [person for person in people.values() if person.address is not None]
        problems = dict.fromkeys((person for person in part if person not in people), "has not been made yet")
        problems |= dict.fromkeys((one.id for one in people.values() if one.address is None), "has no account yet")
        problems |= verifier(have) if have else {}
        return {person: people[person] for person in problems if person in people}, problems

    # --- decisions ------------------------------------------------------------------------------------------------

    def _take(self, check: Check, people: Mapping[int, Person], problems: Mapping[int, str]) -> None:
        decided: dict[int, Decision] = {}
        goes_on = f"{going_on('run')} goes on with what has not been done"
        unmade = LeftAlone(f"they have not been made yet: {goes_on}")
        no_account = LeftAlone(f"they have no account yet: {goes_on}")
        for person, problem in problems.items():
            if person not in people:
                decided[person] = unmade
            elif people[person].address is None:
                decided[person] = no_account
            elif isinstance(problem, NotKnown):
                decided[person] = _UNASKED
        rest = [people[person] for person in problems if person not in decided]
        if check.remedy is None:
            decided |= dict.fromkeys((person.id for person in rest), _NO_REMEDY)
        elif rest:
            decided |= check.remedy.judge(self._context, rest, problems)
        for number, decision in sorted(decided.items()):
            if isinstance(decision, MendedWith):
                self._later.setdefault((check.name, decision), (PeopleSet(), problems[number]))[0].add(number)
            else:
                self._add(check.name, number, problems[number], decision)

    def _add(self, check: str, number: int, problem: str, decision: Decision) -> None:
        if isinstance(decision, MadeAgain) and not self._has_step(decision.step):
            decision = LeftAlone(NO_STEP)
        if isinstance(decision, MadeAgain):
            if self._scope.step not in (None, decision.step):
                return
            self._found.redo.add(decision.step, number, decision.purpose)
            self._mended.setdefault(check, PeopleSet()).add(number)
        elif isinstance(decision, LeftAlone):
            self._left.setdefault(check, PeopleSet()).add(number)
        line = self._lines.setdefault((check, _kind(decision)), RepairLine(check, decision, problem))
        line.add(number)

    def _has_step(self, name: str) -> bool:
        return name in {step.name for step in self._plan.steps}

    def done(self) -> RepairPlan:
        """The findings, when every check has been asked."""
        for (check, decision), (people, problem) in self._later.items():
            for number in people:
                self._add(check, number, problem, self._followed(number, decision))
        self._found.lines = list(self._lines.values())
        return self._found

    def _followed(self, number: int, decision: MendedWith) -> Decision:
        """What becomes of a person of whom another check may have found the cause."""
        if any(number in self._mended.get(other, PeopleSet()) for other in decision.checks):
            return decision
        for other in decision.checks:
            if number in self._left.get(other, PeopleSet()):
                return LeftAlone(f"it may follow from what {other} found, which is left alone")
        return LeftAlone(decision.otherwise)


def _kind(decision: Decision) -> Decision:
    """A decision without the purpose, in which people of one line may differ."""
    return MadeAgain(decision.step, decision.how) if isinstance(decision, MadeAgain) else decision
