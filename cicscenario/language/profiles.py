"""Profiles of people: the shipped ones, and files of users. Finds the errors of a file as those of scenarios are found."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from cicscenario.language.diagnostic import Code, Diagnostic, DiagnosticsError, nearest
from cicscenario.language.kinds import OTHERS_KEYS, all_names
from cicscenario.language.nodes import Mapping, Scalar, compose, plain, scalar_at
from cicscenario.language.source import Source, Span, read_source
from cicscenario.language.validation import validate
from cicscenario.profile import Profile, years
from cicscenario.resources import load_schema, profile_names, profile_path

UNIFORM = "uniform"  #: the name for no profile
PROFILE = "profile-v1"  #: the schema
VERSION = 1
PEOPLE, PAYERS = ("population", "profile"), ("traffic", "profile")  #: the keys of a scenario that name profiles
#: Tables by group, and the table that has their groups.
_BY_GROUP = {"gender_by_occupation": "occupations", "products": "occupations", "languages_by_place": "places"}
_COMMON = frozenset({"source", "licence", "people"})  #: keys that files of other programs have, too
_MAY_BE_EMPTY = "products"
_PAYMENTS = "payments"


def named_profile(document: Mapping, key: tuple[str, str], problems: list[Diagnostic]) -> Profile | None:
    """The profile that a scenario names at ``key``; None for ``uniform``, and when it cannot be read: then adds its errors."""
    node = scalar_at(document, key)
    if node is None or not isinstance(node.value, str) or not node.value or "\0" in node.value or node.value == UNIFORM:
        return None
    shipped = profile_path(node.value)
    try:
        return load_profile(shipped or node.span.source.folder / node.value, named_by_file=shipped is None)
    except DiagnosticsError as error:
        first = error.diagnostics[0]
        problems.extend(error.diagnostics if first.line else [_unread(node, ".".join(key), first)])
        return None


def _unread(node: Scalar, key: str, problem: Diagnostic) -> Diagnostic:
    """The error for a file that cannot be read, at the place that names it."""
    names, folder = [UNIFORM, *profile_names()], node.span.source.folder
    written = str(node.value)
    beside = _beside(folder)
    guess = nearest(Path(written).name, [*names, *beside, *(Path(name).stem for name in beside)])
    guess = next((name for name in beside if Path(name).stem == guess), guess)
    return node.span.diagnostic(
        Code.NO_SUCH_FILE,
        f"the profile {written} cannot be read: {problem.message}",
        key=key,
        expected=f"{', '.join(f'`{name}`' for name in names)}, or the path of a profile file",
        suggestion=guess if guess != written else None,
    )


def _beside(folder: Path) -> list[str]:
    try:
        return sorted(file.name for file in folder.iterdir() if file.suffix in (".yaml", ".yml", ".json"))
    except OSError:
        return []


def leave_to_profile(profile: Profile, document: Mapping, values: dict[str, Any]) -> None:
    """Removes the defaults of keys that the scenario does not write itself, and that the profile decides.

    Changes the effective ``values`` of the scenario.
    """
    held = document.entries["population"].value
    people = values["population"]
    decided = ["locales", *(["languages"] if profile.languages else [])]
    for key in decided:
        if isinstance(held, Mapping) and key not in held.entries:
            people[key] = None


def is_profile_document(document: Mapping) -> bool:
    """Whether a document has keys that tell profiles, and none that only files of other kinds have.

    One key alone, such as ``languages``, may be of another program.
    """
    keys = document.entries.keys()
    own = set(load_schema(PROFILE)["properties"]) - OTHERS_KEYS - _COMMON
    return ("measured" in keys or len(keys & own) > 1) and not keys & (all_names() - OTHERS_KEYS)


def is_profile(path: Path) -> bool:
    """Whether the file is a profile, with or without mistakes. False when it cannot be read."""
    try:
        document = compose(read_source(path), [])
    except DiagnosticsError:
        return False
    return isinstance(document, Mapping) and is_profile_document(document)


def load_profile(path: Path, *, named_by_file: bool = False) -> Profile:
    """The profile in a file, YAML or JSON. Raises DiagnosticsError with every error of the file.

    ``named_by_file``: another file names it; see ``read_source``. A JSON file is shown, too, when it is a profile.
    """
    return parse_profile(read_source(path, named_by_file=named_by_file))


def parse_profile(source: Source) -> Profile:
    """As ``load_profile``, for a file that is read already."""
    problems: list[Diagnostic] = []
    document = compose(source, problems)
    if not source.quoted and isinstance(document, Mapping) and is_profile_document(document):
        problems.clear()
        document = compose(replace(source, quoted=True), problems)
    if not isinstance(document, Mapping):
        raise DiagnosticsError([_not_a_profile(document.span)])
    if first := _of_another_kind(document) or _newer(document):
        raise DiagnosticsError([first])
    findings = validate(load_schema(PROFILE), document, env=False)
    problems += [problem for _, problem in findings.problems]
    invalid = {path[0] for path in findings.wrong if path}
    problems += _contradictions(document, invalid)
    if problems:
        told = [replace(one, key=f"profile.{one.key}") if one.key else one for one in problems]  # as `explain` has them
        raise DiagnosticsError(sorted(told, key=lambda problem: (problem.line, problem.column)))
    return Profile.of(plain(document))


def _not_a_profile(span: Span) -> Diagnostic:
    return span.diagnostic(Code.NOT_A_MAPPING, "this is not a profile of people", expected="keys and values")


def _of_another_kind(document: Mapping) -> Diagnostic | None:
    own = load_schema(PROFILE)["properties"]
    others = [key for key in document.entries if key in all_names() and key not in own]
    if not others:
        return None
    message = f"this is not a profile of people: only scenarios and environment files have `{others[0]}`"
    expected = f"keys such as {', '.join(load_schema(PROFILE)['required'])}"
    return document.entries[others[0]].key.diagnostic(Code.OTHER_FILE, message, expected=expected)


def _newer(document: Mapping) -> Diagnostic | None:
    """The error for a version that is not known here. What else is in such a file cannot be judged."""
    node = scalar_at(document, ("version",))
    if node is None or type(node.value) is not int or node.value <= VERSION:
        return None
    return node.span.diagnostic(
        Code.INVALID_VALUE,
        f"this profile has the format of version {node.value}, which is newer than this cicscenario",
        expected=f"version {VERSION}",
        key="profile.version",
        hint="read it with the cicscenario that wrote it, or a newer one",
    )


def _contradictions(document: Mapping, invalid: set[str | int]) -> Iterator[Diagnostic]:
    """What is wrong in a document whose keys, but those of ``invalid``, are valid by the schema."""
    for key, entry in document.entries.items():
        if key in invalid or not isinstance(entry.value, Mapping):
            continue
        if key == _PAYMENTS:
            yield from _odd_quantiles(entry.value)
            continue
        if key not in _BY_GROUP:
            yield from _without_weight(entry.value, key, entry.key)
            continue
        for group, one in entry.value.entries.items():
            assert isinstance(one.value, Mapping)
            if one.value.entries or key != _MAY_BE_EMPTY:
                yield from _without_weight(one.value, f"{key}.{group}", one.key)
        if _BY_GROUP[key] not in invalid:
            yield from _unknown_groups(document, key, entry.value)
    if "ages" not in invalid:
        yield from _odd_bands(document)
    if not {"joined", "measured"} & invalid:
        yield from _too_late(document)


def _without_weight(table: Mapping, name: str, place: Span) -> Iterator[Diagnostic]:
    if not any(isinstance(entry.value, Scalar) and entry.value.value for entry in table.entries.values()):
        yield place.diagnostic(
            Code.INVALID_VALUE,
            f"all weights of `{name}` are 0",
            expected="at least one above 0",
            key=name.split(".")[0],
        )


def _odd_quantiles(payments: Mapping) -> Iterator[Diagnostic]:
    """Tables that do not say what the least and the most is, and values that are lower than those of fewer people."""
    for name, entry in payments.entries.items():
        if not isinstance(entry.value, Mapping):
            continue
        key, table = f"{_PAYMENTS}.{name}", entry.value.entries
        missing = [share for share in ("0", "1") if share not in table]
        if missing:
            yield entry.key.diagnostic(
                Code.MISSING_KEY,
                f"`{name}` has no value at {missing[0]}",
                key=key,
                expected="the least value at 0, and the largest one at 1",
            )
        pairs = sorted((float(share), share, plain(one.value)) for share, one in table.items())
        for (_, before, first), (_, share, second) in pairwise(pairs):
            if second < first:
                yield table[share].key.diagnostic(
                    Code.CONTRADICTION,
                    f"`{name}` is {second} at {share}, and {first} at {before}",
                    key=key,
                    expected="values that do not fall as the share of people rises",
                )


def _unknown_groups(document: Mapping, key: str, table: Mapping) -> Iterator[Diagnostic]:
    holder = document.entries[_BY_GROUP[key]].value if _BY_GROUP[key] in document.entries else None
    known = list(holder.entries) if isinstance(holder, Mapping) else []
    for group, entry in table.entries.items():
        if known and group not in known:
            message = f"`{_BY_GROUP[key]}` has no `{group}`"
            yield entry.key.diagnostic(
                Code.UNKNOWN_KEY,
                message,
                key=key,
                expected=f"a name that is in `{_BY_GROUP[key]}`",
                suggestion=nearest(group, known),
            )


def _odd_bands(document: Mapping) -> Iterator[Diagnostic]:
    for band, place in _groups(document, "ages"):
        if "-" in band and years(band)[0] > years(band)[1]:
            low, high = years(band)
            yield place.diagnostic(
                Code.INVALID_VALUE, f"`{band}` ends before it begins", key="ages", suggestion=f"{high}-{low}"
            )


def _too_late(document: Mapping) -> Iterator[Diagnostic]:
    measured = scalar_at(document, ("measured",))
    for month, place in _groups(document, "joined"):
        if measured and month > str(measured.value)[: len(month)]:
            message = f"people joined in {month}, after the day of the figures ({measured.value})"
            yield place.diagnostic(Code.CONTRADICTION, message, key="joined", hint="mend the month, or `measured`")


def _groups(document: Mapping, key: str) -> Iterator[tuple[str, Span]]:
    table = document.entries[key].value if key in document.entries else None
    if isinstance(table, Mapping):
        yield from ((name, entry.key) for name, entry in table.entries.items())
