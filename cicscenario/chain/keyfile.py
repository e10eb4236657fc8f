"""V3 keystore files (Web3 Secret Storage): private keys under a password."""

import hashlib
import hmac
import json
import os
import secrets
import uuid
from pathlib import Path
from typing import Any

from Crypto.Cipher import AES
from Crypto.Util import Counter
from eth_hash.auto import keccak

from cicscenario.chain.signer import address_of
from cicscenario.errors import InvalidError

#: scrypt parameters by strength, as geth has them: a second and 256 MiB a key, or a twentieth of a second and 4 MiB.
STRENGTHS = {"standard": (2**18, 8, 1), "light": (2**12, 8, 6)}


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
    """The private key in a V3 file; raises InvalidError for a wrong password or a file that is not one."""
    try:
        crypto = json.loads(blob)["crypto"]
        derived = _derive(crypto, password)
        ciphertext = bytes.fromhex(crypto["ciphertext"])
        mac = bytes.fromhex(crypto["mac"])
        iv = bytes.fromhex(crypto["cipherparams"]["iv"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidError(f"not a V3 keystore file: {type(error).__name__} at {error}") from None
    if not hmac.compare_digest(keccak(derived[16:32] + ciphertext), mac):
        raise InvalidError("the password does not open this keystore file")
    return _aes(derived[:16], iv, ciphertext)


def _derive(crypto: dict[str, Any], password: str) -> bytes:
    params = crypto["kdfparams"]
    salt = bytes.fromhex(params["salt"])
    if crypto["kdf"] == "scrypt":
        return _scrypt(password, salt, params["n"], params["r"], params["p"])
    if crypto["kdf"] == "pbkdf2":
        return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, params["c"], params["dklen"])
    raise ValueError(f"kdf {crypto['kdf']}")


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    # OpenSSL refuses more than 32 MiB unless told what is needed.
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, dklen=32, maxmem=128 * r * (n + p + 2) + 2**20)


def _aes(key: bytes, iv: bytes, data: bytes) -> bytes:
    counter = Counter.new(128, initial_value=int.from_bytes(iv, "big"))
    result: bytes = AES.new(key, AES.MODE_CTR, counter=counter).encrypt(data)
    return result


def write_keyfile(path: Path, blob: bytes) -> None:
    """Writes the file at once, readable by its owner only from the first byte on."""
    passing = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(blob)
        file.flush()
        os.fsync(file.fileno())
    passing.rename(path)
