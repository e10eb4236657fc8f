"""The origin of every effective value: a line of a file, the command line, or the schema's default."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cicscenario.language.expressions import has_expression
from cicscenario.language.load import Loaded, is_environment, load_documents, load_environment_document
from cicscenario.language.nodes import KeyValue, Mapping, Node, Scalar, scalar_at
from cicscenario.language.redaction import redact
from cicscenario.language.schema import Schema
from cicscenario.language.vocabulary import Vocabulary
from cicscenario.resources import load_schema


@dataclass(frozen=True)
class Setting:
    """One key with its effective value. The value is None when it is not given and has no default."""

    key: str  #: dotted
    value: Any
    origin: str  #: ``file:line``, ``--set`` or ``default``
    written: str | None = None  #: the expression that the value was computed from
    combination: str | None = None  #: of the matrix, if it has this value in some combinations only


def settings(path: Path, overrides: Sequence[str], vocabulary: Vocabulary) -> list[Setting]:
    """Every effective value of a scenario or environment file, in the schema's order.

    With a matrix of several combinations, a key whose values differ comes once for each of them.
    In environment files, values from expressions are hidden, because environment variables may hold secrets, and so are logins
    and keys in addresses. Raises
    DiagnosticsError when the file is not valid.
    """
    if not is_environment(path):
        return _of_scenario(path, overrides, vocabulary)
    schema = load_schema("environment-v1")
    document, values = load_environment_document(path, overrides)
    found = list(_walk(schema, document, values, ""))
    return [Setting(s.key, _shown(s.written if s.written else s.value), s.origin, s.written) for s in found]


def _of_scenario(path: Path, overrides: Sequence[str], vocabulary: Vocabulary) -> list[Setting]:
    """The values of a scenario. Where the combinations of its matrix differ, there is one setting for each of them."""
    found = load_documents(path, overrides, vocabulary)
    settings = [
        [_own_seed(one, setting) for setting in _walk(vocabulary.schema, one.document, one.values, "")] for one in found
    ]
    if len(found) == 1:
        return settings[0]
    by_key = [{setting.key: setting for setting in those} for those in settings]
    several = []
    for key in dict.fromkeys(setting.key for those in settings for setting in those):
        if all(held.get(key) == by_key[0].get(key) for held in by_key):
            several.append(by_key[0][key])
            continue
        for one, held in zip(found, by_key, strict=True):
            if key in held and one.scenario.combination:
                several.append(replace(held[key], combination=one.scenario.combination.label))
    return several


def _own_seed(one: Loaded, setting: Setting) -> Setting:
    """The setting; that of the seed says what a combination's own seed was made from."""
    if setting.key != "population.seed" or one.scenario.combination is None:
        return setting
    node = scalar_at(one.document, ("population", "seed"))
    if node is not None and node.value == setting.value:
        return setting
    return replace(setting, written=f"made from {node.value if node else 'it'} for this combination")


def _shown(value: Any) -> Any:
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return redact(value) if isinstance(value, str) and "://" in value else value


def _walk(schema: Schema, node: Node | None, values: Any, above: str) -> Iterator[Setting]:
    known = schema.get("properties", {})
    names = [*(name for name in known if name in values), *(name for name in values if name not in known)]
    for name in names:
        key = f"{above}.{name}" if above else name
        entry = node.entries.get(name) if isinstance(node, Mapping) else None
        below = entry.value if entry else None
        if isinstance(values[name], dict) and values[name]:
            yield from _walk(known.get(name, {}), below, values[name], key)
        else:
            written = below.written if isinstance(below, Scalar) and has_expression(below.written) else None
            yield Setting(key, values[name], _origin(entry), written)


def _origin(entry: KeyValue | None) -> str:
    if entry is None:
        return "default"
    span = entry.value.span if entry.value.span.source.name == entry.key.source.name else entry.key
    return span.source.name if span.source.name.startswith("--") else f"{span.source.name}:{span.line + 1}"
