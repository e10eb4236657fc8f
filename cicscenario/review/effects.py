"""Finds the steps and checks that a key of the scenario language causes, by compiling scenarios with and without it."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cicscenario.capabilities.step import PlannedStep
from cicscenario.errors import InvalidError
from cicscenario.files import write_whole
from cicscenario.language import Scenario
from cicscenario.language.dotted import with_value
from cicscenario.language.schema import Schema, keys
from cicscenario.plan.compile import select_checks, steps_of
from cicscenario.vocabulary import load_scenario, scenario_schema

Document = dict[str, Any]


@dataclass(frozen=True)
class Effect:
    """The steps and checks that a value adds to and removes from a plan, compared with the default."""

    value: Any
    steps_added: tuple[str, ...]
    steps_removed: tuple[str, ...]
    checks_added: tuple[str, ...]
    checks_removed: tuple[str, ...]

    def words(self, shown: Callable[[str, str], str]) -> list[str]:
        """The effect in words; ``shown`` formats `step` or `check` and a name."""
        steps, checks = (self.steps_added, self.steps_removed), (self.checks_added, self.checks_removed)
        return [
            f"{no}{shown(kind, name)}"
            for kind, changed in (("step", steps), ("check", checks))
            for no, names in zip(("", "no "), changed, strict=True)
            for name in names
        ]


@dataclass(frozen=True)
class Outline:
    """The names of a scenario's steps and checks, in order; ``planned`` are the steps of its plan."""

    steps: tuple[str, ...]
    checks: tuple[str, ...]
    planned: tuple[PlannedStep, ...] = field(default=(), compare=False, repr=False)


def outline(scenario: Scenario) -> Outline:
    """The steps and checks of a scenario. Does not read its people, because their files may be missing.

    Raises InvalidError when it includes a check that does not apply.
    """
    checks = select_checks(scenario, scenario.checks.include, scenario.checks.exclude)
    steps = steps_of(scenario)
    return Outline(tuple(step.name for step in steps), tuple(check.name for check in checks), steps)


def by_backend() -> dict[str, Outline]:
    """The outline, for each backend, of a scenario that uses all features."""
    rich = _bases()[len(_bases()) // 2 :]
    return {base["backend"]["kind"]: found for base in rich if (found := _outline(base))}


def effects(key: str) -> list[Effect]:
    """The effects of values of ``key`` on the steps and checks; empty when there are none.

    Tries the enum of the key, its examples, both truth values and zero, in a small and a rich scenario of every backend.
    Shows the first scenario in which a value makes a difference. So an effect happens in some scenario, not in each.
    """
    schema = keys(scenario_schema())[key]
    found = []
    # The items of a list of checks are the names of the checks, so one example is enough.
    for value in schema["examples"] if key.startswith("checks.") else _candidates(schema):
        for base in _bases():
            before, after = _outline(_without(base, key)), _outline(with_value(base, key, value))
            if before and after and before != after:
                found.append(_effect(value, before, after))
                break
    return found


def _effect(value: Any, before: Outline, after: Outline) -> Effect:
    return Effect(
        value,
        only(after.steps, before.steps),
        only(before.steps, after.steps),
        only(after.checks, before.checks),
        only(before.checks, after.checks),
    )


def only(these: tuple[str, ...], those: tuple[str, ...]) -> tuple[str, ...]:
    """The items of the first that the second does not have, in order."""
    return tuple(name for name in these if name not in those)


def _candidates(schema: Schema) -> Iterator[Any]:
    """Values of a key to try."""
    types = schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type")]
    values = [*schema.get("enum", []), *([True, False] if "boolean" in types else [])]
    values += [[name] for name in schema.get("items", {}).get("enum", [])]
    values += [0] if "integer" in types and schema.get("minimum") == 0 else []
    values += schema.get("examples", [])
    seen = []
    for value in values:
        if value not in seen and value != schema.get("default"):
            seen.append(value)
            yield value


@cache
def _bases() -> tuple[Document, ...]:
    """Valid scenarios to try a key in: for each backend the smallest one, and one with an example of each key."""
    schema = scenario_schema()
    known = keys(schema)
    required = {name: known[name]["examples"][0] for name in schema["required"]}
    small = []
    for kind in known["backend.kind"]["enum"]:
        tried = (required | {"backend": {"kind": kind}, "population": one} for one in known["population"]["examples"])
        small += [document for document in tried if _outline(document)][:1]
    return (*small, *(_rich(base) for base in small))


def _rich(document: Document) -> Document:
    """The document with an example of every top-level key, except those that remove steps or need another file."""
    for name, schema in scenario_schema()["properties"].items():
        if name in document or name in ("extends", "environment", "checks"):
            continue
        before = _outline(document)
        whole = [schema["items"]["enum"]] if "enum" in schema.get("items", {}) else []
        for example in [*whole, *schema["examples"]]:
            after = _outline(document | {name: example})
            if before and after and not (only(before.steps, after.steps) or only(before.checks, after.checks)):
                document = document | {name: example}
                break
    return document


def _without(document: Document, key: str) -> Document:
    name, _, rest = key.partition(".")
    inner = document.get(name)
    if not rest:
        return {other: value for other, value in document.items() if other != name}
    return document | {name: _without(inner, rest)} if isinstance(inner, dict) else document


def _outline(document: Document) -> Outline | None:
    """The outline of a document; None when it is not valid."""
    return _compiled(json.dumps(document, sort_keys=True))


@cache
def _compiled(text: str) -> Outline | None:
    with tempfile.TemporaryDirectory(prefix="cicscenario-explain-") as folder:
        path = Path(folder) / "scenario.yaml"
        write_whole(path, text)  # JSON is YAML
        try:
            return outline(load_scenario(path))
        except InvalidError:
            return None
