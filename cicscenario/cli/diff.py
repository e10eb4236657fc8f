"""``cicscenario diff``: the effects of a change to scenarios, for reviewers."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cicscenario.api.revision import Place, place
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import DiagnosticsError, Scenario, is_environment
from cicscenario.language.compare import Change, changes
from cicscenario.language.nodes import Mapping, compose
from cicscenario.language.profiles import is_profile_document
from cicscenario.language.provenance import Setting
from cicscenario.language.source import YAML, read_source
from cicscenario.printable import json_text, say
from cicscenario.resources import load_schema
from cicscenario.review import difference
from cicscenario.review.difference import Consequence, Difference, Weight, consequence, weigh
from cicscenario.vocabulary import load_scenario, load_scenarios, scenario_schema, settings


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
        yield from _of_files(old, new, f"{old.name} -> {new.name}" if old.name != new.name else old.name)
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
        first, second = (one if name in names else None for one, names in zip(inside, sides, strict=True))
        yield from _of_files(first, second, name)


def _of_files(old: Place | None, new: Place | None, name: str) -> Iterator[Difference]:
    """The differences between two files: one, or one for each combination of their matrices, by its values."""
    sides = [_combinations(side) for side in (old, new)]
    if all(list(side) == [""] for side in sides if side):
        yield _Comparison(old, new).difference(name)
        return
    for label in dict.fromkeys(label for side in sides for label in side):
        before, after = (one if label in side else None for one, side in zip((old, new), sides, strict=True))
        values = next(side[label] for side in sides if label in side)
        yield _Comparison(before, after, values).difference(f"{name} ({label or 'without a matrix'})")


def _combinations(side: Place | None) -> dict[str, tuple[str, ...]]:
    """The values for --set that choose each combination, by its label; one without a label for a file without a matrix."""
    if side is None:
        return {}
    if is_environment(side.path):
        return {"": ()}
    try:
        found = [scenario.combination for scenario in load_scenarios(side.path)]
    except DiagnosticsError as error:
        raise side.error(error) from None
    return {one.label if one else "": one.sets if one else () for one in found}


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
    if not isinstance(document, Mapping) or is_profile_document(document):
        return False
    return bool(properties & set(document.entries)) and not is_environment(file)


class _Comparison:
    def __init__(self, old: Place | None, new: Place | None, values: tuple[str, ...] = ()) -> None:
        """``values`` for --set choose the combination of a matrix."""
        self._old = old
        self._new = new
        self._values = values

    def difference(self, name: str) -> Difference:
        if self._old and self._new and is_environment(self._old.path) and is_environment(self._new.path):
            was, now = ({s.key: s.value for s in _settings(side)} for side in (self._old, self._new))
            found = changes(load_schema("environment-v1"), was, now)
            return Difference(name, tuple(difference.line(change, None) for change in found))
        before = _load(self._old, self._values) if self._old else None
        after = _load(self._new, self._values) if self._new else None
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
            value = f"{change.key}={json.dumps(change.after, ensure_ascii=False)}"
            scenario = load_scenario(self._old.path, [*self._values, value])
            alone: Weight = weigh(scenario)
        except InvalidError:  # valid only together with another change
            return None
        return consequence(before, alone)


def _settings(where: Place) -> list[Setting]:
    try:
        return settings(where.path)
    except DiagnosticsError as error:
        raise where.error(error) from None


def _load(where: Place, values: tuple[str, ...]) -> Scenario:
    try:
        return load_scenario(where.path, values)
    except DiagnosticsError as error:
        raise where.error(error) from None
