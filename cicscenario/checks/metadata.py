"""The metadata checks, one for each kind: the entry exists and has exactly the expected value."""

import json
from collections.abc import Sequence
from typing import Any

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.metadata import MetadataEntry, MetadataKind, Writer
from cicscenario.connections import Service
from cicscenario.language import Condition
from cicscenario.people.person import Person

_SHOWN = 120  # characters of a value in a problem


def check(kind: MetadataKind) -> Check:
    """The check of a kind. It applies when the scenario writes the kind, or when the phone interface always does."""
    there = Condition(
        lambda scenario: kind.name in scenario.metadata or kind.writer(scenario) is Writer.INTERFACE,
        ("metadata", "backend.kind"),
        f"without `{kind.name}` in `metadata`",
        f"add {kind.name} to `metadata`",
    )
    return Check(kind.label, kind.proves, (there,), lambda context: _verifier(kind, context), (Service.META,))


def _verifier(kind: MetadataKind, context: RunContext) -> Verifier:
    def verify(people: Sequence[Person]) -> dict[int, str]:
        wanted = [kind.of(person, context.services.spec) for person in people]
        found = context.services.meta.get_many([one.pointer for one in wanted])
        problems = {p.id: _problem(one, value) for p, one, value in zip(people, wanted, found, strict=True)}
        return {person: problem for person, problem in problems.items() if problem}

    return verify


def _problem(wanted: MetadataEntry, found: Any) -> str | None:
    if found is None:
        return f"no entry at {wanted.pointer.hex()}"
    if wanted.holds(found):
        return None
    if isinstance(found, dict) and isinstance(wanted.value, dict):
        keys = sorted(key for key in found.keys() | wanted.value.keys() if found.get(key) != wanted.value.get(key))
        return f"the entry at {wanted.pointer.hex()} differs in {', '.join(keys)}"
    return f"the entry at {wanted.pointer.hex()} is {json.dumps(found):.{_SHOWN}}, expected {json.dumps(wanted.value)}"
