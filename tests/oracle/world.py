"""The services of an environment file, and how far they were before a run."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import yaml

from tests.oracle.chain import Chain

_SIGNER_DATABASE = "cic_signer"  # of the custodial engine, beside that of the phone interface


@dataclass(frozen=True)
class Place:
    """The services. ``signer`` is the address that pays."""

    environment: dict[str, Any]
    folder: Path
    signer: str

    @property
    def chain(self) -> Chain:
        return Chain(self.environment["chain"]["rpc"])

    @property
    def registry(self) -> str:
        return bare(self.environment["chain"]["registry"])

    def rows(self, sql: str, *values: Any, database: str | None = None) -> list[tuple[Any, ...]]:
        """The answer of the PostgreSQL that the account table is in."""
        where = self.environment["accounts"]
        connection = psycopg2.connect(
            host=where["host"],
            port=where["port"],
            user=where["user"],
            dbname=database or where["database"],
            password=self._secret(where["password"]),
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, values)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def keys(self) -> frozenset[str]:
        """The accounts whose keys the engine holds; none where there is no engine."""
        if "custodial" not in self.environment or "accounts" not in self.environment:
            return frozenset()
        rows = self.rows("SELECT wallet_address_hex FROM ethereum", database=_SIGNER_DATABASE)
        return frozenset(bare(address) for (address,) in rows)

    def phones(self) -> frozenset[str]:
        """The phone numbers in the account table; none where there is no phone interface."""
        if "ussd" not in self.environment:
            return frozenset()
        return frozenset(phone for (phone,) in self.rows("SELECT phone_number FROM account"))

    def entry(self, pointer: bytes) -> Any | None:
        """What the metadata store has at a pointer; None for nothing."""
        try:
            with urllib.request.urlopen(f"{self.environment['meta']['url']}/{pointer.hex()}", timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                return None
            raise

    def _secret(self, text: str) -> str:
        return (self.folder / text.removeprefix("file:")).read_text().strip() if text.startswith("file:") else text


@dataclass(frozen=True)
class Baseline:
    """How far everything was before the run: only what came later is the run's."""

    block: int = -1
    nonce: int = 0
    keys: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()


def place_of(environment: Path, signer: str) -> Place:
    """The services that an environment file names."""
    return Place(yaml.safe_load(environment.read_text()), environment.parent, bare(signer))


def baseline(place: Place) -> Baseline:
    """How far everything is now."""
    return Baseline(place.chain.newest(), place.chain.nonce(place.signer), place.keys(), place.phones())


def bare(address: str) -> str:
    """An address without 0x, in lower case."""
    return address.strip().lower().removeprefix("0x")
