"""``cicscenario explain``: any key of the language, or an error code, out of the schemas."""

import json
from typing import Any

from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language.diagnostic import CODES, nearest
from cicscenario.language.schema import keys


def explain(key: str | None) -> ExitCode:
    """Prints type, default, description and examples of a key, or the list of keys."""
    known = keys("scenario-v1") | {f"environment.{name}": schema for name, schema in keys("environment-v1").items()}
    if key is None:
        for name, schema in known.items():
            print(f"{name:<34}{schema['description']}")
    elif key in CODES:
        print(f"{key}: {CODES[key]}")
    elif key in known:
        print(_explanation(key, known))
    else:
        raise InvalidError(
            f"unknown key: {key}", hint=nearest(key, [*known, *CODES]) or "`cicscenario explain` lists them all"
        )
    return ExitCode.OK


def _explanation(key: str, known: dict[str, dict[str, Any]]) -> str:
    schema = known[key]
    lines = [key, f"  {schema['description']}", f"  type     {_type(schema)}"]
    lines.append(f"  default  {json.dumps(schema['default'])}" if "default" in schema else "  default  none")
    lines += [f"  example  {json.dumps(example)}" for example in schema["examples"]]
    lines.append(f"  since    {schema['x-since']}")
    below = [name for name in known if name.startswith(key + ".")]
    if below:
        lines.append(f"  keys     {', '.join(below)}")
    return "\n".join(lines)


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type", "string or object")
    return kind if isinstance(kind, str) else " or ".join(kind)
