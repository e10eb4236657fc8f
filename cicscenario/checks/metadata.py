"""Are the metadata entries there, and exactly what they should be? One check a kind of entry."""

import json
from collections.abc import Sequence
from typing import Any

from cicscenario.checks.base import Check, CheckContext, Verifier, account
from cicscenario.connections import Service
from cicscenario.language import MetadataKind, Scenario
from cicscenario.people.metadata import Entry, entry
from cicscenario.state.store import PersonRow

_SHOWN = 120  # characters of a value in a problem


def _verifier(kind: MetadataKind, context: CheckContext) -> Verifier:
    def verify(people: Sequence[PersonRow]) -> dict[int, str]:
        wanted = [entry(kind, person, account(person), context.services.spec) for person in people]
        found = context.services.meta.get_many([one.pointer for one in wanted])
        problems = {p.id: _problem(one, value) for p, one, value in zip(people, wanted, found, strict=True)}
        return {person: problem for person, problem in problems.items() if problem}

    return verify


def _problem(wanted: Entry, found: Any) -> str | None:
    if found is None:
        return f"no entry at {wanted.pointer.hex()}"
    if wanted.holds(found):
        return None
    if isinstance(found, dict) and isinstance(wanted.value, dict):
        keys = sorted(key for key in found.keys() | wanted.value.keys() if found.get(key) != wanted.value.get(key))
        return f"the entry at {wanted.pointer.hex()} differs in {', '.join(keys)}"
    return f"the entry at {wanted.pointer.hex()} is {json.dumps(found):.{_SHOWN}}, expected {json.dumps(wanted.value)}"


def _check(name: str, kind: MetadataKind, summary: str) -> Check:
    def applies(scenario: Scenario) -> bool:
        return kind in scenario.metadata or (kind == "phone" and scenario.backend.kind == "cic_ussd")

    return Check(name, summary, applies, lambda context: _verifier(kind, context), (Service.META,))


CHECKS = (
    _check("metadata", "person", "the person document is in the metadata store, exactly"),
    _check("metadata_phone", "phone", "the phone pointer leads to the account"),
    _check("metadata_preferences", "preferences", "the preferred language is in the metadata store"),
    _check("metadata_custom", "custom", "the tags are in the metadata store"),
)
