"""``cicscenario diff``: the effects of a change to scenarios, for reviewers."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cicscenario.cli.revision import Place, place
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import DiagnosticsError, Scenario, is_environment
from cicscenario.language.compare import Change, changes
from cicscenario.language.nodes import Mapping, compose
from cicscenario.language.provenance import Setting
from cicscenario.language.source import YAML, read_source
from cicscenario.printable import json_text, say
from cicscenario.resources import load_schema
from cicscenario.review import difference
from cicscenario.review.difference import Consequence, Difference, Weight, consequence, weigh
from cicscenario.vocabulary import load_scenario, scenario_schema, settings


def diff(before: str, after: str, fmt: str) -> ExitCode:
    """Prints the differences between two scenarios, or between the scenarios of two folders. Asks no service.

    Two environment files can be compared too; in folders, environment files are ignored.

    Returns CHECKS_FAILED (1) when they differ, as `diff` does. Raises InvalidError (2) when one of them is not valid.
    """
    with ExitStack() as stack:
        old, new = (stack.enter_context(place(argument)) for argument in (before, after))
        found = [one for one in _differences(old, new) if not one.same]
    if fmt == "json":
        say(json_text(difference.as_document(found), indent=2))
    elif fmt == "markdown":
        say(difference.as_markdown(found), end="")
    else:
        say(difference.as_text(found))
    return ExitCode.CHECKS_FAILED if found else ExitCode.OK


def _differences(old: Place, new: Place) -> Iterator[Difference]:
    if not (old.path.is_dir() or new.path.is_dir()):
        yield _Comparison(old, new).difference(f"{old.name} -> {new.name}" if old.name != new.name else old.name)
        return
    for side, other in ((old, new), (new, old)):
        if side.path.is_file() or not (side.path.exists() or side.root or other.root):
            raise InvalidError(f"{side.name} is not a folder, but {other.name} is", hint="compare two of one kind")
    sides = _scenarios(old.path), _scenarios(new.path)
    for name in sorted(sides[0] | sides[1]):
        inside = [
            Place(side.path / name, str(Path(side.name) / name), side.root, side.checkout, side.revision)
            for side in (old, new)
        ]
        there = [name in names for names in sides]
        yield _Comparison(*(one if is_there else None for one, is_there in zip(inside, there, strict=True))).difference(
            name
        )


def _scenarios(folder: Path) -> set[str]:
    """The scenarios in a folder: YAML files that look like scenarios and not like environments."""
    files = (file for file in folder.rglob("*") if file.suffix in YAML and file.is_file())
    return {file.relative_to(folder).as_posix() for file in files if _looks_like_one(file)}


def _looks_like_one(file: Path) -> bool:
    try:
        document = compose(read_source(file), [])
    except DiagnosticsError:
        return True  # so that loading it reports the error
    properties = set(scenario_schema()["required"]) | {"extends"}
    return isinstance(document, Mapping) and bool(properties & set(document.entries)) and not is_environment(file)


class _Comparison:
    def __init__(self, old: Place | None, new: Place | None) -> None:
        self._old = old
        self._new = new

    def difference(self, name: str) -> Difference:
        if self._old and self._new and is_environment(self._old.path) and is_environment(self._new.path):
            was, now = ({s.key: s.value for s in _settings(side)} for side in (self._old, self._new))
            found = changes(load_schema("environment-v1"), was, now)
            return Difference(name, tuple(difference.line(change, None) for change in found))
        before = _load(self._old) if self._old else None
        after = _load(self._new) if self._new else None
        weights = [weigh(scenario) if scenario else None for scenario in (before, after)]
        lines: tuple[difference.Line, ...] = ()
        if before and after and self._old and self._new and weights[0]:
            documents = self._old.canonical(before.canonical()), self._new.canonical(after.canonical())
            changed = changes(scenario_schema(), *documents)
            lines = tuple(difference.line(change, self._alone(change, changed, *weights)) for change in changed)
        return Difference(name, lines, *weights)

    def _alone(self, change: Change, changed: list[Change], before: Any, after: Any) -> Consequence | None:
        """The effect of one change alone: the earlier scenario with only this key changed."""
        assert self._old
        if len(changed) == 1:
            return consequence(before, after)
        try:
            scenario = load_scenario(self._old.path, [f"{change.key}={json.dumps(change.after, ensure_ascii=False)}"])
            alone: Weight = weigh(scenario)
        except InvalidError:  # valid only together with another change
            return None
        return consequence(before, alone)


def _settings(where: Place) -> list[Setting]:
    try:
        return settings(where.path)
    except DiagnosticsError as error:
        raise where.error(error) from None


def _load(where: Place) -> Scenario:
    try:
        return load_scenario(where.path)
    except DiagnosticsError as error:
        raise where.error(error) from None
