"""The vocabulary that the rest of the program gives to the language: backends, metadata kinds and checks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cicscenario.language.model import BackendTraits, Scenario
from cicscenario.language.schema import Path, Schema


@dataclass(frozen=True)
class Condition:
    """A condition on a scenario for a check to apply.

    ``reads`` are the dotted keys that ``holds`` reads; while one of them is invalid, the condition is not tested. ``lacks``
    is the reason when it does not hold, and follows the check's name ("with `gas: 0`"). ``remedy`` tells the user what to
    change, and follows "or".
    """

    holds: Callable[[Scenario], bool]
    reads: tuple[str, ...]
    lacks: str
    remedy: str


@dataclass(frozen=True)
class Rule:
    """A rule against a contradiction between keys. ``find`` returns the path of the value to report, or None.

    ``reads`` are the dotted keys that ``find`` reads; while one of them is invalid, the rule is not applied.
    """

    reads: tuple[str, ...]
    find: Callable[[Scenario], Path | None]
    message: str | Callable[[Scenario], str]
    hint: str | Callable[[Scenario], str]


@dataclass(frozen=True)
class Vocabulary:
    """The names that a scenario can use, with their conditions.

    ``schema`` is the scenario's JSON schema with all of these names; ``rules`` are added to those of the language;
    ``checks`` are the conditions of each check. A check applies when all of its conditions hold. ``steps`` give None for a
    scenario that does not have the step.
    """

    schema: Schema
    backends: Mapping[str, BackendTraits]
    checks: Mapping[str, tuple[Condition, ...]]
    rules: tuple[Rule, ...] = ()
    steps: Mapping[str, Callable[[Scenario], object | None]] = field(default_factory=dict)

    def applicable(self, scenario: Scenario) -> list[str]:
        """The checks that apply to a scenario, in the order of reports."""
        return [name for name, asked in self.checks.items() if unmet(asked, scenario) is None]


def unmet(conditions: tuple[Condition, ...], scenario: Scenario) -> Condition | None:
    """The first condition that does not hold; None when all do."""
    return next((condition for condition in conditions if not condition.holds(scenario)), None)
