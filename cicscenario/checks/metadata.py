"""The metadata checks, one for each kind: the entry exists and has exactly the expected value."""

from cicscenario.capabilities.check import ONE_BY_ONE, Check
from cicscenario.capabilities.metadata import MetadataKind, Writer
from cicscenario.capabilities.remedy import Remedy
from cicscenario.checks import work
from cicscenario.connections import Service
from cicscenario.language import Condition


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
        lambda context: work.metadata.verifier(kind, context),
        (Service.META,),
        read_back_by=kind.label,
        doubtful=lambda context: context.services.meta.was_away,
        remedy=Remedy(lambda *asked: work.metadata.judge(kind, *asked), (kind.label,)),
        batch=ONE_BY_ONE,
    )
