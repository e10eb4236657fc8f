"""One person: the document that the stack keeps of them, and what the run needs to know beside it."""

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
    old_address: bytes  #: 20 bytes, on the chain people come from
    gift: int  #: the opening balance, in whole tokens
    address: bytes | None = None  #: 20 bytes: the account, once there is one

    @classmethod
    def of(cls, id: int, document: dict[str, Any], **fields: Any) -> Self:
        """A person whose document is given as a mapping."""
        return cls(id, json.dumps(document), **fields)

    @cached_property
    def document(self) -> dict[str, Any]:
        """The person document; most steps have no need of it, and reading it is what takes long."""
        document: dict[str, Any] = json.loads(self.document_json)
        return document

    @property
    def account(self) -> bytes:
        """The person's account; whatever asks for it comes after the account was made."""
        if self.address is None:
            raise AssertionError(f"person {self.id} has no account yet")
        return self.address


def identified(document: dict[str, Any], chain: ChainSpec, address: bytes) -> dict[str, Any]:
    """A copy of the document with the new address behind those it has, checksummed, as the old tools write it."""
    new = copy.deepcopy(document)
    fork = new["identities"].setdefault(chain.engine, {}).setdefault(chain.fork, {})
    known: list[str] = fork.setdefault(chain.identity_key, [])
    if checksum(address) not in known:
        known.append(checksum(address))
    return new


def checksum(address: bytes) -> str:
    """An address in the mixed case of EIP-55, with 0x."""
    digits = address.hex()
    mask = keccak(digits.encode()).hex()
    return "0x" + "".join(d.upper() if int(m, 16) > 7 else d for d, m in zip(digits, mask, strict=False))


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(load_schema("person-v1"))


def validate(document: dict[str, Any]) -> None:
    """Raises InvalidError naming the first field that is not as ``schemas/person-v1.json`` says."""
    for error in _validator().iter_errors(document):
        where = ".".join(map(str, error.absolute_path)) or "the document"
        raise InvalidError(f"not a person document: {where}: {error.message:.200}")
