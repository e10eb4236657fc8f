"""The keys of a metadata server's folder: the writer's own, and whom the server trusts."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from pysequoia import ArmorKind, Cert, CipherSuite, Profile, Tsk, armor

from cicscenario.errors import StateRefusedError
from cicscenario.sandbox.meta.protect import protect

_USER = "cicscenario sandbox writer <writer@sandbox.invalid>"
_TRUSTED = "trusted"  # folder of further public keys
_PRIVATE = 0o600


@dataclass(frozen=True)
class WriterKeys:
    """Files of the key that importers sign with: private key and passphrase (mode 0600), public key."""

    private_key: Path
    passphrase: Path
    public_key: Path


def ensure_keys(folder: Path) -> WriterKeys:
    """Makes the writer's Ed25519 key in ``folder`` unless it is there; it never expires and has a passphrase.

    Signing with it takes a fraction of a millisecond, with RSA-3072 five; either side would wait for that.

    Killed at any moment it starts over, until the public key, which comes last, is there. Raises StateRefusedError when
    the public key is there and another file of it is not.
    """
    keys = WriterKeys(folder / "writer.asc", folder / "writer.passphrase", folder / "writer.pub.asc")
    if keys.public_key.exists():
        for path in (keys.private_key, keys.passphrase):
            if not path.exists():
                raise StateRefusedError(
                    f"{path} is missing, though {keys.public_key} is there",
                    hint="bring it back, or remove the public key to have a new pair made",
                )
        return keys
    folder.mkdir(parents=True, exist_ok=True)
    key = Tsk.generate(user_id=_USER, cipher_suite=CipherSuite.Cv25519, profile=Profile.RFC4880)
    passphrase = secrets.token_urlsafe(24)
    _write(keys.passphrase, passphrase)
    _write(keys.private_key, armor(protect(key, passphrase), ArmorKind.SecretKey))
    _write(keys.public_key, armor(bytes(key.extract_certificate()), ArmorKind.PublicKey))
    return keys


def trusted_keys(folder: Path) -> list[Cert]:
    """The writer's public key and those in ``folder``/trusted/*.asc, one or more a file.

    Raises StateRefusedError for a file that holds no public key.
    """
    paths = [folder / "writer.pub.asc", *sorted((folder / _TRUSTED).glob("*.asc"))]
    return [cert for path in paths for cert in _read(path)]


def _read(path: Path) -> list[Cert]:
    try:
        certs = Cert.split_bytes(path.read_bytes())
    except Exception as error:  # the library raises nothing more precise
        reason = str(error).partition("\n")[0]  # a backtrace may follow
        raise StateRefusedError(f"{path}: not an OpenPGP public key: {reason}") from None
    if not certs:
        raise StateRefusedError(f"{path}: there is no OpenPGP public key in it")
    return certs


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    new.replace(path)
