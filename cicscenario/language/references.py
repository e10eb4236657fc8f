"""The files that a scenario names: whether they are there, and of the kind that is needed."""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from cicscenario.language.diagnostic import Code, Diagnostic, DiagnosticsError, nearest
from cicscenario.language.kinds import is_environment_document
from cicscenario.language.nodes import Mapping, compose, scalar_at
from cicscenario.language.source import YAML, Span, read_source

SANDBOX = "sandbox"
_RUNS = "runs"  #: the folder of run directories in the home folder
_STATE = "state.sqlite"  #: the file that every run directory has
_TABLES = (".csv", ".tsv", ".txt")  #: endings of tables
_NO_TABLES = (".json", ".xls", ".xlsx", ".ods", ".numbers")
_MOST = 1000  # entries of a folder that are compared with a name


def missing_files(document: Mapping) -> Iterator[Diagnostic]:
    """An error for each file or folder that the scenario names, and that is not there or is not what it has to be."""
    if found := _text_at(document, ("environment",)):
        yield from _environment(*found)
    if found := _text_at(document, ("population", "from")):
        yield from _people(*found)
    if found := _text_at(document, ("pins", "from")):
        yield from _list(*found)


def _text_at(document: Mapping, path: tuple[str, ...]) -> tuple[Span, str] | None:
    """The place and the value of a text; None when it is not there, or is not valid, which is told elsewhere."""
    node = scalar_at(document, path)
    if node is None or not isinstance(node.value, str) or not node.value or "\0" in node.value:
        return None
    return node.span, node.value


def _environment(span: Span, named: str) -> Iterator[Diagnostic]:
    if named == SANDBOX:
        return
    path = span.source.folder / named
    expected = f"`{SANDBOX}`, or an environment file, relative to {_whose(span)}"
    if _is(path.is_dir):
        yield _problem(span, f"{named} is a folder", "environment", expected)
    elif not _is(path.exists):
        guess = _near(span.source.folder, named, lambda file: file.suffix in YAML, [SANDBOX])
        yield _problem(span, f"there is no such file: {named}", "environment", expected, guess)
    else:
        yield from _not_an_environment(span, path, named)


def _not_an_environment(span: Span, path: Path, named: str) -> Iterator[Diagnostic]:
    try:
        document = compose(read_source(path, named_by_file=True), [])
    except DiagnosticsError as error:
        first = error.diagnostics[0]
        where = f" (line {first.line})" if first.line else ""
        hint = f"`cicscenario validate {named}` tells more" if first.line else first.hint
        message = f"{named} cannot be read: {first.message if first.line == 0 else 'there is an error in it'}{where}"
        yield _problem(span, message, "environment", "an environment file", hint=hint)
        return
    if isinstance(document, Mapping) and "population" in document.entries and not is_environment_document(document):
        expected = "an environment file, which says where the services are"
        yield _problem(span, f"{named} is a scenario", "environment", expected, code=Code.OTHER_FILE)


def _list(span: Span, named: str) -> Iterator[Diagnostic]:
    if not _is((span.source.folder / named).is_file):
        guess = _near(span.source.folder, named, _is_table, [])
        yield _problem(span, f"there is no such file: {named}", "pins.from", "a list of PIN hashes (CSV)", guess)


def _is_table(file: Path) -> bool:
    return file.suffix.lower() in _TABLES and file.is_file()


def _people(span: Span, named: str) -> Iterator[Diagnostic]:
    path = span.source.folder / named
    expected = "a table of people (CSV), a folder of the old data-seeding tools, or a run directory"
    if _is(path.is_dir):
        if runs := _runs_of_a_matrix(path):
            first = os.path.join(named, runs[0])  # noqa: PTH118 - as it is written
            message = f"{named} has the runs of a matrix, {len(runs)} of them"
            yield _problem(span, message, "population.from", "the run directory of one combination", first)
        return
    if _is(path.is_file) and path.suffix.lower() not in (*YAML, *_NO_TABLES):
        return  # whether it is a table is known when it is read
    if _is(path.exists):
        yield _problem(span, f"{named} is no folder and no table", "population.from", expected)
        return
    runs = _names_of_runs(span.source.folder) if path.parent.name == _RUNS else []
    if path.name in runs:
        return  # a run of a scenario beside this one, which can be made still
    guess = nearest(path.name, runs)
    suggestion = os.path.join(os.path.dirname(named), guess) if guess else None  # noqa: PTH118, PTH120 - as it is written
    suggestion = suggestion or _near(span.source.folder, named, _brings_people, [])
    what = "file" if path.suffix.lower() in _TABLES else "folder"
    yield _problem(span, f"there is no such {what}: {named}", "population.from", expected, suggestion)


def _brings_people(file: Path) -> bool:
    return file.is_dir() or _is_table(file)


def _runs_of_a_matrix(folder: Path) -> list[str]:
    """The names of the run directories in a folder that is no run itself, and that the old tools did not make."""
    if any(_is((folder / name).exists) for name in (_STATE, "src")):
        return []
    return sorted(file.name for file in _entries(folder) if "=" in file.name and _is((file / _STATE).exists))


def _names_of_runs(folder: Path) -> list[str]:
    """The names that scenarios in a folder probably have: those of their files."""
    return [file.stem for file in _entries(folder) if file.suffix in YAML]


def _problem(
    span: Span,
    message: str,
    key: str,
    expected: str,
    suggestion: str | None = None,
    hint: str | None = None,
    code: Code = Code.NO_SUCH_FILE,
) -> Diagnostic:
    return span.diagnostic(code, message, key=key, expected=expected, suggestion=suggestion, hint=hint)


def _near(folder: Path, named: str, fits: Callable[[Path], bool], others: Iterable[str]) -> str | None:
    """What was probably meant by the name of a file, as the scenario would name it.

    Looks beside the place that is named, and beside the scenario; compares names with and without their ending.
    """
    wanted = Path(named).name
    names: dict[str, str] = {name: name for name in others}
    for place in dict.fromkeys((folder / Path(named).parent, folder)):
        for file in _entries(place):
            if _is(partial(fits, file)):
                for name in (file.name, file.stem):
                    names.setdefault(name, os.path.relpath(file, folder))
    guess = nearest(wanted, names)
    return names[guess] if guess else None


def _entries(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry, _ in zip(os.scandir(folder), range(_MOST), strict=False)]
    except (OSError, ValueError):
        return []


def _is(asked: Callable[[], bool]) -> bool:
    """The answer about a path; False when the system does not tell."""
    try:
        return asked()
    except OSError:
        return False


def _whose(span: Span) -> str:
    return "this file" if not span.source.name.startswith("--") else "the current folder"
