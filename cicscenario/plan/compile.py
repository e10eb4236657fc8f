"""Compiles a scenario into a plan: the ordered steps it causes, and the checks that it can be held to."""

from collections.abc import Sequence
from dataclasses import dataclass

from cicscenario.checks import all_checks
from cicscenario.checks.base import Check
from cicscenario.connections import Service
from cicscenario.errors import InvalidError
from cicscenario.language import Scenario
from cicscenario.people.population import Population
from cicscenario.plan.population import held_population, open_population
from cicscenario.state.store import Store
from cicscenario.steps import all_steps
from cicscenario.steps.base import Lane, Step


@dataclass(frozen=True)
class Plan:
    """What a run does, in order, and for whom: people ``0 <= index < size`` of the population."""

    scenario: Scenario
    steps: tuple[Step, ...]
    checks: tuple[Check, ...]
    population: Population
    size: int

    @property
    def services(self) -> tuple[Service, ...]:
        """What its steps and checks need, in a fixed order."""
        needed = {service for step in self.steps for service in step.services}
        needed |= {service for check in self.checks for service in check.services}
        return tuple(service for service in Service if service in needed)

    @property
    def sends(self) -> bool:
        """Whether it sends transactions of its own."""
        return any(step.lane is Lane.CHAIN for step in self.steps)


def compile_plan(scenario: Scenario, held: Store | None = None) -> Plan:
    """The plan of ``scenario``. Steps come with all that they need before them. Raises InvalidError.

    For what only looks back at a run, ``held`` is its state, in which its people are: their source may be gone.
    """
    steps = tuple(step for step in all_steps() if step.applies(scenario))
    checks = narrowed_checks(scenario)
    population, size = held_population(scenario, held) if held else open_population(scenario)
    return Plan(scenario, steps, checks, population, size)


def select_checks(scenario: Scenario, include: tuple[str, ...] | None, exclude: tuple[str, ...]) -> tuple[Check, ...]:
    """The checks that apply to ``scenario``, narrowed to ``include`` (None: all of them) and without ``exclude``.

    Raises InvalidError for a name that is not a check, and for an included one that this scenario cannot have.
    """
    known = {check.name: check for check in all_checks()}
    unknown = [name for name in (*(include or ()), *exclude) if name not in known]
    if unknown:
        raise InvalidError(f"unknown check: {', '.join(unknown)}", hint=f"the checks are: {', '.join(known)}")
    idle = [name for name in include or () if not known[name].applies(scenario)]
    if idle:
        raise InvalidError(
            f"this scenario cannot be checked for: {', '.join(idle)}",
            hint="it does not do what the check looks for; leave the check out, or change the scenario",
        )
    wanted = set(known if include is None else include) - set(exclude)
    return tuple(check for check in known.values() if check.name in wanted and check.applies(scenario))


def narrowed_checks(scenario: Scenario, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> tuple[Check, ...]:
    """The scenario's checks, or those that the command line names. Raises InvalidError when that leaves none."""
    own = select_checks(scenario, scenario.checks.include, scenario.checks.exclude)
    if not (include or exclude):
        return own
    names = tuple(include) or tuple(check.name for check in own)
    checks = select_checks(scenario, names, tuple(exclude))
    if not checks:
        raise InvalidError(
            "no check is left, so nothing would be proved", hint=f"--include or --exclude less: {', '.join(names)}"
        )
    return checks
