"""The problems of a run as lines of text: what went wrong, who has it, and where all of them are."""

from collections.abc import Iterator

from cicscenario.engine.problems import Affected, Problem, Problems
from cicscenario.invocation import going_on
from cicscenario.printable import one_line
from cicscenario.wording import counted, plural

SHOWN = 20  #: problems on the console


def named(one: Affected) -> str:
    """A person by name and index, such as ``Ane Horvat (person 3)``."""
    return one_line(f"{one.name} (person {one.person})" if one.name else f"person {one.person}")


def who(problem: Problem) -> str:
    """The first people of a problem, and how many more there are."""
    more = f", and {problem.more:,} more" if problem.more else ""
    return ", ".join(map(named, problem.first)) + more


def lines(found: Problems, file: str) -> Iterator[str]:
    """Two lines for each problem, and one that says where all the people are; nothing when nobody failed."""
    for problem in found.problems[:SHOWN]:
        yield one_line(problem.sentence)
        yield f"  {who(problem)}"
    if more := found.problems[SHOWN:]:
        yield f"and {len(more):,} more {plural(len(more), 'problem')}"
    if found.people:
        yield f"{where(found.people, file)}; `{one_of_them()}` shows one of them"


def where(people: int, file: str) -> str:
    """Where everybody who failed anything is."""
    return f"everybody who failed anything ({counted(people, 'person')}): {one_line(file)}"


def one_of_them() -> str:
    """The command that shows one of these people."""
    return going_on("show", "PERSON")
