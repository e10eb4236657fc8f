"""Signatures by an OpenPGP key, as the metadata server wants them: armored, detached, over a binary document."""

from datetime import UTC, datetime

from pysequoia import Cert, PySigner, SignatureMode, Tsk, sign
from pysequoia.packet import PacketPile, Tag

from cicscenario.errors import InvalidError


class OpenPgpSigner:
    """A private key, parsed and unlocked once. Threads may share it.

    ``armor`` is the text of the key file; ``passphrase`` is not looked at when the key has none. Raises InvalidError
    for what is not a private key, for a wrong passphrase, and for a key that is expired, revoked or not for signing:
    the server takes a signature by such a key with 200, and then stores nothing or dies.
    """

    def __init__(self, armor: str, passphrase: str | None = None) -> None:
        certificate = _certificate(armor)
        self.fingerprint = certificate.fingerprint.upper()  #: of the primary key, 40 hexadecimal digits
        self.expires = certificate.expiration  #: None for a key that does not expire
        if not _is_private(armor):
            raise InvalidError(
                f"the metadata key {self.fingerprint} is a public key, which cannot sign",
                hint="export the private one: gpg --armor --export-secret-keys",
            )
        self._refuse_ended(certificate)
        self._signer = self._unlock(Tsk.from_bytes(armor.encode()), passphrase)

    def _refuse_ended(self, certificate: Cert) -> None:
        if self.expires is not None and self.expires <= datetime.now(UTC):
            raise InvalidError(
                f"the metadata key {self.fingerprint} has been expired since {self.expires:%Y-%m-%d %H:%M} UTC",
                hint="make a key that does not expire, and let the metadata server trust it",
            )
        if certificate.is_revoked:
            raise InvalidError(f"the metadata key {self.fingerprint} is revoked", hint="use another key")

    def _unlock(self, key: Tsk, passphrase: str | None) -> PySigner:
        try:
            return key.signer()  # a key without passphrase: the library refuses one that is given
        except RuntimeError as error:
            if "signing subkey" in _first_line(error):
                raise InvalidError(
                    f"the metadata key {self.fingerprint} has no part that may sign today",
                    hint="it needs a signing key that is neither expired nor revoked",
                ) from None
        if not passphrase:
            raise InvalidError(f"the metadata key {self.fingerprint} has a passphrase, and none is given")
        try:
            return key.signer(passphrase)
        except RuntimeError:
            raise InvalidError(
                f"the passphrase does not open the metadata key {self.fingerprint}",
                hint="is `meta.passphrase` in the environment file that of `meta.key`?",
            ) from None

    def sign(self, text: str) -> str:
        """The armored detached signature over the UTF-8 bytes of the text."""
        return sign(self._signer, text.encode(), mode=SignatureMode.DETACHED).decode("ascii")


def _certificate(armor: str) -> Cert:
    try:
        return Cert.from_bytes(armor.encode())
    except (RuntimeError, UnicodeError) as error:
        raise InvalidError(
            f"the metadata key is not an armored OpenPGP key: {_first_line(error)}",
            hint="the file begins with -----BEGIN PGP PRIVATE KEY BLOCK-----",
        ) from None


def _is_private(armor: str) -> bool:
    return any(packet.tag in (Tag.SecretKey, Tag.SecretSubkey) for packet in PacketPile.from_bytes(armor.encode()))


def _first_line(error: Exception) -> str:
    """The library's message without the stack of its own that follows it."""
    return str(error).partition("\n")[0]
