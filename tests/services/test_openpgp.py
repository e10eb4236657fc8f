"""Keys that cannot sign are found before the first write, and each message says what is wrong with the key."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cicscenario.errors import InvalidError
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


@pytest.mark.parametrize(
    ("armor", "passphrase", "message"),
    [
        (WRITER, "sesam", "the passphrase does not open the metadata key 1FA6A900"),
        (WRITER, None, "1FA6A900534A5CAAA98579A7EB2E8A2FAA5D7A37 has a passphrase, and none is given"),
        (WRITER, "", "has a passphrase, and none is given"),
        (key("expired"), PASSPHRASE, "F7B8F3E4D74A69D6D8F02E4EC584F54BEBBF832D has been expired since 2022-11-01"),
        (key("writer.pub"), PASSPHRASE, "is a public key, which cannot sign"),
        ("", PASSPHRASE, "not an armored OpenPGP key: Malformed Cert: No data$"),
        ("file:key.asc", PASSPHRASE, "not an armored OpenPGP key"),
        (WRITER[:900], PASSPHRASE, "not an armored OpenPGP key"),
        ("\ud800", PASSPHRASE, "not an armored OpenPGP key"),
    ],
    ids=["wrong", "none", "empty", "expired", "public", "nothing", "a path", "half a key", "no text"],
)
def test_a_key_that_cannot_sign_is_refused(armor: str, passphrase: str | None, message: str) -> None:
    with pytest.raises(InvalidError, match=message) as caught:
        OpenPgpSigner(armor, passphrase)
    shown = f"{caught.value} {caught.value.hint}"
    assert "sesam" not in shown
    assert "backtrace" not in shown
    assert "\n" not in shown
