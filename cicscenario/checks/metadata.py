"""The metadata checks, one for each kind: the entry exists and has exactly the expected value."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.metadata import MetadataKind, Writer
from cicscenario.capabilities.remedy import Decision, LeftAlone, MadeAgain, Remedy
from cicscenario.connections import Service
from cicscenario.errors import CicScenarioError
from cicscenario.language import Condition

if TYPE_CHECKING:
    from cicscenario.people.person import Person


def check(kind: MetadataKind) -> Check:
    """The check of a kind. It applies when the scenario writes the kind, or when the phone interface always does."""
    there = Condition(
        lambda scenario: kind.name in scenario.metadata or kind.writer(scenario) is Writer.INTERFACE,
        ("metadata", "backend.kind"),
        f"without `{kind.name}` in `metadata`",
        f"add {kind.name} to `metadata`",
    )
    return Check(
        kind.label,
        kind.proves,
        (there,),
        lambda context: _verifier(kind, context),
        (Service.META,),
        read_back_by=kind.label,
        doubtful=lambda context: context.services.meta.was_away,
        remedy=Remedy(partial(_judge, kind), (kind.label,)),
    )


def _verifier(kind: MetadataKind, context: RunContext) -> Verifier:
    services = context.services
    merges = services.environment.meta is not None and services.environment.meta.write == "two-step"

    def verify(people: Sequence["Person"]) -> dict[int, str]:
        wanted = [kind.of(person, services.spec) for person in people]
        found = services.meta.get_many([one.pointer for one in wanted])
        problems = {
            p.id: one.problem(value, merges=merges) for p, one, value in zip(people, wanted, found, strict=True)
        }
        return {person: problem for person, problem in problems.items() if problem}

    return verify


_ELSEWHERE = LeftAlone("the entry has another value, which may be somebody else's: it is not replaced")
_UNREADABLE = LeftAlone("the entry cannot be read, so it is not known what would be replaced")


def _judge(
    kind: MetadataKind, context: RunContext, people: Sequence["Person"], problems: Mapping[int, str]
) -> dict[int, Decision]:
    """What is not there is written. Another value is replaced, unless it leads to another account."""
    absent = MadeAgain(kind.label, "the entry is written")
    differs = _ELSEWHERE if kind.replaces else MadeAgain(kind.label, "the entry is replaced by that of the scenario")
    found = context.services.meta.get_many([kind.of(person, context.services.spec).pointer for person in people])
    return {
        person.id: _UNREADABLE if isinstance(value, CicScenarioError) else absent if value is None else differs
        for person, value in zip(people, found, strict=True)
    }
