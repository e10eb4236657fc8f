"""Signatures by an OpenPGP key, as the metadata server wants them: armored, detached, over a binary document."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NoReturn

from pysequoia import Cert, PySigner, Sig, SignatureMode, Tsk, sign, verify
from pysequoia.packet import Packet, PacketPile, Tag

from cicscenario.errors import CicScenarioError, InvalidError
from cicscenario.printable import foreign
from cicscenario.wording import counted

_BLOCK = re.compile("^-----BEGIN PGP ([A-Z ]+)-----", re.MULTILINE)
_PRIVATE = (Tag.SecretKey, Tag.SecretSubkey)
_KEYS = (Tag.PublicKey, Tag.PublicSubkey, *_PRIVATE)
#: Of keys and signatures. cic-meta verifies with OpenPGP.js 4, which knows no later version.
_VERSION = 4
#: RSA (two numbers), DSA, ECDSA and EdDSA: the signature algorithms of OpenPGP.js 4, by their numbers in RFC 4880.
_ALGORITHMS = (1, 3, 17, 19, 22)
#: Characters; a usual key has a thousand. What is packed in a file unpacks to a thousand times as much at most.
_LONGEST = 200_000
_TRIAL = b"is this key able to sign?"
_NEW = "make another key (such as `gpg --quick-generate-key NAME ed25519 sign never`), and let the metadata server trust it"


class OpenPgpSigner:
    """A private key, parsed and unlocked once. Threads may share it.

    ``armor`` is the text of the key file; ``passphrase`` is not looked at when the key has none. Raises InvalidError
    for what is not one private key, for a wrong passphrase, and for a key that cannot sign today what the server can
    verify: the server takes a signature by such a key with 200, and then stores nothing or dies.
    """

    def __init__(self, armor: str, passphrase: str | None = None) -> None:
        certificate = _only_key(armor)
        self.fingerprint = certificate.fingerprint.upper()  #: of the primary key, 40 hexadecimal digits
        self._name = f"the metadata key {self.fingerprint}"
        packets = _packets(armor)
        self._refuse_unsigning(packets)
        self.expires = self._expiration(certificate, packets)  #: None for a key that does not expire
        self._signer = self._unlock(armor, passphrase, packets)
        self._try(certificate)

    def _refuse_unsigning(self, packets: list[Packet]) -> None:
        """Refuses what the packets of the key show by themselves."""
        primary = packets[0]
        if (version := primary.body[0]) != _VERSION:
            self._refuse(f"is of OpenPGP version {version}, whose signatures the metadata server cannot verify", _NEW)
        if primary.key_created and primary.key_created > datetime.now(UTC):
            valid_from = f"is not valid before {primary.key_created:%Y-%m-%d %H:%M} UTC"
            self._refuse(valid_from, "is the clock of this machine right, and was that of the one that made the key?")
        if not any(packet.tag in _PRIVATE for packet in packets):
            export = f"export the private one: gpg --armor --export-secret-keys {self.fingerprint}"
            self._refuse("is a public key, which cannot sign", export)

    def _expiration(self, certificate: Cert, packets: list[Packet]) -> datetime | None:
        try:
            with _told("reading the metadata key"):
                expires, revoked = certificate.expiration, certificate.is_revoked
        except InvalidError as error:
            reason = _curve(packets) or error.message.rpartition(": ")[2]
            if reason.startswith("No binding signature"):
                reason = "none of its own signatures fits it; it is damaged, or of a kind that is not supported"
            self._refuse(f"cannot be used: {reason}", _NEW)
        if revoked:
            self._refuse("is revoked", "use another key")
        if expires is not None and expires <= datetime.now(UTC):
            hint = "make a key that does not expire, and let the metadata server trust it"
            self._refuse(f"has been expired since {expires:%Y-%m-%d %H:%M} UTC", hint)
        return expires

    def _unlock(self, armor: str, passphrase: str | None, packets: list[Packet]) -> PySigner:
        try:
            with _told("opening the metadata key"):
                key = Tsk.from_bytes(armor.encode())
                return key.signer()  # a key without passphrase: the library refuses one that is given
        except InvalidError as error:
            if "encrypted" not in error.message:
                self._refuse_idle(error, packets)
        if passphrase is None:
            self._refuse("has a passphrase, and none is given", "add `meta.passphrase` to the environment file")
        try:
            with _told("opening the metadata key"):
                return key.signer(passphrase)
        except InvalidError as error:
            if "Unsupported" in error.message:
                stub = "does its file hold the key itself, and not only the place of it, such as a smart card?"
                self._refuse(f"cannot be opened: {error.message.rpartition(': ')[2]}", stub)
            raise InvalidError(
                f"the passphrase does not open {self._name}",
                hint="is `meta.passphrase` in the environment file that of `meta.key`?",
            ) from None

    def _refuse_idle(self, error: InvalidError, packets: list[Packet]) -> NoReturn:
        """Refuses a key that the library finds no use for."""
        if "signing subkey" not in error.message:
            self._refuse(f"cannot be used: {error.message}", _NEW)
        may_sign = any(
            packet.key_flags and packet.key_flags.signing for packet in packets if packet.tag is Tag.Signature
        )
        ended = ": the one it had is expired, revoked, or of a kind that is no longer accepted" if may_sign else ""
        self._refuse(
            f"has no part that may sign today{ended}", "it needs a signing key that is neither expired nor revoked"
        )

    def _try(self, certificate: Cert) -> None:
        """Signs something and verifies it: what a key is able to do is seen by this alone."""
        with _told(f"signing with {self._name}"):
            made = sign(self._signer, _TRIAL, mode=SignatureMode.DETACHED)
            (packet,) = PacketPile.from_bytes(made)
            verify(_TRIAL, store=lambda _: [certificate], signature=Sig.from_bytes(made))
        algorithm = packet.body[2]
        if packet.signature_version != _VERSION or algorithm not in _ALGORITHMS:
            what = f"signs with algorithm {algorithm} (version {packet.signature_version} of OpenPGP's signatures)"
            self._refuse(f"{what}, which the metadata server cannot verify", _NEW)

    def _refuse(self, why: str, hint: str) -> NoReturn:
        raise InvalidError(f"{self._name} {why}", hint=hint)

    def sign(self, text: str) -> str:
        """The armored detached signature over the UTF-8 bytes of the text. Raises InvalidError when the key has ended."""
        with _told(f"signing with {self._name}"):
            return sign(self._signer, text.encode(), mode=SignatureMode.DETACHED).decode("ascii")


def _only_key(armor: str) -> Cert:
    """The key in the text of a key file. Raises InvalidError unless it is one."""
    if len(armor) > _LONGEST:
        raise InvalidError(
            f"the metadata key has {len(armor):,} characters, expected at most {_LONGEST:,}",
            hint="export only the key to sign with: gpg --armor --export-options export-minimal --export-secret-keys FINGERPRINT",
        )
    blocks = _BLOCK.findall(armor)
    if not blocks:
        raise InvalidError(
            "the metadata key is not an armored OpenPGP key" + ("" if armor.strip() else ": there is nothing"),
            hint="the file begins with -----BEGIN PGP PRIVATE KEY BLOCK-----",
        )
    with _told("the metadata key is not a whole armored OpenPGP key"):
        found = Cert.split_bytes(armor.encode())
    if len(found) == 1 == len(blocks):
        return found[0]
    names = ", ".join(certificate.fingerprint.upper() for certificate in found)
    raise InvalidError(
        f"the file of the metadata key holds {counted(max(len(found), len(blocks)), 'key')} ({names}), expected one private key",
        hint="export only the one to sign with: gpg --armor --export-secret-keys FINGERPRINT",
    )


def _packets(armor: str) -> list[Packet]:
    with _told("reading the metadata key"):
        return list(PacketPile.from_bytes(armor.encode()))


#: Object identifiers of curves that other programs make keys for. Sources: RFC 5639, SEC 2, RFC 9580.
_CURVES = {
    "2b8104000a": "secp256k1",
    "2b2403030208010107": "brainpoolP256r1",
    "2b240303020801010b": "brainpoolP384r1",
    "2b240303020801010d": "brainpoolP512r1",
}


def _curve(packets: list[Packet]) -> str | None:
    """Says which curve of the key is not supported here. None when it is none of those that are known not to be."""
    for packet in packets:
        if packet.tag in _KEYS and packet.body[5:6] in (
            b"\x12",
            b"\x13",
        ):  # ECDH and ECDSA: then the curve's identifier
            curve = _CURVES.get(packet.body[7 : 7 + packet.body[6]].hex())
            if curve:
                return f"the curve {curve} is not supported"
    return None


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Raises InvalidError for whatever the library raises: RuntimeError, and a BaseException where its Rust code panics."""
    try:
        yield
    except (CicScenarioError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise InvalidError(
            f"{what}: {_reason(error)}", hint="`gpg --show-keys FILE` shows what the file holds"
        ) from None


def _reason(error: BaseException) -> str:
    """The innermost cause in the library's message, on one line and without the stack of its own that follows it."""
    if isinstance(error, UnicodeError):
        return "it is not text"
    lines = [line.strip() for line in str(error).partition("\n\nStack")[0].splitlines() if line.strip()]
    causes = [re.sub(r"^\d+: ", "", line) for line in lines if not line.startswith(("Caused by", "Expected one of"))]
    return foreign(causes[-1]) if causes else type(error).__name__
