"""The origin of every effective value: a line of a file, the command line, or the schema's default."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cicscenario.language.expressions import has_expression
from cicscenario.language.load import is_environment, load_document, load_environment_document
from cicscenario.language.nodes import KeyValue, Mapping, Node, Scalar
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


def settings(path: Path, overrides: Sequence[str], vocabulary: Vocabulary) -> list[Setting]:
    """Every effective value of a scenario or environment file, in the schema's order.

    In environment files, values from expressions are hidden, because environment variables may hold secrets, and so are logins
    and keys in addresses. Raises
    DiagnosticsError when the file is not valid.
    """
    environment = is_environment(path)
    if environment:
        schema = load_schema("environment-v1")
        document, values = load_environment_document(path, overrides)
    else:
        schema = vocabulary.schema
        document, values, _ = load_document(path, overrides, vocabulary)
    found = _walk(schema, document, values, "")
    if environment:
        return [Setting(s.key, _shown(s.written if s.written else s.value), s.origin, s.written) for s in found]
    return list(found)


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
