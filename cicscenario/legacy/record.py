"""Reads a person document from a file of the old data-seeding tools."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from cicscenario.errors import InvalidError
from cicscenario.people.vcard import decode
from cicscenario.resources import load_schema


@dataclass(frozen=True)
class OldRecord:
    """A person document, unchanged, and the E.164 phone number in its vCard."""

    document: dict[str, Any]
    phone: str


def read_record(path: Path, address: bytes, *, validated: bool = False) -> OldRecord:
    """Reads the person document of an address. ``validated`` skips the schema, for a file that was validated before.

    Raises InvalidError without the path.
    """
    document = read_json(path)
    if not validated:
        _validate(document)
    try:
        identities, vcard = document["identities"], document["vcard"]
    except (LookupError, TypeError):
        raise InvalidError("is no longer a person document") from None
    if address not in addresses(identities):
        raise InvalidError(f"its identities do not have the address of its file name, {address.hex()}")
    return OldRecord(document, e164(decode(str(vcard)).phone))


def _validate(document: Any) -> None:
    for error in _validator().iter_errors(document):
        where = ".".join(map(str, error.absolute_path)) or "the document"
        raise InvalidError(f"not a person document: {where}: {error.message:.200}")


#: Maximum number of lists and mappings in a file; a person document has a dozen. Very deep nesting exhausts the parser's
#: stack, which is a crash if a library has raised the interpreter's recursion limit.
_MOST_NESTED = 5_000


def read_json(path: Path) -> Any:
    """Reads a JSON file. Raises InvalidError without the path."""
    try:
        return json.loads(_shallow(path.read_text("utf-8")), parse_constant=_not_json)
    except OSError as error:
        raise InvalidError(f"cannot be read: {(error.strerror or type(error).__name__).lower()}") from None
    except (ValueError, RecursionError):
        raise InvalidError("is not JSON in UTF-8") from None


def _shallow(text: str) -> str:
    if text.count("[") + text.count("{") > _MOST_NESTED:
        raise ValueError(f"more than {_MOST_NESTED} lists and mappings")
    return text


def _not_json(constant: str) -> Any:
    raise ValueError(constant)


def e164(phone: str) -> str:
    """The number without blanks, dashes and brackets. Raises InvalidError when it is not international (E.164)."""
    plain = phone.translate({ord(c): None for c in " -()"})
    if not (plain.startswith("+") and plain.isascii() and plain[1:].isdigit() and 7 <= len(plain) - 1 <= 15):
        raise InvalidError(
            f"its phone number {phone!r:.30} is not international: expected E.164, such as +254711000001"
        )
    return plain


def addresses(identities: Any) -> set[bytes]:
    """All addresses in ``identities``, at any depth, because the tools of 2021 had one level less."""
    return {address for text in _texts(identities) if (address := parse_address(text))}


def parse_address(text: str) -> bytes | None:
    """Parses an address in hexadecimal, with or without 0x, to 20 bytes; None when it is not an address."""
    digits = text.strip().removeprefix("0x")
    try:
        return bytes.fromhex(digits) if len(digits) == 40 else None
    except ValueError:
        return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


@cache
def _validator() -> Draft202012Validator:
    """The validator of ``schemas/person-v1.json``, relaxed for the files of 2021.

    These have no products, may have an empty date of birth and coordinates of up to 91 and 181 degrees, and their
    identities have one level less. Unknown keys are kept.
    """
    schema = copy.deepcopy(load_schema("person-v1"))
    fields = schema["properties"]
    schema["required"].remove("products")
    del schema["additionalProperties"]
    fields["gender"] = {"type": "string", "minLength": 1}
    fields["identities"] = {"type": "object", "minProperties": 1}
    location = fields["location"]
    del location["additionalProperties"]
    for name in ("latitude", "longitude"):
        location["properties"][name] = {"type": "number"}
    fields["date_of_birth"]["minProperties"] = 0
    del fields["date_of_birth"]["required"]
    return Draft202012Validator(schema)
