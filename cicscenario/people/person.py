"""One person: the person document of the stack, and the other data that a run needs."""

import copy
import json
import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Self

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError
from cicscenario.jsontext import parse_json
from cicscenario.people import vcard
from cicscenario.resources import load_schema

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator


@dataclass(frozen=True)
class Person:
    """One person, generated or imported. ``document_json`` has the form of ``schemas/person-v1.json``."""

    id: int  #: index in the population, from 0
    document_json: str
    phone: str  #: E.164
    language: str
    tags: tuple[str, ...]
    old_address: bytes  #: 20 bytes, on the chain that the people come from
    gift: int  #: the opening balance, in whole tokens
    address: bytes | None = None  #: 20 bytes: the account; None before it is created
    spelled: str | None = None  #: the account as person documents write it; None: with checksum and 0x

    @classmethod
    def of(cls, id: int, document: dict[str, Any], **fields: Any) -> Self:
        """Makes a person whose document is given as a mapping."""
        return cls(id, json.dumps(document), **fields)

    @cached_property
    def document(self) -> dict[str, Any]:
        """The person document. Parsed when it is read, because parsing is slow and most steps do not need it."""
        document: dict[str, Any] = parse_json(self.document_json)
        return document

    @cached_property
    def name(self) -> str:
        """Given name and family name; empty for a document of other tools that has none."""
        try:
            contact = vcard.decode(self.document["vcard"])
        except (InvalidError, KeyError, TypeError):
            return ""
        return f"{contact.given} {contact.family}".strip()

    @property
    def account(self) -> bytes:
        """The person's account. Only for people who have one."""
        if self.address is None:
            raise AssertionError(f"person {self.id} has no account yet")
        return self.address


def identified(
    document: dict[str, Any], chain: ChainSpec, address: bytes, spelled: str | None = None
) -> dict[str, Any]:
    """A copy of the document with the address added to its identities, as ``spelled``; None: with checksum and 0x.

    A document that has the address for this chain already, in whatever form, stays as it is: the old tools write it with
    checksum and 0x, or in lower case without 0x. Raises InvalidError when the identities do not have the form of
    ``schemas/person-v1.json``.
    """
    new = document | {"identities": copy.deepcopy(document.get("identities"))}
    known: Any = new["identities"]
    for name in (chain.engine, chain.fork):
        known = known.setdefault(name, {}) if isinstance(known, dict) else None
    known = known.setdefault(chain.identity_key, []) if isinstance(known, dict) else None
    if not isinstance(known, list):
        raise InvalidError("its identities are not lists of addresses by engine, fork and chain")
    if not any(parse_address(text) == address for text in known):
        known.append(spelled or checksum(address))
    return new


def unidentified(document: dict[str, Any], address: bytes) -> dict[str, Any]:
    """A copy of the document without the address, in whatever form: as it was before ``identified`` added it."""
    new = copy.deepcopy(document)
    new["identities"] = _without(new.get("identities"), address)
    return new


def _without(identities: Any, address: bytes) -> Any:
    """Lists and mappings that become empty are left out, too."""
    if isinstance(identities, list):
        return [item for item in identities if not isinstance(item, str) or parse_address(item) != address]
    if not isinstance(identities, dict):
        return identities
    kept = {key: _without(value, address) for key, value in identities.items()}
    return {key: value for key, value in kept.items() if value not in ({}, []) or value == identities[key]}


_ADDRESS = re.compile("(?:0[xX])?([0-9a-fA-F]{40})")


def parse_address(text: object) -> bytes | None:
    """Parses an address in hexadecimal, with or without 0x, to 20 bytes; None when it is not an address."""
    found = _ADDRESS.fullmatch(text.strip()) if isinstance(text, str) else None
    return bytes.fromhex(found[1]) if found else None


def checksum(address: bytes) -> str:
    """The address with EIP-55 checksum (mixed case) and 0x."""
    digits = address.hex()
    from cicscenario.keccak import keccak  # not at the top: the names of steps load this module, and need no hash

    mask = keccak(digits.encode()).hex()
    return "0x" + "".join([upper if m > "7" else d for d, upper, m in zip(digits, digits.upper(), mask, strict=False)])


@cache
def _validator() -> "Draft202012Validator":
    from jsonschema import Draft202012Validator  # not at the top: only people from elsewhere are validated

    return Draft202012Validator(load_schema("person-v1"))


def validate(document: dict[str, Any]) -> None:
    """Raises InvalidError with the first field that does not match ``schemas/person-v1.json``."""
    for error in _validator().iter_errors(document):
        where = ".".join(map(str, error.absolute_path)) or "the document"
        raise InvalidError(f"not a person document: {where}: {error.message:.200}")
