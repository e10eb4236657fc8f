"""What the rest of the program adds to the language: the backends, metadata kinds and checks that a scenario can name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cicscenario.language.model import BackendTraits, Scenario
from cicscenario.language.schema import Path, Schema


@dataclass(frozen=True)
class Condition:
    """What a scenario must say for something to have a meaning in it.

    ``reads`` are the dotted keys that ``holds`` looks at: while one of them is invalid, the condition is not judged.
    ``lacks`` says what is missing where it does not hold, after the thing's name ("with `gas: 0`"); ``remedy`` is what to
    do about it, after "or".
    """

    holds: Callable[[Scenario], bool]
    reads: tuple[str, ...]
    lacks: str
    remedy: str


@dataclass(frozen=True)
class Rule:
    """A contradiction between keys. ``find`` gives the path of the value to blame, or None when there is none.

    ``reads`` are the dotted keys that ``find`` looks at: while one of them is invalid, the rule is not applied.
    """

    reads: tuple[str, ...]
    find: Callable[[Scenario], Path | None]
    message: str | Callable[[Scenario], str]
    hint: str | Callable[[Scenario], str]


@dataclass(frozen=True)
class Vocabulary:
    """The names that a scenario can use, and what each of them asks of it.

    ``schema`` is the scenario's JSON schema with all of these names; ``rules`` are added to the language's own;
    ``checks`` are the conditions of each check, which all have to hold for it to apply.
    """

    schema: Schema
    backends: Mapping[str, BackendTraits]
    checks: Mapping[str, tuple[Condition, ...]]
    rules: tuple[Rule, ...] = ()

    def applicable(self, scenario: Scenario) -> list[str]:
        """The checks that a scenario can have, in the order of reports."""
        return [name for name, asked in self.checks.items() if unmet(asked, scenario) is None]


def unmet(conditions: tuple[Condition, ...], scenario: Scenario) -> Condition | None:
    """The first condition that does not hold; None when all do."""
    return next((condition for condition in conditions if not condition.holds(scenario)), None)
