"""What the JSON schemas say beside what is valid: defaults, where secrets are, short forms."""

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any

from cicscenario.language.formats import SECRET
from cicscenario.language.nodes import KeyValue, Mapping, Scalar

Schema = dict[str, Any]
Path = tuple[str | int, ...]  #: keys and list positions from the top of a document


def properties(schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Every property of the schema with its path, parents first."""
    for name, child in schema.get("properties", {}).items():
        yield (*path, name), child
        yield from properties(child, (*path, name))


def keys(schema: Schema) -> dict[str, Schema]:
    """Every property by its dotted key, such as ``population.size``."""
    return {".".join(path): child for path, child in properties(schema)}


def known_key(schema: Schema, path: Path) -> str:
    """The dotted key that a path leads to, as far as the schema has keys: the rest are names that a file chooses."""
    names: list[str] = []
    for name in path:
        if name not in schema.get("properties", {}):
            break
        schema = schema["properties"][name]
        names.append(str(name))
    return ".".join(names)


def required_keys(schema: Schema) -> set[str]:
    """The dotted keys that must be given, in the mapping that they are in."""
    holders = {"": schema} | keys(schema)
    return {f"{key}.{name}".lstrip(".") for key, holder in holders.items() for name in holder.get("required", ())}


def first_sentence(schema: Schema) -> str:
    """What a key is for, in a few words."""
    text: str = schema["description"]
    return text.partition(". ")[0].rstrip(".")


def type_words(schema: Schema, joined: Callable[[list[Any]], str]) -> str:
    """What a key takes; ``joined`` shows the values where there are only some."""
    if "const" in schema or "enum" in schema:
        return joined(schema["enum"] if "enum" in schema else [schema["const"]])
    kind = schema["type"]
    if kind == "array":
        return f"list of {type_words(schema['items'], joined)}"
    return kind if isinstance(kind, str) else " or ".join(kind)


def secret_paths(schema: Schema) -> frozenset[Path]:
    """The paths whose values are references to secrets."""
    return frozenset(path for path, child in properties(schema) if child.get("format") == SECRET)


def hide_misplaced(schema: Schema, document: Mapping) -> None:
    """Lets no error show what stands where secrets do without being one: it may be one whose key is misspelt."""
    known = schema.get("properties", {})
    for name, entry in document.entries.items():
        child = known.get(name, {})
        if isinstance(entry.value, Mapping) and name in known:
            hide_misplaced(child, entry.value)
        elif _has_secrets(child) or (name not in known and _has_secrets(schema)):
            entry.key.hide()


def _has_secrets(schema: Schema) -> bool:
    return any(child.get("format") == SECRET for child in schema.get("properties", {}).values())


def effective(schema: Schema, document: Any) -> Any:
    """The document with the schema's default for whatever it leaves out: None where the schema gives none."""
    if not isinstance(document, dict):
        return document
    children = schema.get("properties", {})
    given = {key: effective(children.get(key, {}), value) for key, value in document.items()}
    defaults = {
        key: effective(child, child.get("default"))
        for key, child in children.items()
        if key not in document and key not in schema.get("required", ())
    }
    return given | defaults


def repaired(schema: Schema, values: Any, wrong: Iterable[Path]) -> Any:
    """A copy of effective values in which every wrong one has its default, or else an example, so that the rest can be read.

    Keys that the schema does not have are left out.
    """
    values = deepcopy(values) if isinstance(values, dict) else {}
    for path in wrong:
        _repair(schema, values, path)
    return values


def _repair(schema: Schema, holder: dict[str, Any], path: Path) -> None:
    for name in path:
        child = schema.get("properties", {}).get(name)
        if child is None:
            holder.pop(str(name), None)
            return
        value = holder.get(str(name))
        if name == path[-1] or "properties" not in child or not isinstance(value, dict):
            required = name in schema.get("required", ())
            holder[str(name)] = effective(child, child["examples"][0] if required else deepcopy(child.get("default")))
            return
        schema, holder = child, value


def lengthen(schema: Schema, document: Mapping) -> Mapping:
    """The document with its short forms written out: ``backend: eth`` as ``backend: {kind: eth}``."""
    entries = dict(document.entries)
    for key, entry in document.entries.items():
        tag = schema["properties"].get(key, {}).get("x-short")
        if tag and isinstance(entry.value, Scalar) and isinstance(entry.value.value, str):
            span = entry.value.span
            entries[key] = KeyValue(entry.key, Mapping(span, {tag: KeyValue(span, entry.value)}))
    return Mapping(document.span, entries)
