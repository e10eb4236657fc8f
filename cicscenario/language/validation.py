"""Validates a document against its JSON schema. Errors are described in words and have the place in the file."""

from dataclasses import dataclass

from cicscenario.language.conforming import Formats, UnknownKeywordError, conforms
from cicscenario.language.diagnostic import Diagnostic
from cicscenario.language.formats import FORMATS, SECRET
from cicscenario.language.nodes import Mapping, plain
from cicscenario.language.oddnumbers import odd_numbers
from cicscenario.language.schema import Path, Schema
from cicscenario.language.secret import is_reference


@dataclass(frozen=True)
class Findings:
    """The errors of a document, each with its path; and the paths of all values that are missing, misplaced or invalid."""

    problems: list[tuple[Path, Diagnostic]]
    wrong: set[Path]


def validate(schema: Schema, document: Mapping, *, env: bool) -> Findings:
    """Every error, in the order of the schema. ``env`` is whether secrets may be `env.NAME`.

    A mistake is told once: what follows from a misplaced or misspelt key, such as that it is missing elsewhere, is left out.
    """
    odd = list(odd_numbers(schema, document))
    formats = _formats(env=env)
    if not odd and _is_valid(schema, document, formats):
        return Findings([], set())
    from cicscenario.language.violations import violations  # not at the top: most files have no errors

    return Findings(*violations(schema, document, odd, formats, env=env))


def _is_valid(schema: Schema, document: Mapping, formats: Formats) -> bool:
    """Whether the document is known to be valid."""
    try:
        return conforms(schema, plain(document), formats)
    except UnknownKeywordError:
        return False


def _formats(*, env: bool) -> Formats:
    known = {name: form.test for name, form in FORMATS.items()}
    return known | {SECRET: lambda text: is_reference(text, env=env)}
