"""Generates the reference pages from the schemas and registries: ``python -m cicscenario.review.pages [FOLDER]``."""

import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cicscenario.checks import all_checks
from cicscenario.errors import SEVERITY, ExitCode
from cicscenario.files import FOLDER_FOR_ALL, FOR_ALL, make_folder, write_whole
from cicscenario.language.diagnostic import EXPLANATIONS
from cicscenario.language.schema import Schema, first_sentence, keys, required_keys, type_words
from cicscenario.plan.compile import ordered
from cicscenario.resources import load_schema
from cicscenario.review.commands import commands_page
from cicscenario.review.concept import concept_picture
from cicscenario.review.effects import Effect, Outline, by_backend, effects
from cicscenario.review.picture import picture
from cicscenario.steps import all_steps
from cicscenario.vocabulary import scenario_schema

_MADE = "<!-- Made by `python -m cicscenario.review.pages docs`; change the schemas or the code instead. -->"


def pages() -> dict[str, str]:
    """The generated pages by file name."""
    return {
        "language.md": _language(),
        "environment.md": _environment(),
        "profile.md": _profile(),
        "steps.md": _steps(),
        "checks.md": _checks(),
        "exit-codes.md": _exit_codes(),
        "events.md": _events(),
        "commands.md": _page("Commands", commands_page()),
        "architecture.svg": picture(),
        "concepts.svg": concept_picture(),
    }


def write(folder: Path) -> list[Path]:
    """Writes the pages; returns their paths."""
    make_folder(folder, mode=FOLDER_FOR_ALL)
    for name, text in pages().items():
        write_whole(folder / name, text, mode=FOR_ALL)
    return [folder / name for name in pages()]


def _page(title: str, parts: Iterable[str]) -> str:
    return "\n\n".join([_MADE, f"# {title}", *parts]) + "\n"


# --- keys ---------------------------------------------------------------------------------------------------------


def _language() -> str:
    schema = scenario_schema()
    intro = (
        f"{schema['description']} `cicscenario explain KEY` shows the same on the command line; `cicscenario config FILE`"
        " shows all effective values of a file and their origin. Editors complete keys when the first line of the file is"
        " `# yaml-language-server: $schema=` and the path of `schemas/scenario-v1.json`, which `cicscenario schema DIR` writes."
    )
    return _page("The scenario language", [intro, _contents(schema), *_keys(schema, causes=True)])


def _environment() -> str:
    schema = load_schema("environment-v1")
    intro = (
        f"{schema['description']} Never write a secret into the file: keys for secrets take references, `file:` and a path,"
        " or `{{ env.NAME }}`."
    )
    return _page("Environment files", [intro, _contents(schema), *_keys(schema, causes=False)])


def _profile() -> str:
    schema = load_schema("profile-v1")
    intro = (
        f"{schema['description']} [Who the people are](people.md) says how people are drawn from it. A profile is YAML or JSON"
        " without expressions. A weight is any number from 0 on; the weights of a figure need not have a certain sum."
        " `cicscenario validate FILE` checks a profile, and `cicscenario explain profile.KEY` shows what is here."
    )
    return _page("Profile files", [intro, _contents(schema), *_keys(schema, causes=False)])


def _contents(schema: Schema) -> str:
    required = set(schema["required"])
    rows = [
        f"| [`{key}`](#{_anchor(key)}) | {_cell(first_sentence(child))} | {'must be given' if key in required else ''} |"
        for key, child in schema["properties"].items()
    ]
    return "\n".join(["| key | | |", "|:--|:--|:--|", *rows])


def _keys(schema: Schema, *, causes: bool) -> Iterator[str]:
    required = required_keys(schema)
    for key, child in keys(schema).items():
        yield f"## `{key}`"
        yield _text(child["description"])
        rows = [
            ("type", type_words(child, _values)),
            ("default", "must be given" if key in required else _default(child)),
        ]
        rows += [("takes", limits)] if (limits := _limits(child)) else []
        rows += [("example", f"`{_json(example)}`") for example in child["examples"]]
        rows += [("causes", _effect(effect)) for effect in (effects(key) if causes else [])]
        rows.append(("since", child["x-since"]))
        yield "\n".join(["| | |", "|:--|:--|", *(f"| {name} | {_cell(value)} |" for name, value in rows)])


def _values(values: list[Any]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _default(schema: Schema) -> str:
    default = schema.get("default")
    return "none" if default is None else f"`{_json(default)}`"


_LIMITS = {
    "minimum": "at least {:,}",
    "exclusiveMinimum": "more than {:,}",
    "maximum": "at most {:,}",
    "minItems": "at least {} items",
    "pattern": "text that matches `{}`",
}


def _limits(schema: Schema) -> str:
    return ", ".join(text.format(schema[name]) for name, text in _LIMITS.items() if name in schema)


def _effect(effect: Effect) -> str:
    said = ", ".join(effect.words(lambda kind, name: f"{kind} [`{name}`]({kind}s.md#{_anchor(name)})"))
    return f"with `{_json(effect.value)}`: {said}"


# --- steps, checks, codes -----------------------------------------------------------------------------------------


def _steps() -> str:
    backends = by_backend()
    intro = (
        "A scenario is compiled into these steps, in this order. A step is executed once for each person, when all steps that"
        " it comes after are done for that person; steps of different people run at the same time."
        " Each lane has its own threads, so that a slow lane does not block the others."
    )
    parts = [
        intro,
        _table(
            "step",
            {
                step.name: [kind if step.name in found.steps else "" for kind, found in backends.items()]
                for step in ordered(all_steps())
            },
            backends,
        ),
    ]
    for step in ordered(all_steps()):
        ways = _ways(step.name, backends)
        rows = [("after", ", ".join(f"`{name}`" for name in step.after) or "nothing")]
        rows += [("does", f"{summary} ({_values(kinds)}; lane {lane})") for (summary, lane), kinds in ways.items()]
        rows += [("done again", "whenever its result is gone or wrong")] if step.repeatable else []
        rows += (
            [("writes", f"{_values([file.name for file in step.files])}, at the end of every run")]
            if step.files
            else []
        )
        rows += [("key", row) for row in _reasons(step.name, "steps")]
        parts += [f"## `{step.name}`", _rows(rows)]
    return _page("Steps", parts)


def _ways(step: str, backends: dict[str, Outline]) -> dict[tuple[str, str], list[str]]:
    """The ways to execute a step, as (summary, lane), each with the backends that use it."""
    ways: dict[tuple[str, str], list[str]] = {}
    for kind, outline in backends.items():
        for planned in outline.planned:
            if planned.name == step:
                ways.setdefault((planned.summary, planned.lane.value), []).append(kind)
    return ways


def _checks() -> str:
    backends = by_backend()
    intro = (
        "A check asks the services about every person, at the end of `run` and in `verify`. All checks that apply to the"
        " scenario are made, unless `checks` selects others. Each person who does not pass is an error; the exit code is then 1."
    )
    parts = [
        intro,
        _table(
            "check",
            {
                check.name: [kind if check.name in found.checks else "" for kind, found in backends.items()]
                for check in all_checks()
            },
            backends,
        ),
    ]
    for check in all_checks():
        rows = [("key", row) for row in _reasons(check.name, "checks")]
        parts += [f"## `{check.name}`", _sentence(check.summary), *([_rows(rows)] if rows else [])]
    return _page("Checks", parts)


def _table(head: str, rows: dict[str, list[str]], columns: Iterable[str]) -> str:
    """A table of the steps or checks that each backend has."""
    kinds = list(columns)
    lines = [f"| {head} | {' | '.join(f'`{kind}`' for kind in kinds)} |", f"|:--|{':-:|' * len(kinds)}"]
    for name, cells in rows.items():
        lines.append(f"| [`{name}`](#{_anchor(name)}) | {' | '.join('✓' if cell else '' for cell in cells)} |")
    return "\n".join(lines)


def _reasons(name: str, kind: str) -> Iterator[str]:
    """The keys and values that add or remove the step or check."""
    for key in keys(scenario_schema()):
        if key.startswith("checks"):
            continue  # takes the name of any check, so it says nothing about this one
        for effect in effects(key):
            comes = name in getattr(effect, f"{kind}_added")
            if comes or name in getattr(effect, f"{kind}_removed"):
                link = f"[`{key}`](language.md#{_anchor(key)})"
                yield f"{link} {'with' if comes else 'not with'} `{_json(effect.value)}`"


def _exit_codes() -> str:
    said = re.findall(r"^\s+([A-Z_]+) = \d+\s+#: (.+)$", inspect.getsource(ExitCode), re.MULTILINE)
    meaning = dict(said)
    codes = [
        "| code | name | |",
        "|--:|:--|:--|",
        *(f"| {c.value} | `{c.name}` | {meaning[c.name]} |" for c in ExitCode),
    ]
    kinds = (
        "`S…` is an error: the file cannot be run. `L…` is a warning of `validate`, which counts as an error with"
        " `--strict`. A code never gets another meaning. `cicscenario explain CODE` shows the same text."
    )
    order = ", ".join(str(int(code)) for code in sorted(ExitCode, key=SEVERITY.index))
    errors = [f"| `{code}` | {_cell(text)} |" for code, text in EXPLANATIONS.items()]
    return _page(
        "Exit codes, and the codes of errors and warnings",
        [
            "## Exit codes",
            "All commands use these codes; `diff` returns 1 when there is a difference.",
            "\n".join(codes),
            f"A command that goes through the combinations of a matrix returns the worst code of all. From good to bad: {order}.",
            "## Errors and warnings",
            kinds,
            "\n".join(["| code | |", "|:--|:--|", *errors]),
        ],
    )


def _events() -> str:
    schema = load_schema("events-v1")
    intro = (
        "`run`, `verify` and `repair` print with `--json` one event a line, as JSON. Each has `event`, its kind,"
        " and `time`, when it was printed, in UTC (ISO 8601). The last one is the verdict, `CommandEnded`; an error that ends the"
        " command is a `CommandFailed` before it. `schemas/events-v1.json` defines the form of each kind; new kinds may"
        " come."
    )
    parts = [intro]
    for name in schema["properties"]["event"]["enum"]:
        kind = schema["$defs"][name]
        fields = {key: field for key, field in kind["properties"].items() if key not in ("event", "time")}
        rows = [
            f"| `{key}` | {_cell(field.get('description') or schema['$defs']['exit_code']['description'])} |"
            for key, field in fields.items()
        ]
        parts += [f"## `{name}`", _text(kind["description"]), "\n".join(["| field | |", "|:--|:--|", *rows])]
    return _page("Events", parts)


# --- text ---------------------------------------------------------------------------------------------------------


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(["| | |", "|:--|:--|", *(f"| {name} | {_cell(value)} |" for name, value in rows)])


def _json(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|")


def _text(text: str) -> str:
    """Escapes characters that Markdown would read as HTML, outside of code."""
    parts = text.split("`")
    parts[::2] = [part.replace("<", "&lt;").replace("*", "\\*") for part in parts[::2]]
    return "`".join(parts)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _anchor(heading: str) -> str:
    """The anchor that GitLab and GitHub give to a heading that is one name."""
    return re.sub(r"[^a-z0-9_-]", "", heading.lower())


if __name__ == "__main__":
    for written in write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")):
        print(written)
