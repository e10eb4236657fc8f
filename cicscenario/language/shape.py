"""What the schema says about the form of a document before it is validated: short forms, and values that must not be shown."""

from collections.abc import Iterator

from cicscenario.language.formats import SECRET
from cicscenario.language.nodes import KeyValue, Mapping, Scalar
from cicscenario.language.schema import Path, Schema


def unknown_paths(schema: Schema, document: Mapping, above: Path = ()) -> Iterator[Path]:
    """The paths of the keys that the schema does not have, and of those whose value is of the wrong form.

    What is in them is not computed, because the value is an error whatever it is.
    """
    known = schema.get("properties", {})
    for name, entry in document.entries.items():
        if name in known and isinstance(entry.value, Mapping):
            yield from unknown_paths(known[name], entry.value, (*above, name))
        elif name in known and known[name].get("type") == "object":
            yield (*above, name)  # a single value where a mapping has to be
        elif name not in known and schema.get("additionalProperties") is False:
            yield (*above, name)


def hide_misplaced(schema: Schema, document: Mapping) -> None:
    """Hides the values of unknown keys next to secrets in errors, because such a key may be a misspelt secret."""
    known = schema.get("properties", {})
    for name, entry in document.entries.items():
        child = known.get(name, {})
        if isinstance(entry.value, Mapping) and name in known:
            hide_misplaced(child, entry.value)
        elif _has_secrets(child) or (name not in known and _has_secrets(schema)):
            entry.key.hide()


def _has_secrets(schema: Schema) -> bool:
    return any(child.get("format") == SECRET for child in schema.get("properties", {}).values())


def lengthen(schema: Schema, document: Mapping) -> Mapping:
    """The document with short forms rewritten: ``backend: eth`` becomes ``backend: {kind: eth}``."""
    entries = dict(document.entries)
    for key, entry in document.entries.items():
        tag = schema["properties"].get(key, {}).get("x-short")
        if tag and isinstance(entry.value, Scalar) and isinstance(entry.value.value, str):
            span = entry.value.span
            entries[key] = KeyValue(entry.key, Mapping(span, {tag: KeyValue(span, entry.value)}))
    return Mapping(document.span, entries)
