"""V3 keystore files (Web3 Secret Storage): private keys under a password."""

import hashlib
import hmac
import json
import secrets
import stat
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from Crypto.Cipher import AES
from eth_hash.auto import keccak

from cicscenario.chain.signer import address_of
from cicscenario.errors import InvalidError
from cicscenario.files import OWNER_ONLY, write_whole

#: scrypt parameters (n, r, p) as in geth. A standard key takes a second and 256 MiB, a light one 0.05 seconds and 4 MiB.
STRENGTHS = {"standard": (2**18, 8, 1), "light": (2**12, 8, 6)}
#: Limit for n * r * p of a file that is opened, since a file can demand any amount: eight times the standard, 2 GiB.
_MAX_SCRYPT_WORK = 8 * 2**18 * 8
_MAX_PBKDF2_ROUNDS = 100_000_000  # a hundred times eth_account's default
#: Limit for the bytes of a file that is opened; a usual one has about 500. JSON this short cannot exhaust the stack.
_MAX_FILE_SIZE = 10_000
#: What reading a file raises when a part is missing, has a wrong type, or is far too large.
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, OverflowError, MemoryError, RecursionError)


def encrypt(private_key: bytes, password: str, strength: str) -> bytes:
    """The JSON of a V3 file; ``strength`` is ``standard`` or ``light``. Deriving the key releases the interpreter lock."""
    n, r, p = STRENGTHS[strength]
    salt, iv = secrets.token_bytes(32), secrets.token_bytes(16)
    derived = _scrypt(password, salt, n, r, p)
    ciphertext = _aes(derived[:16], iv, private_key)
    document = {
        "address": address_of(private_key).hex(),
        "version": 3,
        "id": str(uuid.uuid4()),
        "crypto": {
            "cipher": "aes-128-ctr",
            "ciphertext": ciphertext.hex(),
            "cipherparams": {"iv": iv.hex()},
            "kdf": "scrypt",
            "kdfparams": {"dklen": 32, "n": n, "p": p, "r": r, "salt": salt.hex()},
            "mac": keccak(derived[16:32] + ciphertext).hex(),
        },
    }
    return json.dumps(document).encode()


def decrypt(blob: bytes, password: str) -> bytes:
    """The private key in a V3 file (scrypt or pbkdf2). Raises InvalidError for a wrong password or an invalid file."""
    try:
        encrypted = _read(blob)
        derived = encrypted.derive(password)
    except _MALFORMED as error:
        raise InvalidError(f"not a V3 keystore file: {type(error).__name__}: {error}") from None
    if not hmac.compare_digest(keccak(derived[16:32] + encrypted.ciphertext), encrypted.mac):
        raise InvalidError("the password does not open this keystore file")
    private_key = _aes(derived[:16], encrypted.iv, encrypted.ciphertext)
    if encrypted.address and encrypted.address != address_of(private_key):
        raise InvalidError(
            f"the keystore file says it is of 0x{encrypted.address.hex()}, but holds another account's key"
        )
    return private_key


@dataclass(frozen=True)
class _EncryptedKey:
    """The content of a V3 file; ``address`` is empty if the file has none."""

    address: bytes
    ciphertext: bytes
    iv: bytes
    mac: bytes
    derive: Callable[[str], bytes]  #: 32 bytes from the password


def _read(blob: bytes) -> _EncryptedKey:
    if len(blob) > _MAX_FILE_SIZE:
        raise ValueError(f"{len(blob):,} bytes long, expected at most {_MAX_FILE_SIZE:,}")
    document = json.loads(blob)
    crypto = document["crypto"]
    _expect("version", document["version"], 3)
    _expect("cipher", crypto["cipher"], "aes-128-ctr")
    ciphertext = bytes.fromhex(crypto["ciphertext"])
    iv = bytes.fromhex(crypto["cipherparams"]["iv"])
    _expect("length of the ciphertext", len(ciphertext), 32)
    _expect("length of the iv", len(iv), 16)
    address = bytes.fromhex(document.get("address", "").removeprefix("0x"))
    return _EncryptedKey(address, ciphertext, iv, bytes.fromhex(crypto["mac"]), _derivation(crypto))


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise ValueError(f"{what} is {found!r:.40}, expected {expected!r}")


def _derivation(crypto: dict[str, Any]) -> Callable[[str], bytes]:
    params = crypto["kdfparams"]
    salt = bytes.fromhex(params["salt"])
    _expect("dklen", params["dklen"], 32)
    if crypto["kdf"] == "scrypt":
        n, r, p = params["n"], params["r"], params["p"]
        if n * r * p > _MAX_SCRYPT_WORK:
            raise ValueError(f"scrypt with n={n}, r={r}, p={p} would take too much memory or time")
        return lambda password: _scrypt(password, salt, n, r, p)
    _expect("kdf", crypto["kdf"], "pbkdf2")
    _expect("prf", params["prf"], "hmac-sha256")
    rounds = params["c"]
    if rounds > _MAX_PBKDF2_ROUNDS:
        raise ValueError(f"pbkdf2 with c={rounds} would take too much time")
    return lambda password: hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds, 32)


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    # Without maxmem, OpenSSL refuses to use more than 32 MiB.
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, dklen=32, maxmem=128 * r * (n + p + 2) + 2**20)


def _aes(key: bytes, iv: bytes, data: bytes) -> bytes:
    result: bytes = AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=iv).encrypt(data)
    return result


def write_keyfile(path: Path, blob: bytes) -> None:
    """Writes the file atomically; at no time can others than its owner read it."""
    write_whole(path, blob, mode=OWNER_ONLY, durable=True)


def problem_of(path: Path, address: bytes) -> str | None:
    """What is wrong with the keystore file of an address, or None. The key is not decrypted."""
    try:
        mode = path.stat().st_mode
        held = json.loads(path.read_bytes())
        named = held["address"].lower().removeprefix("0x")
        complete = held["version"] == 3 and held["crypto"]["ciphertext"] and held["crypto"]["mac"]
    except FileNotFoundError:
        return f"keystore file {path.name} is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"keystore file {path.name} cannot be read: {error!r}"
    if not complete or named != address.hex():
        return f"keystore file {path.name} is not a V3 file of this account"
    if stat.S_IMODE(mode) & 0o077:
        return f"keystore file {path.name} can be read by others (mode {stat.S_IMODE(mode):o})"
    return None
