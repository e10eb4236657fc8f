"""The encrypted private keys of custodial accounts.

They are in the table ``ethereum`` of the database cic_signer, in funga-ethd's format: an address, and the key as a Fernet
token that is encrypted with keccak(secret || password).
"""

import base64
import contextlib
import secrets
from collections.abc import Collection
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from cicscenario.chain.signer import address_of, derive_key
from cicscenario.files import write_once
from cicscenario.keccak import keccak
from cicscenario.sandbox import preparing

SCHEMA = """
CREATE TABLE IF NOT EXISTS ethereum (
  id serial PRIMARY KEY,
  key_ciphertext varchar(256) NOT NULL,
  wallet_address_hex char(40) NOT NULL UNIQUE
)"""


class Vault:
    """One connection to the keys' database; addresses are 40 lower-case hexadecimal digits. Not thread-safe."""

    def __init__(self, dsn: str, secret: bytes) -> None:
        self._secret = secret
        self._connection = preparing.connect(dsn=dsn)

    def prepare(self) -> None:
        """Creates the table."""
        with self._connection.cursor() as cursor:
            cursor.execute(SCHEMA)

    def create(self, seed: str, password: str = "") -> str:
        """Stores a new key and gives its address. The same ``seed`` gives the same key, so a repeated task makes no second."""
        key = derive_key(keccak(self._secret + seed.encode()), 0)
        address = address_of(key).hex()
        with self._connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO ethereum (key_ciphertext, wallet_address_hex) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (self._fernet(password).encrypt(key).decode(), address),
            )
        return address

    def held(self, addresses: Collection[str]) -> set[str]:
        """The ``addresses`` whose keys are in the vault."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT wallet_address_hex FROM ethereum WHERE wallet_address_hex = ANY(%s::bpchar[])",
                (list(addresses),),
            )
            return {address for (address,) in cursor.fetchall()}

    def keys(self, addresses: Collection[str]) -> dict[str, bytes]:
        """Private keys by address; keys that are not in the vault or have a password are left out."""
        fernet = self._fernet("")
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT wallet_address_hex, key_ciphertext FROM ethereum WHERE wallet_address_hex = ANY(%s::bpchar[])",
                (list(addresses),),
            )
            rows = cursor.fetchall()
        found = {}
        for address, token in rows:
            with contextlib.suppress(InvalidToken):  # it was made with a password, which is not stored
                found[address] = fernet.decrypt(token.encode())
        return found

    def close(self) -> None:
        self._connection.close()

    def _fernet(self, password: str) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(keccak(self._secret + password.encode())))


def read_secret(folder: Path) -> bytes:
    """The secret that encrypts the keys, 32 bytes. The first call makes it; only the owner can read its file."""
    path = folder / "signer.secret"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_once(path, secrets.token_hex(32) + "\n")
    return bytes.fromhex(path.read_text("ascii"))
