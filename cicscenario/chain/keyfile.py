"""V3 keystore files (Web3 Secret Storage): private keys under a password."""

import hashlib
import hmac
import json
import re
import secrets
import stat
import unicodedata
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from Crypto.Cipher import AES

from cicscenario.boundaries import Boundary
from cicscenario.chain.signer import KEY_BYTES, address_of, why_not_a_key
from cicscenario.errors import InvalidError, reason_of
from cicscenario.files import write_whole
from cicscenario.inputs import read_input
from cicscenario.jsontext import parse_json
from cicscenario.keccak import keccak

_KEYFILE = Boundary("keystore.file")
#: scrypt parameters (n, r, p) as in geth. A standard key takes a second and 256 MiB, a light one 0.05 seconds and 4 MiB.
STRENGTHS = {"standard": (2**18, 8, 1), "light": (2**12, 8, 6)}
#: Limits for a file that is opened, since a file can demand any amount. Wallets write keys up to the standard one.
_MAX_SCRYPT_MEMORY = 512 * 2**20  # bytes, of 128 * n * r; twice the standard
_MAX_SCRYPT_WORK = 4 * 2**18 * 8  # n * r * p; four times the standard, some seconds
_MAX_PBKDF2_ROUNDS = 10_000_000  # ten times eth_account's default, some seconds
#: Limit for the bytes of a file that is opened; a usual one has about 500. JSON this short cannot exhaust the stack.
MAX_FILE_SIZE = 10_000
_DERIVED = 32  # bytes that are derived from the password
#: What reading a file raises when a part is missing, has a wrong type, or is far too large.
_MALFORMED = (ValueError, OverflowError, MemoryError, AttributeError)


def encrypt(private_key: bytes, password: str, strength: str) -> bytes:
    """The JSON of a V3 file; ``strength`` is ``standard`` or ``light``. Deriving the key releases the interpreter lock."""
    n, r, p = STRENGTHS[strength]
    salt, iv = secrets.token_bytes(32), secrets.token_bytes(16)
    derived = _scrypt(password.encode(), salt, n, r, p)
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
    """The 32-byte private key in a V3 file (scrypt or pbkdf2), as any wallet writes it.

    Raises InvalidError for a wrong password, for an invalid file, and for a key that the curve does not have.
    """
    try:
        encrypted = _read(blob)
        derived = encrypted.derived(password)
    except _MALFORMED as error:
        raise InvalidError(f"not a V3 keystore file: {_reason(error)}") from None
    if derived is None:
        raise InvalidError("the password does not open this keystore file")
    private_key = _aes(derived[:16], encrypted.iv, encrypted.ciphertext)
    if len(private_key) < KEY_BYTES and not encrypted.address:
        raise InvalidError(f"the keystore file holds a private key of {len(private_key)} bytes, expected {KEY_BYTES}")
    private_key = private_key.rjust(KEY_BYTES, b"\0")  # some wallets left out the zeros at the beginning
    if why := why_not_a_key(private_key):
        raise InvalidError(f"the keystore file holds a private key that {why}")
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
    derive: Callable[[bytes], bytes]  #: 32 bytes from the password

    def derived(self, password: str) -> bytes | None:
        """What the password gives; None when it is the wrong one.

        Most wallets encode the password as it is; ethers brings it into Unicode's form NFKC first.
        """
        for form in dict.fromkeys((password, unicodedata.normalize("NFKC", password))):
            derived = self.derive(form.encode())
            if hmac.compare_digest(keccak(derived[16:32] + self.ciphertext), self.mac):
                return derived
        return None


def _read(blob: bytes) -> _EncryptedKey:
    if len(blob) > MAX_FILE_SIZE:
        raise ValueError(f"it is longer than {MAX_FILE_SIZE:,} bytes")
    document = _Part("", parse_json(blob))
    crypto = document.part("crypto")
    _expect("`version`", document.number("version"), 3)
    _expect("`cipher`", crypto.word("cipher"), "aes-128-ctr")
    ciphertext, iv = crypto.hexadecimal("ciphertext"), crypto.part("cipherparams").hexadecimal("iv")
    if not 0 < len(ciphertext) <= KEY_BYTES:
        raise ValueError(f"`ciphertext` has {len(ciphertext)} bytes, expected {KEY_BYTES}")
    _expect("length of `iv`", len(iv), 16)
    address = document.hexadecimal("address") if document.get("address") else b""
    return _EncryptedKey(address, ciphertext, iv, crypto.hexadecimal("mac"), _derivation(crypto))


class _Part:
    """A mapping in a V3 file. Wallets differ in the case of its keys and in how they write numbers and bytes."""

    def __init__(self, name: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"`{name}` is not a mapping" if name else "expected a JSON object")  # noqa: TRY004
        self._values = {key.lower(): value for key, value in value.items()}

    def get(self, key: str) -> Any:
        """The value of a key in lower case; None for one that is missing or null."""
        return self._values.get(key)

    def _required(self, key: str) -> Any:
        value = self.get(key)
        if value is None:
            raise ValueError(f"it has no `{key}`")
        return value

    def part(self, key: str) -> "_Part":
        return _Part(key, self._required(key))

    def word(self, key: str) -> str:
        return str(self._required(key)).lower()

    def hexadecimal(self, key: str) -> bytes:
        """Bytes in hexadecimal, with or without ``0x``."""
        text = self._required(key)
        digits = text[2:] if isinstance(text, str) and text[:2] in ("0x", "0X") else text
        if not isinstance(digits, str) or not re.fullmatch("(?:[0-9a-fA-F]{2})*", digits):
            raise ValueError(f"`{key}` is not hexadecimal bytes")
        return bytes.fromhex(digits)

    def number(self, key: str) -> int:
        """A whole number, which may be written as 8, 8.0 or "8"."""
        value = self._required(key)
        try:
            number: int | None = None if isinstance(value, bool) else int(value)
        except (ValueError, TypeError, OverflowError):
            number = None
        if number is None or (isinstance(value, float) and number != value):
            raise ValueError(f"`{key}` is not a whole number")
        return number


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise ValueError(f"{what} is {found!r:.40}, expected {expected!r}")


def _reason(error: Exception) -> str:
    return "it asks for more memory than there is" if isinstance(error, MemoryError) else str(error)


def _derivation(crypto: _Part) -> Callable[[bytes], bytes]:
    params = crypto.part("kdfparams")
    salt = params.hexadecimal("salt")
    if params.get("dklen") is not None and params.number("dklen") < _DERIVED:
        raise ValueError(
            f"`dklen` is {params.number('dklen')}, expected {_DERIVED}"
        )  # the rest of a longer one is unused
    if crypto.word("kdf") == "scrypt":
        n, r, p = params.number("n"), params.number("r"), params.number("p")
        _refuse_costly_scrypt(n, r, p)
        return lambda password: _scrypt(password, salt, n, r, p)
    _expect("`kdf`", crypto.word("kdf"), "pbkdf2")
    _expect("`prf`", params.word("prf"), "hmac-sha256")
    rounds = params.number("c")
    if not 1 <= rounds <= _MAX_PBKDF2_ROUNDS:
        raise ValueError(f"pbkdf2 with c={_figure(rounds)}, expected 1 to {_MAX_PBKDF2_ROUNDS:,} rounds")
    return lambda password: hashlib.pbkdf2_hmac("sha256", password, salt, rounds, _DERIVED)


def _refuse_costly_scrypt(n: int, r: int, p: int) -> None:
    """Raises ValueError, with the figures, for parameters that scrypt does not have or that take too much memory or time."""
    asked = f"scrypt with n={_figure(n)}, r={_figure(r)}, p={_figure(p)}"
    if n < 2 or n & (n - 1) or min(r, p) < 1:
        raise ValueError(f"there is no {asked}: n is a power of 2, and the others are at least 1")
    if (memory := 128 * n * r) > _MAX_SCRYPT_MEMORY:
        asked = f"{asked} takes {_figure(memory // 2**20)} MiB of memory"
        raise ValueError(f"{asked}, expected at most {_MAX_SCRYPT_MEMORY // 2**20}")
    if (work := n * r * p) > _MAX_SCRYPT_WORK:
        raise ValueError(f"{asked} takes a work (n * r * p) of {_figure(work)}, expected at most {_MAX_SCRYPT_WORK:,}")


def _figure(number: int) -> str:
    """A number for messages; of a very large one, its size."""
    return f"{number:,}" if number.bit_length() <= 64 else f"more than 2^{number.bit_length() - 1}"


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    # Without maxmem, OpenSSL refuses to use more than 32 MiB.
    maxmem = 128 * r * (n + p + 2) + 2**20
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, dklen=_DERIVED, maxmem=maxmem)


def _aes(key: bytes, iv: bytes, data: bytes) -> bytes:
    result: bytes = AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=iv).encrypt(data)
    return result


def write_keyfile(path: Path, blob: bytes) -> None:
    """Writes the file atomically; at no time can others than its owner read it."""
    with _KEYFILE:
        write_whole(path, blob, durable=True, many=True)


def problem_of(path: Path, address: bytes) -> str | None:
    """What is wrong with the keystore file of an address, or None. The key is not decrypted."""
    try:
        mode = path.lstat().st_mode
        held = _read(read_input(path, MAX_FILE_SIZE, follow=False))
    except FileNotFoundError:
        return f"keystore file {path.name} is missing"
    except OSError as error:
        return f"keystore file {path.name} cannot be read: {reason_of(error)}"
    except _MALFORMED as error:
        return f"keystore file {path.name} is not a V3 file: {_reason(error)}"
    if held.address != address:
        return f"keystore file {path.name} is not a V3 file of this account"
    if stat.S_IMODE(mode) & 0o077:
        return f"keystore file {path.name} can be read by others (mode {stat.S_IMODE(mode):o})"
    return None
