"""Compiles a scenario into a plan: its steps in order, and the checks that apply to it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.step import PlannedStep, Step, planned
from cicscenario.checks import all_checks
from cicscenario.connections import Service
from cicscenario.errors import InvalidError
from cicscenario.language import Scenario
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.legacy.hashtable import HashTable
from cicscenario.people.population import Population
from cicscenario.plan.sources import Fingerprint, held_population, open_population
from cicscenario.state.store import Store
from cicscenario.steps import all_steps


@dataclass(frozen=True)
class Plan:
    """The steps and checks of a run, for people ``0 <= id < size`` of the population."""

    scenario: Scenario
    steps: tuple[PlannedStep, ...]
    checks: tuple[Check, ...]
    population: Population
    size: int
    rejected: BadRecords | None = None  #: the records of ``population.from`` that cannot be used
    hashes: HashTable | None = None  #: of people's PINs, if the scenario brings them

    @property
    def services(self) -> tuple[Service, ...]:
        """The services that its steps and checks need, in a fixed order."""
        needed = {service for step in self.steps for service in step.services}
        needed |= {service for check in self.checks for service in check.asks(self.scenario)}
        return tuple(service for service in Service if service in needed)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Identifies the people of a source; those that a seed makes are identified by the scenario."""
        return Fingerprint(self.population)

    @cached_property
    def pin_fingerprint(self) -> Fingerprint | None:
        """Identifies the hashes of people's PINs; None when they are made from PINs."""
        return None if self.hashes is None else Fingerprint(self.population, self.hashes)

    @property
    def on_chain(self) -> bool:
        """Whether it needs the chain."""
        return Service.CHAIN in self.services

    @property
    def sends(self) -> bool:
        """Whether it sends transactions of its own."""
        return any(step.sends for step in self.steps)


def compile_plan(scenario: Scenario, held: Store | None = None) -> Plan:
    """The plan of ``scenario``. Raises InvalidError.

    Commands that only read an existing run pass its state as ``held``. The people are then read from it, because their
    source may not exist any more.
    """
    steps = steps_of(scenario)
    checks = narrowed_checks(scenario)
    people = held_population(scenario, held) if held else open_population(scenario)
    return Plan(scenario, steps, checks, people.population, people.size, people.rejected, people.hashes)


def steps_of(scenario: Scenario) -> tuple[PlannedStep, ...]:
    """The steps of a scenario, each after those that it depends on. Raises InvalidError."""
    return tuple(one for step in ordered(all_steps()) if (one := planned(step, scenario)))


def ordered(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Sorts steps so that each comes after those that it depends on; otherwise keeps their order.

    Raises InvalidError for two steps of one name, for a name in ``after`` that no step has, and for a cycle.
    """
    by_name: dict[str, Step] = {}
    for step in steps:
        if step.name in by_name:
            raise InvalidError(f"two steps have the name `{step.name}`", hint="give one of them another name")
        by_name[step.name] = step
    for step in by_name.values():
        for earlier in step.after:
            if earlier not in by_name:
                raise InvalidError(
                    f"the step `{step.name}` must come after `{earlier}`, but there is no such step",
                    hint=f"the steps are: {', '.join(by_name)}",
                )
    return tuple(by_name[name] for name in _sorted({step.name: step.after for step in by_name.values()}))


def _sorted(after: dict[str, tuple[str, ...]]) -> list[str]:
    """Topological order of the names; independent names keep their order."""
    sorter = TopologicalSorter(after)
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = " -> ".join(error.args[1])
        raise InvalidError(f"the order of the steps has a cycle: {cycle}") from None
    place = {name: number for number, name in enumerate(after)}
    found: list[str] = []
    ready: list[str] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=place.__getitem__)
        found.append(ready.pop(0))
        sorter.done(found[-1])
    return found


def select_checks(scenario: Scenario, include: tuple[str, ...] | None, exclude: tuple[str, ...]) -> tuple[Check, ...]:
    """The checks that apply to ``scenario``, narrowed to ``include`` (None: all of them) and without ``exclude``.

    Raises InvalidError for a name that is not a check, and for an included check that does not apply.
    """
    known = {check.name: check for check in all_checks()}
    unknown = [name for name in (*(include or ()), *exclude) if name not in known]
    if unknown:
        raise InvalidError(f"unknown check: {', '.join(unknown)}", hint=f"the checks are: {', '.join(known)}")
    idle = [name for name in include or () if not known[name].applies(scenario)]
    if idle:
        raise InvalidError(
            f"checks that do not apply to this scenario: {', '.join(idle)}",
            hint="the scenario does not do what these checks verify; leave them out, or change the scenario",
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
            "the options leave no check to run", hint=f"include more, or exclude fewer, of: {', '.join(names)}"
        )
    return checks
