"""How something that a check found gone or wrong is made again, and when that is safe.

Each check declares it for what it looks at. A judge is asked about people who do not pass the check. It looks at the services,
the ledger and the chain, and changes nothing. What is not known to be safe is left alone, with the reason.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cicscenario.capabilities.context import RunContext

if TYPE_CHECKING:
    from cicscenario.people.person import Person


@dataclass(frozen=True)
class MadeAgain:
    """The step makes it again. ``how`` says what is done, for many people, such as "the entry is written again".

    ``purpose`` is that of the transaction, when it is not the step's name.
    """

    step: str
    how: str
    purpose: str | None = None


@dataclass(frozen=True)
class MendedWith:
    """It is right again when what one of these ``checks`` found is; if none of them found anything, it is left alone."""

    checks: tuple[str, ...]
    otherwise: str  #: the reason why it is left alone then


@dataclass(frozen=True)
class LeftAlone:
    """Nothing is done; ``why`` says why not, for many people."""

    why: str


Decision = MadeAgain | MendedWith | LeftAlone

#: Decides about people who do not pass a check, by person id. The mapping has the problem of each.
Judge = Callable[[RunContext, Sequence["Person"], Mapping[int, str]], dict[int, Decision]]


@dataclass(frozen=True)
class Remedy:
    """``steps`` are those that the judge may name."""

    judge: Judge
    steps: tuple[str, ...] = ()


def always(decision: Decision) -> Judge:
    """A judge that decides the same about everybody."""
    return lambda context, people, problems: dict.fromkeys((person.id for person in people), decision)
