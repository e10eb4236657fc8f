"""Reads information from the JSON schemas that is not validation: defaults, the paths of secrets, short forms."""

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any

from cicscenario.language.formats import SECRET

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
    """The dotted key of a path, cut off where the schema has no more keys and the file chooses the names."""
    names: list[str] = []
    for name in path:
        if name not in schema.get("properties", {}):
            break
        schema = schema["properties"][name]
        names.append(str(name))
    return ".".join(names)


def required_keys(schema: Schema) -> set[str]:
    """The dotted keys that are required when the mapping that holds them is given."""
    holders = {"": schema} | keys(schema)
    return {f"{key}.{name}".lstrip(".") for key, holder in holders.items() for name in holder.get("required", ())}


def first_sentence(schema: Schema) -> str:
    """The first sentence of a key's description."""
    text: str = schema["description"]
    return text.partition(". ")[0].rstrip(".")


def type_words(schema: Schema, joined: Callable[[list[Any]], str]) -> str:
    """The type of a key in words; ``joined`` formats the values of an enum."""
    if "const" in schema or "enum" in schema:
        return joined(schema["enum"] if "enum" in schema else [schema["const"]])
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return " or ".join(f"list of {type_words(schema['items'], joined)}" if kind == "array" else kind for kind in kinds)


def secret_paths(schema: Schema) -> frozenset[Path]:
    """The paths of the keys whose values are references to secrets."""
    return frozenset(path for path, child in properties(schema) if child.get("format") == SECRET)


def effective(schema: Schema, document: Any) -> Any:
    """The document with the schema's defaults for missing keys; None for keys without a default."""
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
    """A copy of effective values with a default or an example for each wrong value, so that rules can read the others.

    Unknown keys are left out.
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
