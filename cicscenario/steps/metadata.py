"""The metadata steps, one for each kind. An entry that is in the store already and equal is not written again."""

from collections.abc import Sequence

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Executor, Result
from cicscenario.capabilities.metadata import MetadataKind, Writer
from cicscenario.capabilities.step import Lane, Part, Step
from cicscenario.capabilities.waiting import Awaited, WaitExecutor
from cicscenario.connections import Service
from cicscenario.errors import CicScenarioError
from cicscenario.language import Scenario
from cicscenario.people.person import Person
from cicscenario.state.rows import Outcome
from cicscenario.steps import accounts

_ADVICE = "does cic-ussd's tasker run, and does it reach the metadata server?"


def step(kind: MetadataKind) -> Step:
    """The step that writes the entries of a kind."""
    part = Part(
        kind.writes, Lane.SERVICE, lambda context, name: _WriteExecutor(context, kind), services=(Service.META,)
    )

    def part_of(scenario: Scenario) -> Part | None:
        wanted = kind.name in scenario.metadata and kind.writer(scenario) is not Writer.INTERFACE
        return part if wanted else None

    return Step(kind.label, part_of, after=(accounts.STEP.name,), repeatable=True)


class _WriteExecutor:
    """Writes the entries of a kind. If the phone interface writes such entries too, waits for its entry first."""

    def __init__(self, context: RunContext, kind: MetadataKind) -> None:
        self._kind = kind
        self._meta = context.services.meta
        self._spec = context.services.spec
        self._wait: Executor | None = None
        if kind.writer(context.scenario) is Writer.INTERFACE_FIRST:
            missing = f"has no {kind.name} entry from the phone interface"
            self._wait = WaitExecutor(context, Awaited(self._there, missing, _ADVICE))

    def __call__(self, batch: Batch) -> Result:
        if self._wait is None:
            return Result(self._write(batch.people))
        waited = self._wait(batch).outcomes
        ready = {outcome.person for outcome in waited if outcome.ok}
        written = self._write([person for person in batch.people if person.id in ready])
        return Result([outcome for outcome in waited if not outcome.ok] + written)

    def _there(self, people: Sequence[Person]) -> list[bool]:
        found = self._meta.get_many([self._kind.of(person, self._spec).pointer for person in people])
        return [value is not None for value in found]

    def _write(self, people: Sequence[Person]) -> list[Outcome]:
        entries = [self._kind.of(person, self._spec) for person in people]
        made = self._meta.ensure_many([(entry.pointer, entry.value) for entry in entries])
        return [_outcome(person, end) for person, end in zip(people, made, strict=True)]


def _outcome(person: Person, end: str | CicScenarioError) -> Outcome:
    if isinstance(end, CicScenarioError):
        return Outcome(person.id, ok=False, detail=end.message)
    return Outcome(person.id, ok=True, detail=end)
