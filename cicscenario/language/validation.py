"""Validates a document against its JSON schema. Errors are described in words and have the place in the file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cicscenario.language.conforming import Formats, UnknownKeywordError, conforms
from cicscenario.language.diagnostic import Diagnostic
from cicscenario.language.expressions import has_expression
from cicscenario.language.formats import FORMATS, SECRET
from cicscenario.language.nodes import Mapping, Scalar, plain, scalar_at
from cicscenario.language.schema import Path, Schema, properties
from cicscenario.language.secret import is_reference


@dataclass(frozen=True)
class Findings:
    """The errors of a document, each with its path; and the paths of all values that are missing, misplaced or invalid."""

    problems: list[tuple[Path, Diagnostic]]
    wrong: set[Path]


@dataclass(frozen=True)
class OddNumber:
    """A number that is not written as the key wants it. ``validator`` is the keyword of the schema that it is an error of."""

    validator: str
    path: tuple[str, ...]
    schema: Schema
    value: Any


GROUPED = "grouped by dots"  #: an error of ours, beside those of the schema's keywords


def validate(schema: Schema, document: Mapping, *, env: bool) -> Findings:
    """Every error, in the order of the schema. ``env`` is whether secrets may be `env.NAME`.

    A mistake is told once: what follows from a misplaced or misspelt key, such as that it is missing elsewhere, is left out.
    """
    odd = [*_written_otherwise(schema, document), *_grouped_by_dots(schema, document)]
    formats = _formats(env=env)
    if not odd and _is_valid(schema, document, formats):
        return Findings([], set())
    from cicscenario.language.violations import violations  # not at the top: most files have no errors

    return violations(schema, document, odd, formats, env=env)


def _is_valid(schema: Schema, document: Mapping, formats: Formats) -> bool:
    """Whether the document is known to be valid."""
    try:
        return conforms(schema, plain(document), formats)
    except UnknownKeywordError:
        return False


def _formats(*, env: bool) -> Formats:
    known = {name: form.test for name, form in FORMATS.items()}
    return known | {SECRET: lambda text: is_reference(text, env=env)}


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
