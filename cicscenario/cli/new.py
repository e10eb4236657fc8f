"""``cicscenario new``: asks for the main values, and writes a new scenario with comments."""

import json
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from cicscenario.boundaries import Boundary
from cicscenario.errors import ExitCode, InvalidError, reason_of
from cicscenario.files import FOR_ALL, make_folder, sweep_beside, write_new, write_whole
from cicscenario.invocation import going_on
from cicscenario.language import Diagnostic, DiagnosticsError
from cicscenario.language.dotted import with_value
from cicscenario.language.nodes import compose, plain
from cicscenario.language.schema import Schema, first_sentence, keys
from cicscenario.language.source import Source
from cicscenario.printable import say
from cicscenario.resources import schema_path, template_path
from cicscenario.vocabulary import load_scenario, scenario_schema

_CREATE = Boundary("scenario.create")
#: The first questions. All top-level keys that are not mappings follow.
_FIRST = ("population.size", "backend.kind", "gift.threshold")
_NOT_ASKED = ("version", "name", "description", "extends", "vars", "environment")
_COMMENT = 90  #: maximum characters of a comment

Ask = Callable[[str, str], str]  #: (question, default) -> answer


def new(path: Path, *, name: str | None, answers: Sequence[str], ask: Ask | None = None) -> ExitCode:
    """Writes a scenario to ``path``. ``name`` is its name (None: the file's name).

    ``answers`` are ``KEY=VALUE``, as of ``--set``. Other values are asked with ``ask``, or have defaults without it. Raises
    InvalidError when the file exists, cannot be written, or would not be valid; no file is written then.
    """
    sweep_beside(path)
    if path.exists():
        raise _exists_error(path)
    document = _skeleton(name or re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-._"))
    _check(path, document, answers)
    for answer in answers:
        document = _answered(document, answer)
    if ask:
        document = _asked(path, document, {answer.partition("=")[0] for answer in answers}, ask)
    document["description"] = document["description"] or _description(document)
    _check(path, document)
    try:
        with _CREATE:
            make_folder(path.parent)
            write_new(path, _text(path, document), mode=FOR_ALL)
    except FileExistsError:
        raise _exists_error(path) from None
    except OSError as error:
        raise InvalidError(f"cannot write {path}: {reason_of(error)}", hint="name another file") from None
    try:
        load_scenario(path)
    except InvalidError:
        path.unlink()
        raise
    say(f"{path} is ready: {going_on('run', scenario=path)}")
    return ExitCode.OK


def _exists_error(path: Path) -> InvalidError:
    return InvalidError(f"{path} exists already", hint="name another file; nothing is overwritten")


def _skeleton(name: str) -> dict[str, Any]:
    return {
        "version": 1,
        "name": name,
        "description": "",
        "population": {"size": 100, "seed": 1},
        "gift": {"threshold": 200},
        "backend": {"kind": keys(scenario_schema())["backend.kind"]["default"]},
        "environment": "sandbox",
    }


def _description(document: dict[str, Any]) -> str:
    gift = " and get a gift" if document["gift"].get("threshold") else ""
    return f"{document['population']['size']} people join{gift}."


def _answered(document: dict[str, Any], answer: str) -> dict[str, Any]:
    """The document with one more value, given as KEY=VALUE with VALUE in YAML."""
    key, _, text = answer.partition("=")
    value = plain(compose(Source("--set", text, Path.cwd()), [])) if text.strip() else None
    return with_value(document, key, value)


def _check(path: Path, document: dict[str, Any], overrides: Sequence[str] = ()) -> None:
    """Raises DiagnosticsError for an invalid document. Errors in the overrides name --set, others the new file."""
    try:
        _load(document, overrides)
    except DiagnosticsError as error:
        raise DiagnosticsError(_of_file(path, problem) for problem in error.diagnostics) from None


def _of_file(path: Path, problem: Diagnostic) -> Diagnostic:
    if problem.file.startswith("--"):
        return problem
    hint = "`--name` gives it another" if problem.key == "name" else problem.hint
    return replace(problem, file=str(path), line=0, hint=hint)  # the file does not exist yet, so there is no line


def _load(document: dict[str, Any], overrides: Sequence[str] = ()) -> None:
    with tempfile.TemporaryDirectory(prefix="cicscenario-new-") as folder:
        path = Path(folder) / "scenario.yaml"
        write_whole(path, json.dumps(document))  # JSON is a subset of YAML
        load_scenario(path, overrides)


def _valid(document: dict[str, Any]) -> bool:
    try:
        _load(document)
    except InvalidError:
        return False
    return True


# --- questions ----------------------------------------------------------------------------------------------------


def _asked(path: Path, document: dict[str, Any], known: set[str], ask: Ask) -> dict[str, Any]:
    """The document with the user's answers. After an invalid answer, shows the error and asks again."""
    for key, schema in _questions():
        if key in known or key.split(".")[0] in known or not _possible(document, key, schema):
            continue
        default = _held(document, key, schema.get("default"))
        while True:
            answer = ask(f"{first_sentence(schema)} ({_choices(schema)})", _yaml(default)).strip()
            if answer == _yaml(default):
                break
            try:
                _check(path, document, [f"{key}={answer}"])
            except InvalidError as error:
                say(error.message)
                continue
            document = _answered(document, f"{key}={answer}")
            break
    return document


def _questions() -> Iterator[tuple[str, Schema]]:
    known = keys(scenario_schema())
    yield from ((key, known[key]) for key in _FIRST)
    for key, schema in known.items():
        own = "properties" in schema and schema.get("default") is not None  # a mapping with a default
        if "." not in key and key not in _NOT_ASKED and not own:
            yield key, schema


def _possible(document: dict[str, Any], key: str, schema: Schema) -> bool:
    """Whether the scenario is valid with any of the key's examples."""
    return any(_valid(with_value(document, key, example)) for example in schema["examples"])


def _held(document: Any, key: str, default: Any) -> Any:
    for name in key.split("."):
        if not isinstance(document, dict) or name not in document:
            return default
        document = document[name]
    return document


def _choices(schema: Schema) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "enum" in schema.get("items", {}):
        return f"[{', '.join(map(str, schema['items']['enum']))}] or some of them"
    if schema.get("type") == "boolean":
        return "true | false"
    return f"such as {_yaml(schema['examples'][0])}"


# --- the file -----------------------------------------------------------------------------------------------------


def _text(path: Path, document: dict[str, Any]) -> str:
    # The result is YAML, not HTML, so there is nothing to escape; what comes from outside has been dumped as YAML.
    jinja = Environment(undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, autoescape=False)  # noqa: S701
    template = jinja.from_string(template_path("scenario.yaml.j2").read_text("utf-8"))
    properties = scenario_schema()["properties"]
    blocks = []
    for key, schema in properties.items():
        if key in document:
            blocks.append("\n".join(_lines(key, document[key], schema, "")))
        elif key not in ("extends", "vars") and (shown := _example(document, key, schema)):
            blocks.append(shown)
    return template.render(blocks=blocks, schema=schema_path("scenario-v1").as_uri(), file=json.dumps(str(path))[1:-1])


def _lines(key: str, value: Any, schema: Schema, indent: str) -> Iterator[str]:
    """The lines of a key with its value and a comment. In a mapping, keys that are not given are commented out."""
    if not isinstance(value, dict) or not schema.get("properties"):
        yield f"{indent}{key}: {_yaml(value)}{_comment(schema) if key not in _NOT_ASKED else ''}"
        return
    yield f"{indent}{key}:{_comment(schema)}"
    for name, child in schema["properties"].items():
        if name in value:
            yield from _lines(name, value[name], child, f"{indent}  ")
        elif not child.get("properties"):
            default = child.get("default")
            shown = child["examples"][0] if default is None else default
            yield f"{indent}  # {name}: {_yaml(shown)}{_comment(child)}"


def _example(document: dict[str, Any], key: str, schema: Schema) -> str | None:
    """A commented-out key, with an example value that is valid in this scenario."""
    default = schema.get("default")
    values = [default] if default not in (None, {}, []) else schema["examples"]
    fitting = next((value for value in values if _valid(document | {key: value})), None)
    return None if fitting is None else f"# {key}: {_yaml(fitting)}{_comment(schema)}"


def _comment(schema: Schema) -> str:
    text = first_sentence(schema) + (f" ({_choices(schema)})" if "enum" in schema else "")
    return f" # {text if len(text) <= _COMMENT else text[: _COMMENT - 1] + '…'}"


def _yaml(value: Any) -> str:
    """A value on one line."""
    text: str = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False)
    return text.strip()[1:-1] if value is not None else "none"
