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

#: scrypt parameters by strength, as geth has them: a second and 256 MiB a key, or a twentieth of a second and 4 MiB.
STRENGTHS = {"standard": (2**18, 8, 1), "light": (2**12, 8, 6)}
#: n * r * p of the heaviest file that is opened: eight times the standard, 2 GiB. A file may ask for any amount.
_MOST_WORK = 8 * 2**18 * 8
_MOST_ROUNDS = 100_000_000  # of pbkdf2; a hundred times eth_account's default
#: Bytes of the largest file that is opened; one is about 500. Deep nesting cannot exhaust the stack within this.
_LARGEST = 10_000
#: What reading a file raises when a part is missing, of another type, or beyond all measure.
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, OverflowError, MemoryError, RecursionError)


def encrypt(private_key: bytes, password: str, strength: str) -> bytes:
    """The JSON of a V3 file; ``strength`` is ``standard`` or ``light``. Derives without the interpreter's lock."""
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
    """The private key in a V3 file, by scrypt or pbkdf2; raises InvalidError for a wrong password, or what is not one."""
    try:
        sealed = _read(blob)
        derived = sealed.derive(password)
    except _MALFORMED as error:
        raise InvalidError(f"not a V3 keystore file: {type(error).__name__}: {error}") from None
    if not hmac.compare_digest(keccak(derived[16:32] + sealed.ciphertext), sealed.mac):
        raise InvalidError("the password does not open this keystore file")
    private_key = _aes(derived[:16], sealed.iv, sealed.ciphertext)
    if sealed.address and sealed.address != address_of(private_key):
        raise InvalidError(f"the keystore file says it is of 0x{sealed.address.hex()}, but holds another account's key")
    return private_key


@dataclass(frozen=True)
class _Sealed:
    """A V3 file as read; ``address`` is empty in one that does not tell."""

    address: bytes
    ciphertext: bytes
    iv: bytes
    mac: bytes
    derive: Callable[[str], bytes]  #: 32 bytes from the password


def _read(blob: bytes) -> _Sealed:
    if len(blob) > _LARGEST:
        raise ValueError(f"{len(blob):,} bytes long, expected at most {_LARGEST:,}")
    document = json.loads(blob)
    crypto = document["crypto"]
    _expect("version", document["version"], 3)
    _expect("cipher", crypto["cipher"], "aes-128-ctr")
    ciphertext = bytes.fromhex(crypto["ciphertext"])
    iv = bytes.fromhex(crypto["cipherparams"]["iv"])
    _expect("length of the ciphertext", len(ciphertext), 32)
    _expect("length of the iv", len(iv), 16)
    address = bytes.fromhex(document.get("address", "").removeprefix("0x"))
    return _Sealed(address, ciphertext, iv, bytes.fromhex(crypto["mac"]), _derivation(crypto))


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise ValueError(f"{what} is {found!r:.40}, expected {expected!r}")


def _derivation(crypto: dict[str, Any]) -> Callable[[str], bytes]:
    params = crypto["kdfparams"]
    salt = bytes.fromhex(params["salt"])
    _expect("dklen", params["dklen"], 32)
    if crypto["kdf"] == "scrypt":
        n, r, p = params["n"], params["r"], params["p"]
        if n * r * p > _MOST_WORK:
            raise ValueError(f"scrypt with n={n}, r={r}, p={p} would take more memory or time than any wallet asks for")
        return lambda password: _scrypt(password, salt, n, r, p)
    _expect("kdf", crypto["kdf"], "pbkdf2")
    _expect("prf", params["prf"], "hmac-sha256")
    rounds = params["c"]
    if rounds > _MOST_ROUNDS:
        raise ValueError(f"pbkdf2 with c={rounds} would take more time than any wallet asks for")
    return lambda password: hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds, 32)


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    # OpenSSL refuses more than 32 MiB unless told what is needed.
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, dklen=32, maxmem=128 * r * (n + p + 2) + 2**20)


def _aes(key: bytes, iv: bytes, data: bytes) -> bytes:
    result: bytes = AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=iv).encrypt(data)
    return result


def write_keyfile(path: Path, blob: bytes) -> None:
    """Writes the file at once, readable by its owner only from the first byte on."""
    write_whole(path, blob, mode=OWNER_ONLY, durable=True)


def problem_of(path: Path, address: bytes) -> str | None:
    """What is wrong with the keystore file of an address, without opening its key; None when nothing is."""
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
