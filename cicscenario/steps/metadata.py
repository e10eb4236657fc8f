"""The steps that write metadata entries, one a kind; what is there already and equal is left alone."""

from collections.abc import Sequence

from cicscenario.connections import Service
from cicscenario.errors import CicScenarioError
from cicscenario.language import MetadataKind, Scenario
from cicscenario.people.metadata import Entry, entry
from cicscenario.state.store import Outcome, PersonRow
from cicscenario.steps.base import Batch, Context, Executor, Lane, Result, Step, account
from cicscenario.steps.waiting import WaitExecutor


def _entries(context: Context, kind: MetadataKind, people: Sequence[PersonRow]) -> list[Entry]:
    return [entry(kind, person, account(person), context.services.spec) for person in people]


def _write(context: Context, kind: MetadataKind, people: Sequence[PersonRow]) -> list[Outcome]:
    made = context.services.meta.ensure_many([(e.pointer, e.value) for e in _entries(context, kind, people)])
    return [_outcome(person, end) for person, end in zip(people, made, strict=True)]


def _outcome(person: PersonRow, end: str | CicScenarioError) -> Outcome:
    if isinstance(end, CicScenarioError):
        return Outcome(person.id, ok=False, detail=end.message)
    return Outcome(person.id, ok=True, detail=end)


def _executor(context: Context, kind: MetadataKind) -> Executor:
    def there(context: Context, people: Sequence[PersonRow]) -> list[bool]:
        found = context.services.meta.get_many([e.pointer for e in _entries(context, kind, people)])
        return [value is not None for value in found]

    what = f"has no {kind} entry from the phone interface"
    wait = WaitExecutor(context, what, there) if _comes_second(context.scenario, kind) else None

    def run(batch: Batch) -> Result:
        waited = wait(batch).outcomes if wait else [Outcome(person.id, ok=True) for person in batch.people]
        ready = {outcome.person for outcome in waited if outcome.ok}
        written = _write(context, kind, [person for person in batch.people if person.id in ready])
        return Result([outcome for outcome in waited if not outcome.ok] + written)

    return run


def _comes_second(scenario: Scenario, kind: MetadataKind) -> bool:
    """Whether the phone interface writes such an entry too: ours, if it came first, would be overwritten."""
    if kind == "preferences":
        return scenario.chooses_language
    return kind == "custom" and scenario.backend.kind == "cic_ussd"


def _step(name: str, kind: MetadataKind, summary: str) -> Step:
    def applies(scenario: Scenario) -> bool:
        if kind == "phone" and scenario.backend.kind == "cic_ussd":
            return False  # the server writes it, and writing it again kills the metadata server
        return kind in scenario.metadata

    return Step(
        name=name,
        lane=Lane.SERVICE,
        after=("accounts",),
        applies=applies,
        executor=lambda context: _executor(context, kind),
        summary=summary,
        services=(Service.META,),
    )


STEPS = (
    _step("metadata", "person", "write the person documents"),
    _step("metadata_phone", "phone", "write the phone pointers"),
    _step("metadata_preferences", "preferences", "write the preferred languages"),
    _step("metadata_custom", "custom", "write the tags"),
)
