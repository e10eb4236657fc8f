"""The keys of custodial accounts, encrypted at rest.

Table ``ethereum`` of the database cic_signer, as funga-ethd has it: the key as a Fernet token under
keccak(secret || password), beside its address.
"""

import base64
import contextlib
import secrets
from collections.abc import Collection
from pathlib import Path

import psycopg2
from cryptography.fernet import Fernet, InvalidToken
from eth_hash.auto import keccak

from cicscenario.chain.signer import address_of, derive_key
from cicscenario.sandbox.record import write

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ethereum (
  id serial PRIMARY KEY,
  key_ciphertext varchar(256) NOT NULL,
  wallet_address_hex char(40) NOT NULL UNIQUE
)"""


class Vault:
    """One process's access to the keys; addresses are 40 lower-case hexadecimal digits. Not safe for several threads."""

    def __init__(self, dsn: str, secret: bytes) -> None:
        self._secret = secret
        self._database = psycopg2.connect(dsn)
        self._database.autocommit = True

    def prepare(self) -> None:
        """Makes the table."""
        with self._database.cursor() as cursor:
            cursor.execute(_SCHEMA)

    def create(self, occasion: str, password: str = "") -> str:
        """A new key, and its address. The same ``occasion`` gives the same one, so that a repeated task makes no second."""
        key = derive_key(keccak(self._secret + occasion.encode()), 0)
        address = address_of(key).hex()
        with self._database.cursor() as cursor:
            cursor.execute(
                "INSERT INTO ethereum (key_ciphertext, wallet_address_hex) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (self._fernet(password).encrypt(key).decode(), address),
            )
        return address

    def held(self, addresses: Collection[str]) -> set[str]:
        """Those of ``addresses`` whose keys are here."""
        with self._database.cursor() as cursor:
            cursor.execute(
                "SELECT wallet_address_hex FROM ethereum WHERE wallet_address_hex = ANY(%s)", (list(addresses),)
            )
            return {address for (address,) in cursor.fetchall()}

    def keys(self, addresses: Collection[str]) -> dict[str, bytes]:
        """Private keys by address, of those that are here and need no password."""
        fernet = self._fernet("")
        with self._database.cursor() as cursor:
            cursor.execute(
                "SELECT wallet_address_hex, key_ciphertext FROM ethereum WHERE wallet_address_hex = ANY(%s)",
                (list(addresses),),
            )
            rows = cursor.fetchall()
        found = {}
        for address, token in rows:
            with contextlib.suppress(InvalidToken):  # it is under a password, which nobody keeps
                found[address] = fernet.decrypt(token.encode())
        return found

    def _fernet(self, password: str) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(keccak(self._secret + password.encode())))


def read_secret(folder: Path) -> bytes:
    """The secret that the keys are kept under, 32 bytes, made at the first call. Its file is its owner's alone."""
    path = folder / "signer.secret"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write(path, secrets.token_hex(32) + "\n")
    return bytes.fromhex(path.read_text("ascii"))
