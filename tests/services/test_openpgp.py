"""Keys that cannot sign are found before the first write, and each message says what is wrong with the key."""

import base64
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pysequoia import ArmorKind, CipherSuite, Profile, SigningAlgorithm, Tsk, armor

from cicscenario.errors import InvalidError
from cicscenario.services import openpgp
from cicscenario.services.openpgp import OpenPgpSigner
from tests.support.openpgp_keys import KEYS, PASSPHRASE, WRITER
from tests.support.stub_meta import valid

#: The digest of a document without links, base64 of ``[]``.
DIGEST = "W10="


def key(name: str) -> str:
    return (Path(KEYS) / f"{name}.asc").read_text("ascii")


def test_a_signature_is_armored_detached_and_valid() -> None:
    signer = OpenPgpSigner(WRITER, PASSPHRASE)
    assert signer.fingerprint == "1FA6A900534A5CAAA98579A7EB2E8A2FAA5D7A37"
    assert signer.expires is None
    signature = signer.sign(DIGEST)
    assert signature.startswith("-----BEGIN PGP SIGNATURE-----\n")
    assert valid(signature, DIGEST)
    assert not valid(signature, DIGEST + "\n")
    assert not valid(OpenPgpSigner(key("bare")).sign(DIGEST), DIGEST)


def test_many_threads_share_a_signer() -> None:
    signer = OpenPgpSigner(WRITER, PASSPHRASE)
    texts = [str(number) for number in range(40)]
    with ThreadPoolExecutor(4) as pool:
        signatures = list(pool.map(signer.sign, texts))
    assert all(map(valid, signatures, texts))


@pytest.mark.parametrize("passphrase", [None, "", "anything"])
def test_a_key_without_passphrase_needs_none(passphrase: str | None) -> None:
    assert OpenPgpSigner(key("bare"), passphrase).fingerprint == "F98AD28C8BBCDFB68E535A81EA8095D33920EEF9"


def block(*keys: str) -> str:
    """Several keys in one armored block, as gpg exports a keyring."""
    return armor(b"".join(bytes(Tsk.from_bytes(one.encode())) for one in keys), ArmorKind.SecretKey)


def made(**options: Any) -> str:
    return str(Tsk.generate("somebody", **options))


MESSAGE = "-----BEGIN PGP MESSAGE-----\n\nyDUUAAAAAAAASGVsbG8=\n-----END PGP MESSAGE-----\n"

#: A text, a passphrase, and what is said of it.
REFUSED: dict[str, tuple[Callable[[], str], str | None, str]] = {
    "wrong passphrase": (lambda: WRITER, "sesam", "the passphrase does not open the metadata key 1FA6A900"),
    "no passphrase": (
        lambda: WRITER,
        None,
        "1FA6A900534A5CAAA98579A7EB2E8A2FAA5D7A37 has a passphrase, and none is given",
    ),
    "empty passphrase": (lambda: WRITER, "", "the passphrase does not open the metadata key 1FA6A900"),
    "expired": (
        lambda: key("expired"),
        PASSPHRASE,
        "F7B8F3E4D74A69D6D8F02E4EC584F54BEBBF832D has been expired since 2022-11-01",
    ),
    "revoked": (lambda: key("revoked"), "pw", "4EF558E1342477BD54D73FD91535D68320C1D8C5 is revoked"),
    "not yet valid": (
        lambda: key("future"),
        "pw",
        "7C7E8DDB91C6F773A525409FBB4AFAF2138E5B8D is not valid before 2040-01-01",
    ),
    "public": (lambda: key("writer.pub"), PASSPHRASE, "is a public key, which cannot sign"),
    "SHA-1 self-signature": (
        lambda: key("sha1"),
        "pw",
        "63FE1108.* cannot be used: SHA1 is not considered secure since",
    ),
    "RSA of 1024 bits": (lambda: key("rsa1024"), "pw", "869006BF.* cannot be used: RSA1024 is not considered secure"),
    "curve secp256k1": (lambda: key("secp256k1"), "pw", "3DCC355E.* the curve secp256k1 is not supported"),
    "curve of brainpool": (lambda: key("brainpool"), "pw", "4D1A7901.* the curve brainpoolP256r1 is not supported"),
    "no signing part": (lambda: key("nosigning"), "pw", "A5CB2A64.* has no part that may sign today$"),
    "signing part expired": (
        lambda: key("subexpired"),
        "pw",
        "456B461C.* has no part that may sign today: the one it had is",
    ),
    "private key elsewhere": (lambda: key("stubprimary"), "pw", "D38EB011.* cannot be opened"),
    "OpenPGP version 6": (
        lambda: made(profile=Profile.RFC9580),
        None,
        "is of OpenPGP version 6, whose signatures the metadata server cannot verify",
    ),
    "post-quantum": (
        lambda: made(profile=Profile.RFC9580, cipher_suite=CipherSuite.MLDSA65_Ed25519),
        None,
        "is of OpenPGP version 6",
    ),
    "Ed25519 of RFC 9580 in version 4": (
        lambda: made(signing_algorithm=SigningAlgorithm.Ed25519),
        None,
        "signs with algorithm 27 .*, which the metadata server cannot verify",
    ),
    "Ed448": (
        lambda: made(cipher_suite=CipherSuite.Cv448),
        None,
        "signs with algorithm 28 .*, which the metadata server",
    ),
    "two in one block": (
        lambda: block(key("bare"), WRITER),
        PASSPHRASE,
        r"holds 2 keys \(F98AD28C8BBCDFB68E535A81EA8095D33920EEF9, 1FA6A900534A5CAAA98579A7EB2E8A2FAA5D7A37\), expected one",
    ),
    "three in one block": (lambda: block(key("bare"), WRITER, key("sha1")), PASSPHRASE, "holds 3 keys"),
    "two blocks": (lambda: key("bare") + WRITER, None, "holds 2 keys"),
    "private and public": (lambda: key("bare") + key("writer.pub"), None, "holds 2 keys"),
    "public and private": (lambda: key("writer.pub") + WRITER, PASSPHRASE, "holds 2 keys"),
    "nothing": (lambda: "", PASSPHRASE, "the metadata key is not an armored OpenPGP key: there is nothing$"),
    "blanks": (lambda: " \n\n", PASSPHRASE, "not an armored OpenPGP key: there is nothing$"),
    "a path": (lambda: "file:key.asc", PASSPHRASE, "the metadata key is not an armored OpenPGP key$"),
    "binary": (lambda: "".join(map(chr, range(1, 256))), PASSPHRASE, "the metadata key is not an armored OpenPGP key$"),
    "half a key": (lambda: WRITER[:900], PASSPHRASE, "not a whole armored OpenPGP key: Invalid ASCII Armor footer"),
    "no last line": (lambda: WRITER.rpartition("-----END")[0], PASSPHRASE, "not a whole armored OpenPGP key"),
    "a line lost": (
        lambda: "\n".join(WRITER.splitlines()[:7] + WRITER.splitlines()[8:]),
        PASSPHRASE,
        "not a whole armored",
    ),
    "letters changed": (lambda: WRITER[:200] + "AAAA" + WRITER[204:], PASSPHRASE, "none of its own signatures fits it"),
    "a message": (lambda: MESSAGE, PASSPHRASE, "not a whole armored OpenPGP key"),
    "no text": (lambda: f"{WRITER}\ud800", PASSPHRASE, "not a whole armored OpenPGP key: it is not text"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_key_that_cannot_sign_is_refused_in_one_line(case: str) -> None:
    text, passphrase, message = REFUSED[case]
    with pytest.raises(InvalidError, match=message) as caught:
        OpenPgpSigner(text(), passphrase)
    shown = f"{caught.value} {caught.value.hint}"
    assert caught.value.hint
    assert "sesam" not in shown
    assert "backtrace" not in shown
    assert "\n" not in shown


@pytest.mark.parametrize("name", ["subonly", "windows", "words before", "P-521"])
def test_a_key_that_can_sign_is_taken_in_each_form(name: str) -> None:
    forms: dict[str, tuple[str, str | None]] = {
        "subonly": (key("subonly"), "pw"),  # only the signing subkey: the primary key is kept elsewhere
        "windows": (WRITER.replace("\n", "\r\n"), PASSPHRASE),
        "words before": (f"The key of the writer:\n{WRITER}\n", PASSPHRASE),
        "P-521": (made(cipher_suite=CipherSuite.P521), None),
    }
    text, passphrase = forms[name]
    assert OpenPgpSigner(text, passphrase).sign(DIGEST).startswith("-----BEGIN PGP SIGNATURE-----\n")


class PanicError(BaseException):
    """As the Python binding of a Rust library raises one: not an Exception."""


@pytest.mark.parametrize(
    "raised", [PanicError("called `Option::unwrap()` on a `None` value"), RuntimeError("a\n\nStack")]
)
@pytest.mark.parametrize("where", ["Cert.split_bytes", "PacketPile.from_bytes", "Tsk.from_bytes", "sign", "verify"])
def test_what_the_library_raises_is_one_line(
    monkeypatch: pytest.MonkeyPatch, where: str, raised: BaseException
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise raised

    name, _, method = where.partition(".")
    monkeypatch.setattr(openpgp, name, SimpleNamespace(**{method: fail}) if method else fail)
    with pytest.raises(InvalidError) as caught:
        OpenPgpSigner(WRITER, PASSPHRASE)
    assert "metadata key" in caught.value.message
    assert "\n" not in caught.value.message
    assert PASSPHRASE not in caught.value.message


def test_a_key_that_ends_during_a_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = OpenPgpSigner(WRITER, PASSPHRASE)

    def fail(*_: Any, **__: Any) -> None:
        raise PanicError

    monkeypatch.setattr(openpgp, "sign", fail)
    with pytest.raises(InvalidError, match=r"signing with the metadata key 1FA6A900.*: PanicError"):
        signer.sign(DIGEST)


def test_a_key_file_that_could_unpack_to_gigabytes_is_not_opened() -> None:
    """What is packed in it becomes a thousand times as much."""
    with pytest.raises(InvalidError, match="the metadata key has 200,001 characters, expected at most 200,000"):
        OpenPgpSigner("x" * 200_001)


@pytest.mark.parametrize("inside", [b"", bytes(10_000_000)], ids=["nothing", "a bomb"])
def test_a_packed_message_is_no_key(inside: bytes) -> None:
    """Source: RFC 4880, sections 5.6 and 5.9."""
    literal = b"\xcb\xff" + (len(inside) + 6).to_bytes(4, "big") + b"b\0\0\0\0\0" + inside
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"\1" + packer.compress(literal) + packer.flush()
    message = b"\xc8\xff" + len(packed).to_bytes(4, "big") + packed
    text = base64.encodebytes(message).decode()
    with pytest.raises(InvalidError, match="Packet sequence includes non-Cert packets") as caught:
        OpenPgpSigner(f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{text}-----END PGP PRIVATE KEY BLOCK-----\n")
    assert "\n" not in caught.value.message
