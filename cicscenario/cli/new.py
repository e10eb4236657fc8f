"""``cicscenario new``: asks for the main values, and writes a new scenario with comments."""

import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cicscenario.boundaries import Boundary
from cicscenario.cli.newfile import text
from cicscenario.cli.newquestions import Ask, Question, country, questions, understood
from cicscenario.cli.newwords import UnclearError, read, spoken, yes_or_no
from cicscenario.cli.schema import reference, schemas_of, schemas_place, write_schemas
from cicscenario.errors import ExitCode, InvalidError, reason_of
from cicscenario.files import FOLDER_FOR_ALL, FOR_ALL, make_folder, write_new, write_whole
from cicscenario.invocation import going_on
from cicscenario.language import Diagnostic, DiagnosticsError, Scenario
from cicscenario.language.diagnostic import Code
from cicscenario.language.dotted import with_value
from cicscenario.language.lint import lint
from cicscenario.language.load import load_document
from cicscenario.language.nodes import compose, plain
from cicscenario.language.schema import Schema, keys
from cicscenario.language.source import Source
from cicscenario.printable import one_line, say
from cicscenario.unfinished import sweep_beside
from cicscenario.vocabulary import load_scenario, scenario_schema, vocabulary
from cicscenario.wording import agreeing, counted

_CREATE = Boundary("scenario.create")


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
    asked: list[str] = []
    if ask:
        document, asked = _asked(document, {answer.partition("=")[0] for answer in answers}, ask)
    document["description"] = document["description"] or _description(document)
    _check(path, document)
    if ask and not _confirmed(path, document, asked, ask):
        say("nothing was written")
        return ExitCode.INTERRUPTED
    try:
        make_folder(path.parent, mode=FOLDER_FOR_ALL)
        schemas, made = _schemas(path)
        with _CREATE:
            write_new(path, text(str(path), reference(path, schemas), document, _valid), mode=FOR_ALL)
    except FileExistsError:
        raise _exists_error(path) from None
    except OSError as error:
        raise InvalidError(f"cannot write {path}: {reason_of(error)}", hint="name another file") from None
    try:
        load_scenario(path)
    except InvalidError:
        path.unlink()
        raise
    if made:
        named = os.path.relpath(schemas)
        shown = str(schemas) if named.startswith(os.pardir) else named
        say(
            f"{one_line(shown)} is new: editors complete and check the file from the schemas in it; commit it with the file"
        )
    say(f"{path} is ready: {going_on('run', scenario=path)}")
    return ExitCode.OK


def _schemas(path: Path) -> tuple[Path, bool]:
    """The folder of the schemas that the file names, and whether it was made now."""
    if found := schemas_of(path):
        return found, False
    place = schemas_place(path)
    write_schemas(place)
    return place, True


def _confirmed(path: Path, document: dict[str, Any], asked: Sequence[str], ask: Ask) -> bool:
    """Shows what was understood, and asks whether it is right."""
    say("\n".join(["this is what was understood:", *understood(_load(document), asked)]))
    while (wanted := yes_or_no(ask(f"Write {path}? (yes | no)", "yes"))) is None:
        say("possible: yes | no")
    return wanted


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
    size = document["population"]["size"]
    return f"{counted(size, 'person')} {agreeing(size, 'join')}{gift}."


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


def _load(document: dict[str, Any], overrides: Sequence[str] = ()) -> Scenario:
    with tempfile.TemporaryDirectory(prefix="cicscenario-new-") as folder:
        path = Path(folder) / "scenario.yaml"
        write_whole(path, json.dumps(document))  # JSON is a subset of YAML
        return load_scenario(path, overrides)


def _valid(document: dict[str, Any]) -> bool:
    try:
        _load(document)
    except InvalidError:
        return False
    return True


# --- questions ----------------------------------------------------------------------------------------------------


def _asked(document: dict[str, Any], known: set[str], ask: Ask) -> tuple[dict[str, Any], list[str]]:
    """The document with the user's answers, and the keys that were asked for.

    After an answer that means nothing that is possible, says what is, and asks again.
    """
    schemas = keys(scenario_schema())
    asked: list[str] = []
    for question in questions():
        key = question.key
        if key in known or key.split(".")[0] in known or not _possible(document, key, schemas[key]):
            continue
        asked.append(key)
        default = spoken(question, _held(document, key, schemas[key].get("default")))
        if explained := question.lines():
            say("\n".join(explained))
        while (answer := ask(f"{question.words} ({question.such})", default).strip()) not in ("", default):
            try:
                value, changed = _with(document, question, schemas[key], answer)
            except UnclearError as error:
                say(f"{error}\npossible: {question.possible}")
                continue
            meaning = country(value) if key == "population.region" else spoken(question, value)
            if meaning.casefold() != answer.casefold():
                say(f"understood: {meaning}")
            document = changed
            break
    return document, asked


def _with(document: dict[str, Any], question: Question, schema: Schema, answer: str) -> tuple[Any, dict[str, Any]]:
    """The value that is meant by an answer, and the document with it. A key that has it already, or by default, is not written.

    Raises UnclearError when the answer means nothing, or nothing that is possible.
    """
    try:
        value = read(question, schema, answer)
    except UnclearError as error:
        raise _reasoned(document, question, schema, answer) or error from None
    if value == _held(document, question.key, schema.get("default")):
        return value, document
    changed = with_value(document, question.key, value)
    if problems := _problems(changed):
        told = [part for problem in problems for part in (problem.message, problem.expected, problem.hint) if part]
        raise UnclearError(f"`{answer}` is not possible: {'; '.join(told)}")
    return value, changed


def _reasoned(document: dict[str, Any], question: Question, schema: Schema, answer: str) -> UnclearError | None:
    """What is wrong with an answer by the rules of the key; None when they say nothing that helps."""
    known = {Code.WRONG_TYPE: "was not understood", Code.INVALID_VALUE: "is not possible"}
    if question.explained or schema["type"] not in ("integer", "number", "string"):
        return None
    found = [one for one in _problems(document, [f"{question.key}={answer}"]) if one.code in known]
    if not found:
        return None
    hint = (found[0].hint or "").partition(";")[0]  # what follows is about a file
    told = [part for part in (found[0].expected, hint) if part]
    return UnclearError(f"`{answer}` {known[found[0].code]}: {'; '.join(told)}") if told else None


def _problems(document: dict[str, Any], overrides: Sequence[str] = ()) -> Sequence[Diagnostic]:
    """What is wrong with a scenario."""
    try:
        _load(document, overrides)
    except DiagnosticsError as error:
        return error.diagnostics
    return ()


def _possible(document: dict[str, Any], key: str, schema: Schema) -> bool:
    """Whether the scenario is valid with one of the key's examples, and the key has an effect in it."""
    fitting = (with_value(document, key, example) for example in schema["examples"])
    return any(_valid(candidate) and not _idle(candidate, key) for candidate in fitting)


def _idle(document: dict[str, Any], key: str) -> bool:
    """Whether a key has no effect in the scenario."""
    with tempfile.TemporaryDirectory(prefix="cicscenario-new-") as folder:
        path = Path(folder) / "scenario.yaml"
        write_whole(path, json.dumps(document))
        found = lint(path, *load_document(path, (), vocabulary()), vocabulary())
    return any(problem.code is Code.IDLE_KEY and problem.key == key for problem in found)


def _held(document: Any, key: str, default: Any) -> Any:
    for name in key.split("."):
        if not isinstance(document, dict) or name not in document:
            return default
        document = document[name]
    return document
