"""The metadata steps, one for each kind. An entry that is in the store already and equal is not written again."""

from cicscenario.capabilities.metadata import MetadataKind, Writer
from cicscenario.capabilities.step import Lane, Part, Step
from cicscenario.connections import Service
from cicscenario.language import Scenario
from cicscenario.steps import accounts, work


def step(kind: MetadataKind) -> Step:
    """The step that writes the entries of a kind."""

    part = Part(
        kind.writes, Lane.SERVICE, lambda run, name: work.metadata.executor(run, kind), services=(Service.META,)
    )

    def part_of(scenario: Scenario) -> Part | None:
        wanted = kind.name in scenario.metadata and kind.writer(scenario) is not Writer.INTERFACE
        return part if wanted else None

    def repair_of(scenario: Scenario) -> Part | None:
        if kind.writer(scenario) is not Writer.INTERFACE:
            return None
        return Part(
            f"{kind.writes}, which the phone interface wrote before",
            Lane.SERVICE,
            lambda run, name: work.metadata.repairing_executor(run, kind),
            services=(Service.META,),
        )

    return Step(
        kind.label,
        part_of,
        after=(accounts.STEP.name,),
        repeatable=True,
        lacking=f"no {kind.name} entry in the metadata store",
        repair=repair_of,
    )
