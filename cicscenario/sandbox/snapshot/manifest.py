"""The first part of a snapshot: what is in it, what it was made with, and how much it is."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from cicscenario.jsontext import JsonTextError, parse_json
from cicscenario.sandbox.nodes import NODES
from cicscenario.sandbox.packages import PACKAGES
from cicscenario.sandbox.services import SERVICES
from cicscenario.sandbox.ussd.menus import DIALECTS

SCHEMA = 1  #: of the file and of the manifest; a snapshot of another schema is refused
_MOST_FILES = 100_000_000  # a run of a million people has some five million
_TEXT = 200  # characters of a text
_REGISTRY = re.compile("0x[0-9a-f]{40}")
_WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
#: The name of a run's folder.
#: Of a run directory; behind a slash, of that of a combination of a matrix.
RUN_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/(?=[^/]*=)[A-Za-z0-9][A-Za-z0-9._,=+-]{0,99})?")


@dataclass(frozen=True)
class Manifest:
    """What a snapshot says of itself. ``parse`` has checked every value, for the file may be somebody else's."""

    made: str  #: when, as ISO 8601 in UTC
    program: str  #: version of cicscenario
    node: str
    contracts: str
    registry: str
    services: tuple[str, ...]  #: those that the sandbox has, in starting order
    dialect: str | None  #: of the phone interface, if it was not the default
    forms: Mapping[str, str]  #: by service: the form of its data; equal on both sides, or the snapshot is refused
    state_form: int  #: format of the runs' states
    runs: Mapping[str, int]  #: by the name of its folder: how many people
    files: int  #: files and folders
    size: int  #: bytes of all files, unpacked

    def text(self) -> bytes:
        return json.dumps({"schema": SCHEMA, **asdict(self)}, sort_keys=True).encode()


def parse(text: bytes) -> Manifest:
    """The manifest. Raises ValueError, with the reason, when anything in it is not as it has to be."""
    document = parse_json(text)
    if not isinstance(document, dict):
        raise JsonTextError("what it says of itself is no JSON object")
    if (schema := document.pop("schema", None)) != SCHEMA:
        raise ValueError(f"it has schema {str(schema)[:20]}, and this cicscenario reads schema {SCHEMA}")
    if document.keys() != {field.name for field in fields(Manifest)}:
        raise ValueError("what it says of itself is incomplete, or has unknown parts")
    for name, is_right in _RULES.items():
        if not is_right(document[name]):
            raise ValueError(f"`{name}` in it is {json.dumps(document[name])[:80]}, which cannot be")
    if document["forms"].keys() != set(document["services"]):
        raise ValueError("`forms` and `services` in it are not about the same services")
    return Manifest(**document | {"services": tuple(document["services"])})


def differences(manifest: Manifest, forms: Mapping[str, str], state_form: int) -> Sequence[str]:
    """What in a snapshot is of another form than this installation has; ``forms`` are its own, by service."""
    found = [
        f"{name}: {manifest.forms[name]} in the snapshot, {forms[name]} here"
        for name in manifest.services
        if manifest.forms[name] != forms[name]
    ]
    if manifest.state_form > state_form:
        found.append(f"states of runs: format {manifest.state_form} in the snapshot, up to {state_form} here")
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _TEXT and value.isprintable()


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _are_services(value: Any) -> bool:
    return isinstance(value, list) and value == [name for name in SERVICES if name in value] and "node" in value


_RULES = {
    "made": lambda value: isinstance(value, str) and bool(_WHEN.fullmatch(value)),
    "program": _is_text,
    "node": lambda value: isinstance(value, str) and value in NODES,
    "contracts": lambda value: isinstance(value, str) and value in PACKAGES,
    "registry": lambda value: isinstance(value, str) and bool(_REGISTRY.fullmatch(value)),
    "services": _are_services,
    "dialect": lambda value: value is None or (isinstance(value, str) and value in DIALECTS),
    "forms": lambda value: (
        isinstance(value, dict) and value.keys() <= SERVICES.keys() and all(map(_is_text, value.values()))
    ),
    "state_form": _is_count,
    "runs": lambda value: (
        isinstance(value, dict) and all(map(RUN_NAME.fullmatch, value)) and all(map(_is_count, value.values()))
    ),
    "files": lambda value: _is_count(value) and value <= _MOST_FILES,
    "size": _is_count,
}
