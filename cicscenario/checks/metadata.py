"""The metadata checks, one for each kind: the entry exists and has exactly the expected value."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cicscenario.capabilities.check import ONE_BY_ONE, Check
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.labour import labour
from cicscenario.capabilities.metadata import MetadataKind, Writer
from cicscenario.capabilities.remedy import Remedy
from cicscenario.checks import work
from cicscenario.connections import Service
from cicscenario.language import Condition
from cicscenario.workers.kinds import LOOKS

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
        remedy=Remedy(lambda *asked: work.metadata.judge(kind, *asked), (kind.label,)),
        batch=ONE_BY_ONE,
    )


def _verifier(kind: MetadataKind, context: RunContext) -> Verifier:
    services = context.services
    merges = services.environment.meta is not None and services.environment.meta.write == "two-step"

    def verify(people: Sequence["Person"]) -> dict[int, str]:
        wanted = [kind.of(person, services.spec) for person in people]
        pointers = [one.pointer.hex() for one in wanted]
        problems = {
            people[index].id: wanted[index].problem(value, merges=merges)
            for index, value in labour(context, None, LOOKS, {}, pointers)
        }
        return {person: problem for person, problem in problems.items() if problem}

    return verify
