"""Numbers that are not written as their key wants them: right by the JSON schema, or wrong for another reason than it says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cicscenario.language.expressions import has_expression
from cicscenario.language.nodes import Mapping, Scalar, scalar_at
from cicscenario.language.schema import Schema, properties


@dataclass(frozen=True)
class OddNumber:
    """A number that is not written as the key wants it. ``validator`` is the keyword of the schema that it is an error of."""

    validator: str
    path: tuple[str, ...]
    schema: Schema
    value: Any


GROUPED = "grouped by dots"  #: an error of ours, beside those of the schema's keywords


def odd_numbers(schema: Schema, document: Mapping) -> Iterator[OddNumber]:
    """All of them, in the order of the schema."""
    yield from _written_otherwise(schema, document)
    yield from _grouped_by_dots(schema, document)


def _written_otherwise(schema: Schema, document: Mapping) -> Iterator[OddNumber]:
    """Constants that are right as a number, but not as they are written: there is no version 1.0."""
    for name, child in schema["properties"].items():
        node = document.entries[name].value if name in document.entries else None
        if "const" not in child or not isinstance(node, Scalar) or has_expression(node.written):
            continue
        if node.value == child["const"] and type(node.value) is int and node.written != str(child["const"]):
            yield OddNumber("const", (name,), child, node.value)


def _grouped_by_dots(schema: Schema, document: Mapping) -> Iterator[OddNumber]:
    """Whole numbers such as 1.000, which YAML reads as 1."""
    for path, child in properties(schema):
        node = scalar_at(document, path)
        if child.get("type") == "integer" and node and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{3})+", node.written):
            yield OddNumber(GROUPED, path, child, node.value)
