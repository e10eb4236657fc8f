"""One person: the person document of the stack, and the other data that a run needs."""

import copy
import json
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Self

from eth_hash.auto import keccak
from jsonschema import Draft202012Validator

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError
from cicscenario.resources import load_schema


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
        document: dict[str, Any] = json.loads(self.document_json)
        return document

    @property
    def account(self) -> bytes:
        """The person's account. Only for people who have one."""
        if self.address is None:
            raise AssertionError(f"person {self.id} has no account yet")
        return self.address


def identified(
    document: dict[str, Any], chain: ChainSpec, address: bytes, spelled: str | None = None
) -> dict[str, Any]:
    """A copy of the document with the new address added to its identities, as ``spelled``; None: with checksum and 0x."""
    new = copy.deepcopy(document)
    fork = new["identities"].setdefault(chain.engine, {}).setdefault(chain.fork, {})
    known: list[str] = fork.setdefault(chain.identity_key, [])
    if checksum(address) not in known:
        known.append(spelled or checksum(address))
    return new


def checksum(address: bytes) -> str:
    """The address with EIP-55 checksum (mixed case) and 0x."""
    digits = address.hex()
    mask = keccak(digits.encode()).hex()
    return "0x" + "".join(d.upper() if int(m, 16) > 7 else d for d, m in zip(digits, mask, strict=False))


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(load_schema("person-v1"))


def validate(document: dict[str, Any]) -> None:
    """Raises InvalidError with the first field that does not match ``schemas/person-v1.json``."""
    for error in _validator().iter_errors(document):
        where = ".".join(map(str, error.absolute_path)) or "the document"
        raise InvalidError(f"not a person document: {where}: {error.message:.200}")
