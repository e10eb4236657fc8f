"""What went wrong, by problem: for whom, and what only follows from it. Reports and the console show these."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from cicscenario.state.rows import Made
from cicscenario.wording import agreeing, counted

NAMED = 5  #: people of each problem who are named


@dataclass(frozen=True)
class Affected:
    """One of the people of a problem: index in the population, name (may be empty), and what was said about this person."""

    person: int
    name: str
    reason: str


@dataclass(frozen=True)
class Problem:
    """One thing that went wrong, for ``people`` people.

    ``what`` is ``step`` or ``check``, and ``name`` is that of the step or check. ``lacking`` is what the people have not got,
    such as "no account"; empty for a check. ``reason`` is what was said, with … where it differs from person to person.
    ``made`` tells whether a check could ask about these people (see ``Made``). What follows from it, for the same people:
    ``unmade`` are checks that were not made for them, and ``failing`` are checks that they do not pass.
    """

    what: str
    name: str
    reason: str
    people: int
    lacking: str = ""
    made: str = Made.YES
    first: tuple[Affected, ...] = ()
    unmade: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()

    @property
    def more(self) -> int:
        """The number of people who are not named."""
        return self.people - len(self.first)

    @property
    def sentence(self) -> str:
        """The problem in one line, such as "21 people have no account: no callback; 12 checks were not made for them"."""
        one = self.people == 1
        who = counted(self.people, "person")
        if self.made == Made.NOT_ASKED:
            what = f"the check {self.name} could not ask about {who}"
        elif self.made == Made.NOT_MADE:
            what = f"{who} could not be checked"
        elif self.what == "check":
            what = f"{who} {agreeing(self.people, 'do')} not pass the check {self.name}"
        elif self.lacking:
            what = f"{who} {agreeing(self.people, 'have')} {self.lacking}"
        else:
            what = f"the step {self.name} failed for {who}"
        them = "this person" if one else "them"
        follows = [f"{_checks(self.unmade)} not made for {them}"] if self.unmade else []
        follows += [f"{_checks(self.failing)} not passed for that reason"] if self.failing else []
        return "; ".join([f"{what}: {self.reason}", *follows])

    def document(self) -> dict[str, Any]:
        """The problem in ``report.json``."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The problem that ``document`` gave."""
        lists = {key: tuple(document[key]) for key in ("unmade", "failing")}
        first = tuple(Affected(**one) for one in document["first"])
        return cls(**{**document, **lists, "first": first})


def _checks(names: Sequence[str]) -> str:
    return f"{counted(len(names), 'check')} {agreeing(len(names), 'were')}"


@dataclass(frozen=True)
class Problems:
    """All problems of a run, root causes first, and the number of people who failed anything."""

    people: int = 0
    problems: tuple[Problem, ...] = ()
