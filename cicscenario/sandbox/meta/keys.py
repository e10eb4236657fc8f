"""The OpenPGP keys in a metadata server's folder: the writer's key pair, and the public keys that the server trusts."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from pysequoia import ArmorKind, Cert, CipherSuite, Profile, Tsk, armor

from cicscenario.errors import StateRefusedError
from cicscenario.files import OWNER_ONLY, write_whole
from cicscenario.sandbox.meta.protect import protect

_USER = "cicscenario sandbox writer <writer@sandbox.invalid>"
_TRUSTED = "trusted"  # folder of further public keys


@dataclass(frozen=True)
class WriterKeys:
    """The files of the key pair with which importers sign; all have mode 0600."""

    private_key: Path
    passphrase: Path
    public_key: Path


def ensure_keys(folder: Path) -> WriterKeys:
    """Makes the writer's Ed25519 key in ``folder`` unless it exists. The key has a passphrase and never expires.

    It is not RSA, because a signature with RSA-3072 takes five milliseconds, and with Ed25519 a fraction of one.

    The public key is written last. So after a kill, the next call makes a new pair unless this one was complete. Raises
    StateRefusedError when the public key exists and another file of the pair is missing.
    """
    keys = WriterKeys(folder / "writer.asc", folder / "writer.passphrase", folder / "writer.pub.asc")
    if keys.public_key.exists():
        for path in (keys.private_key, keys.passphrase):
            if not path.exists():
                raise StateRefusedError(
                    f"{path} is missing, but {keys.public_key} exists",
                    hint="restore it, or delete the public key; then a new pair is made",
                )
        return keys
    folder.mkdir(parents=True, exist_ok=True)
    key = Tsk.generate(user_id=_USER, cipher_suite=CipherSuite.Cv25519, profile=Profile.RFC4880)
    passphrase = secrets.token_urlsafe(24)
    write_whole(keys.passphrase, passphrase, mode=OWNER_ONLY)
    write_whole(keys.private_key, armor(protect(key, passphrase), ArmorKind.SecretKey), mode=OWNER_ONLY)
    write_whole(keys.public_key, armor(bytes(key.extract_certificate()), ArmorKind.PublicKey), mode=OWNER_ONLY)
    return keys


def trusted_keys(folder: Path) -> list[Cert]:
    """The writer's public key, and all keys in the files ``folder``/trusted/*.asc.

    Raises StateRefusedError for a file without a public key.
    """
    paths = [folder / "writer.pub.asc", *sorted((folder / _TRUSTED).glob("*.asc"))]
    return [cert for path in paths for cert in _read(path)]


def _read(path: Path) -> list[Cert]:
    try:
        certs = Cert.split_bytes(path.read_bytes())
    except Exception as error:  # the library has no exceptions of its own
        reason = str(error).partition("\n")[0]  # the rest may be a backtrace
        raise StateRefusedError(f"{path}: not an OpenPGP public key: {reason}") from None
    if not certs:
        raise StateRefusedError(f"{path}: there is no OpenPGP public key in it")
    return certs
