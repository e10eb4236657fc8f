"""What one check has found so far, of the people whom it was asked about."""

from dataclasses import replace

from cicscenario.capabilities.check import Check, NotKnown
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.readback import PeopleSet
from cicscenario.engine.events import CheckProgressed, Listener
from cicscenario.state.rows import CheckRow, Made, Outcome

FAILING_SHOWN = 20
_SAMPLE, _EVERY = 20, 10  # people whose results were read back and who are asked about: this many, or one in so many

Problems = dict[int, str]


class NotMade(str):
    """A person's problem: there was nothing to ask the service about."""

    __slots__ = ()


class CheckTally:
    """A check that goes through people ``0 <= id < size``, a part of them after the other, and what it has found.

    ``known`` are the people whom it need not be asked about. To make it says that the check begins.
    """

    def __init__(self, check: Check, context: RunContext, size: int, listener: Listener) -> None:
        self.check = check
        self._context = context
        self._size = size
        self._listener = listener
        self._began = context.clock()
        self._errors = self._read_back = self._unasked = 0
        self._why = ""
        self._failing: list[dict[str, object]] = []
        listener(CheckProgressed(check.name, 0, size, 0, 0.0))
        self.verifier = check.verifier(context)
        self.known = _still_known(check, context, size)
        context.state.begin_findings(check.name)

    def add(self, part: range, problems: Problems, spared: int, astray: PeopleSet) -> None:
        """Keeps what was found of a part of the people, ``spared`` of whom were not asked about, and tells how far it is.

        Those who do not pass the check are added to ``astray``.
        """
        self._read_back += spared
        self._errors += len(problems)
        _reopen(self.check, self._context, problems)
        findings = {person: (problem, _made(problem)) for person, problem in problems.items()}
        self._context.state.add_findings(self.check.name, part.start, findings)
        for person, problem in problems.items():
            if isinstance(problem, NotKnown):
                self._unasked, self._why = self._unasked + 1, self._why or problem
            else:
                astray.add(person)
        wanted = sorted(problems.items())[: FAILING_SHOWN - len(self._failing)]
        self._failing += [{"person": person, "problem": problem} for person, problem in wanted]
        if part.stop < self._size:
            seconds = round(self._context.clock() - self._began, 3)
            self._listener(CheckProgressed(self.check.name, part.stop, self._size, self._errors, seconds))

    def row(self) -> CheckRow:
        """The result, when it is through."""
        allowed = self.check.allowed(self._context)
        return CheckRow(
            self.check.name, self._errors, self._size, allowed, self._failing, self._read_back, self._unasked, self._why
        )


def _made(problem: str) -> Made:
    if isinstance(problem, NotMade):
        return Made.NOT_MADE
    return Made.NOT_ASKED if isinstance(problem, NotKnown) else Made.YES


def _reopen(check: Check, context: RunContext, problems: Problems) -> None:
    """Marks a step as failed for people whose result this run has read back and who lack it now: the next run repeats it."""
    written = context.read_back.of(check.read_back_by)
    gone = [
        Outcome(person, ok=False, detail=f"was written and read back, and is gone since: {problem}")
        for person, problem in problems.items()
        if person in written and not isinstance(problem, NotKnown)
    ]
    if gone and check.read_back_by:
        context.state.commit(check.read_back_by, gone)


def _still_known(check: Check, context: RunContext, size: int) -> PeopleSet:
    """The people about whom the check need not ask, since the run has read their result back.

    A service may have lost since what it had. So some of them are asked about, and if one of these has a problem, or if the
    check finds it doubtful, everybody is. This process asks, since workers may have said that they had read the results back.
    """
    known = context.read_back.of(check.read_back_by)
    if not known or check.doubtful(context):
        return PeopleSet()
    sample = [person for person in range(0, size, max(_EVERY, size // _SAMPLE)) if person in known]
    people = [person for who in sample for person in context.state.people(who, who + 1) if person.address is not None]
    if not people:
        return known
    return PeopleSet() if check.verifier(replace(context, workers=None))(people) else known
