"""Holds a file against its JSON schema, fills in the schema's defaults, and answers questions about keys."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from cicscenario.language.diagnostic import Diagnostic, Span, allowed, nearest
from cicscenario.language.source import Node
from cicscenario.resources import load_schema


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(load_schema(name))


def problems(name: str, node: Node) -> list[Diagnostic]:
    """Every way in which ``node`` breaks the schema ``name``, in the order of the file."""
    found = [d for error in _validator(name).iter_errors(node.plain()) for d in _diagnose(error, node)]
    return sorted(found, key=lambda d: (d.span.file, d.span.line, d.span.column) if d.span else ("", 0, 0))


def _diagnose(error: ValidationError, root: Node) -> Iterator[Diagnostic]:
    path = list(error.absolute_path)
    at = root.find(path)
    wanted: Any = error.validator_value
    instance: Any = error.instance
    name = ".".join(map(str, path)) or "the file"
    if error.validator == "additionalProperties" and isinstance(error.schema, dict) and "properties" in error.schema:
        yield from _unknown(at, list(error.schema["properties"]))
    elif error.validator == "required":
        missing = next(key for key in wanted if key not in instance and repr(key) in error.message)
        place = _key_span(root, path)
        yield Diagnostic("S004", f"`{missing}` is missing in {name}", place, "here")
    elif "propertyNames" in error.schema_path and isinstance(error.instance, str):
        yield Diagnostic(
            "S003",
            f"unknown key `{error.instance}`",
            at.keys.get(error.instance, at.span),
            nearest(error.instance, wanted),
            (allowed(wanted),),
        )
    else:
        yield Diagnostic("S005", f"`{name}` {_expectation(error)}", at.span, _suggestion(error), _examples(error))


def _unknown(at: Node, valid: list[str]) -> Iterator[Diagnostic]:
    for key, span in at.keys.items():
        if key not in valid:
            yield Diagnostic("S003", f"unknown key `{key}`", span, nearest(key, valid), (allowed(valid),))


def _key_span(root: Node, path: list[str | int]) -> Span:
    """Where the key of the mapping at ``path`` stands: a caret below a whole mapping says little."""
    parent = root.find(path[:-1])
    if path and isinstance(path[-1], str) and path[-1] in parent.keys:
        return parent.keys[path[-1]]
    return root.find(path).span


def _expectation(error: ValidationError) -> str:
    found = f"not {error.instance!r:.60}"
    wanted: Any = error.validator_value
    match error.validator:
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            return f"must be {' or '.join(_KINDS[kind] for kind in kinds)}, {found}"
        case "enum":
            return f"must be one of {', '.join(map(str, wanted))}, {found}"
    sentence = _SENTENCES.get(str(error.validator))
    return sentence.format(wanted=wanted, found=found) if sentence else error.message


_SENTENCES = {
    "const": "must be {wanted}, {found}",
    "minimum": "must be at least {wanted:,}, {found}",
    "maximum": "must be at most {wanted:,}, {found}",
    "exclusiveMinimum": "must be more than {wanted}, {found}",
    "minItems": "must not be empty",
    "minProperties": "must not be empty",
    "minLength": "must not be empty",
    "pattern": "does not have the expected form, {found}",
    "uniqueItems": "must not name anything twice",
    "dependentRequired": "needs `password` beside `keyfile`",
}
_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}


def _suggestion(error: ValidationError) -> str:
    if error.validator == "enum" and isinstance(error.instance, str):
        valid: Any = error.validator_value
        return nearest(error.instance, map(str, valid))
    return ""


def _examples(error: ValidationError) -> tuple[str, ...]:
    examples = error.schema.get("examples") if isinstance(error.schema, dict) else None
    return (f"example: {examples[0]}",) if examples else ()


def with_defaults(data: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """``data`` with every default of ``schema`` that it leaves out; ``root`` resolves references."""
    schema = resolve(schema, root)
    if not isinstance(data, dict) or "properties" not in schema:
        return data
    filled = dict(data)
    for key, inner in schema["properties"].items():
        if key not in filled and "default" in inner:
            filled[key] = inner["default"]
        if key in filled:
            filled[key] = with_defaults(filled[key], inner, root)
    return filled


def resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """The schema behind a reference, or behind the mapping form of a value that has two forms."""
    while True:
        if "$ref" in schema:
            schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
        elif "then" in schema:
            schema = schema["then"]
        else:
            return schema


def keys(name: str) -> dict[str, dict[str, Any]]:
    """Every key of the schema by its dotted path, such as ``population.size``."""
    root = load_schema(name)
    return dict(_walk(root, root, ""))


def _walk(schema: dict[str, Any], root: dict[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, inner in resolve(schema, root).get("properties", {}).items():
        yield prefix + key, inner
        yield from _walk(inner, root, f"{prefix}{key}.")
