"""The text of a new scenario file: every key, with a comment that says what it is for."""

import json
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from cicscenario.language.schema import Schema, first_sentence
from cicscenario.resources import template_path
from cicscenario.vocabulary import scenario_schema

_UNCOMMENTED = ("version", "name", "description", "extends", "vars", "environment")
_COMMENT = 90  #: maximum characters of a comment behind a value
_WIDTH = 120  #: of a comment on lines of its own

Valid = Callable[[dict[str, Any]], bool]  #: whether a document is a valid scenario


def text(path: str, schema: str, document: dict[str, Any], valid: Valid) -> str:
    """The file: its own path is for the comment, ``schema`` is the path of the schema as the file names it.

    Keys that are not given are commented out, with a value that is valid in this scenario.
    """
    # The result is YAML, not HTML, so there is nothing to escape; what comes from outside has been dumped as YAML.
    jinja = Environment(undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, autoescape=False)  # noqa: S701
    template = jinja.from_string(template_path("scenario.yaml.j2").read_text("utf-8"))
    blocks = []
    for key, child in scenario_schema()["properties"].items():
        if key in document:
            blocks.append("\n".join(_lines(key, document[key], child, "")))
        elif key not in ("extends", "vars") and (shown := _example(document, key, child, valid)):
            blocks.append(shown)
    return template.render(blocks=blocks, schema=schema, file=json.dumps(path)[1:-1])


def in_yaml(value: Any) -> str:
    """A value on one line."""
    dumped: str = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False)
    return dumped.strip()[1:-1] if value is not None else "none"


def _lines(key: str, value: Any, schema: Schema, indent: str) -> Iterator[str]:
    """The lines of a key with its value and a comment. In a mapping, keys that are not given are commented out."""
    if not isinstance(value, dict) or not schema.get("properties"):
        line = f"{indent}{key}: {in_yaml(value)}"
        yield from _commented(line, schema, indent) if key not in _UNCOMMENTED else [line]
        return
    yield from _commented(f"{indent}{key}:", schema, indent)
    for name, child in schema["properties"].items():
        if name in value:
            yield from _lines(name, value[name], child, f"{indent}  ")
        elif not child.get("properties"):
            default = child.get("default")
            shown = child["examples"][0] if default is None else default
            yield from _commented(f"{indent}  # {name}: {in_yaml(shown)}", child, f"{indent}  ")


def _example(document: dict[str, Any], key: str, schema: Schema, valid: Valid) -> str | None:
    """A commented-out key, with an example value that is valid in this scenario."""
    default = schema.get("default")
    values = [default] if default not in (None, {}, []) else schema["examples"]
    fitting = next((value for value in values if valid(document | {key: value})), None)
    return None if fitting is None else "\n".join(_commented(f"# {key}: {in_yaml(fitting)}", schema, ""))


def _commented(line: str, schema: Schema, indent: str) -> list[str]:
    """The line with its comment: behind it when it is short, else whole on the lines above, with two spaces after the `#`."""
    said = schema["description"].rstrip(".") if "enum" in schema else first_sentence(schema)
    if len(said) <= _COMMENT:
        return [f"{line} # {said}"]
    start = f"{indent}#  "
    return [*textwrap.wrap(said + ".", _WIDTH, initial_indent=start, subsequent_indent=start), line]
