"""Which steps and checks a key of the scenario language causes, found out by compiling scenarios with and without it."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cicscenario.capabilities.step import PlannedStep
from cicscenario.errors import InvalidError
from cicscenario.language import Scenario
from cicscenario.language.dotted import with_value
from cicscenario.language.schema import Schema, keys
from cicscenario.plan.compile import select_checks, steps_of
from cicscenario.vocabulary import load_scenario, scenario_schema

Document = dict[str, Any]


@dataclass(frozen=True)
class Effect:
    """What a value adds to a plan, and takes from it, as against the default."""

    value: Any
    steps_added: tuple[str, ...]
    steps_removed: tuple[str, ...]
    checks_added: tuple[str, ...]
    checks_removed: tuple[str, ...]

    def words(self, shown: Callable[[str, str], str]) -> list[str]:
        """What comes, and what no longer does; ``shown`` puts `step` or `check` and a name into words."""
        steps, checks = (self.steps_added, self.steps_removed), (self.checks_added, self.checks_removed)
        return [
            f"{no}{shown(kind, name)}"
            for kind, changed in (("step", steps), ("check", checks))
            for no, names in zip(("", "no "), changed, strict=True)
            for name in names
        ]


@dataclass(frozen=True)
class Outline:
    """Names of a scenario's steps and checks, in order; ``planned`` are the steps as this scenario has them."""

    steps: tuple[str, ...]
    checks: tuple[str, ...]
    planned: tuple[PlannedStep, ...] = field(default=(), compare=False, repr=False)


def outline(scenario: Scenario) -> Outline:
    """The steps and checks of a scenario, without looking at its people, who may be in files that are not here.

    Raises InvalidError when it asks for a check that it cannot have.
    """
    checks = select_checks(scenario, scenario.checks.include, scenario.checks.exclude)
    steps = steps_of(scenario)
    return Outline(tuple(step.name for step in steps), tuple(check.name for check in checks), steps)


def by_backend() -> dict[str, Outline]:
    """What a scenario of each backend comes to that does everything it can."""
    rich = _bases()[len(_bases()) // 2 :]
    return {base["backend"]["kind"]: found for base in rich if (found := _outline(base))}


def effects(key: str) -> list[Effect]:
    """What each kind of value of ``key`` does to the steps and checks; empty when it does nothing to them.

    Tried are the names a key takes, its examples, both truth values, and zero, in scenarios of every backend, small and
    rich; the first of these in which a value makes a difference speaks for it. A value by itself need not suffice: what
    is shown happens in *some* scenario.
    """
    schema = keys(scenario_schema())[key]
    found = []
    # A list of checks names what it adds or takes away itself: an example tells enough.
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
    """What the one has and the other has not, in order."""
    return tuple(name for name in these if name not in those)


def _candidates(schema: Schema) -> Iterator[Any]:
    """Values that may make a difference."""
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
    """Valid scenarios to try a key in: of each backend the smallest, and one with an example of everything it takes."""
    schema = scenario_schema()
    known = keys(schema)
    required = {name: known[name]["examples"][0] for name in schema["required"]}
    small = []
    for kind in known["backend.kind"]["enum"]:
        tried = (required | {"backend": {"kind": kind}, "population": one} for one in known["population"]["examples"])
        small += [document for document in tried if _outline(document)][:1]
    return (*small, *(_rich(base) for base in small))


def _rich(document: Document) -> Document:
    """The document with an example of every key at the top that takes no step or check away and needs no other file."""
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
    """What the document compiles to; None when it is not valid."""
    return _compiled(json.dumps(document, sort_keys=True))


@cache
def _compiled(text: str) -> Outline | None:
    with tempfile.TemporaryDirectory(prefix="cicscenario-explain-") as folder:
        path = Path(folder) / "scenario.yaml"
        path.write_text(text, "utf-8")  # JSON is YAML
        try:
            return outline(load_scenario(path))
        except InvalidError:
            return None
