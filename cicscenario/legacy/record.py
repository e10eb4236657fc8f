"""Reads a person document from a file of the old data-seeding tools."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cicscenario.errors import InvalidError, reason_of
from cicscenario.inputs import SMALL, read_input
from cicscenario.jsontext import JsonTextError, parse_json
from cicscenario.people.e164 import e164
from cicscenario.people.person import parse_address
from cicscenario.people.text import has_nul
from cicscenario.people.vcard import decode
from cicscenario.resources import load_schema

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator


@dataclass(frozen=True)
class OldRecord:
    """A person document as it is in the file, but without nulls, and the phone number in its vCard.

    The old tools write null for what is not known. The metadata server cannot keep it.
    """

    document: dict[str, Any]
    phone: str  #: E.164
    notation: str  #: the phone number as it is written there


def read_record(path: Path, address: bytes, region: str | None = None, *, validated: bool = False) -> OldRecord:
    """Reads the person document of an address. ``region`` is the country of phone numbers in national notation.

    ``validated`` skips the schema, for a file that was validated before. Raises InvalidError without the path.
    """
    written = read_json(path)
    document = _without_nulls(written)
    if not validated:
        _validate(document, written)
    try:
        identities, vcard = document["identities"], document["vcard"]
    except (LookupError, TypeError):
        raise InvalidError("is no longer a person document") from None
    if address not in addresses(identities):
        raise InvalidError(f"its identities do not have the address of its file name, {address.hex()}")
    notation = decode(str(vcard)).phone
    return OldRecord(document, e164(notation, region), notation)


def _validate(document: Any, written: Any) -> None:
    for error in _validator().iter_errors(document):
        if error.validator == "required" and not error.absolute_path and _unknown(error, written):
            continue
        where = ".".join(map(str, error.absolute_path)) or "the document"
        raise InvalidError(f"not a person document: {where}: {error.message:.200}")
    if has_nul(document):
        raise InvalidError("has the character U+0000 in a text")


def _unknown(error: Any, written: dict[str, Any]) -> bool:
    """Whether the required field that is missing is null in the file. The identities and the vCard must be known."""
    missing = [name for name in error.validator_value if name not in error.instance]
    return all(name in written and name not in ("identities", "vcard") for name in missing)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value if item is not None] if isinstance(value, list) else value


def read_json(path: Path, *, pairs: bool = False, most: int = SMALL) -> Any:
    """Reads a JSON file in UTF-8, with or without byte order mark. Raises InvalidError without the path.

    With ``pairs``, mappings are lists of pairs, so that a repeated key can be seen. ``most`` is the limit in bytes.
    """
    try:
        return parse_json(read_input(path, most), pairs=list if pairs else None)
    except OSError as error:
        raise InvalidError(f"cannot be read: {reason_of(error)}") from None
    except JsonTextError as error:
        raise InvalidError(str(error).removeprefix("it ")) from None


def addresses(identities: Any) -> set[bytes]:
    """All addresses in ``identities``, at any depth, because the tools of 2021 had one level less."""
    return {address for text in _texts(identities) if (address := parse_address(text))}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


@cache
def _validator() -> "Draft202012Validator":
    """The validator of ``schemas/person-v1.json``, relaxed for the files of 2021.

    These have no products, may have an empty date of birth and coordinates of up to 91 and 181 degrees, and their
    identities have one level less. Unknown keys are kept.
    """
    from jsonschema import Draft202012Validator  # not at the top: slow to load

    schema = copy.deepcopy(load_schema("person-v1"))
    fields = schema["properties"]
    schema["required"].remove("products")
    del schema["additionalProperties"]
    fields["gender"] = {"type": "string", "minLength": 1}
    addresses = {"type": "array", "items": {"type": "string"}}
    forks = {"type": "object", "additionalProperties": addresses}
    # In 2021, the name of a chain and its number, such as oldchain:1, were directly below the engine.
    engines = {"type": "object", "patternProperties": {":": addresses}, "additionalProperties": forks}
    fields["identities"] = {"type": "object", "minProperties": 1, "additionalProperties": engines}
    location = fields["location"]
    del location["additionalProperties"]
    for name in ("latitude", "longitude"):
        location["properties"][name] = {"type": "number"}
    fields["date_of_birth"]["minProperties"] = 0
    del fields["date_of_birth"]["required"]
    return Draft202012Validator(schema)
