"""The writer's key pair: made once, for its owner's eyes only, and opened by its passphrase alone."""

from pathlib import Path

import pytest
from pysequoia import Cert, CipherSuite, Profile, Sig, SignatureMode, Tsk, sign, verify
from pysequoia.packet import PacketPile, Tag

from cicscenario.errors import StateRefusedError
from cicscenario.sandbox.meta.keys import WriterKeys, ensure_keys, trusted_keys
from cicscenario.sandbox.meta.protect import protect
from cicscenario.sandbox.meta.signatures import TrustedKeys, Verdict
from tests.support.openpgp_keys import RECORDED_KEYS
from tests.support.running_meta import signature, signer_of


def test_only_the_owner_can_read_the_private_key_and_its_passphrase(writer_keys: WriterKeys) -> None:
    for path in (writer_keys.private_key, writer_keys.passphrase):
        assert path.stat().st_mode & 0o777 == 0o600


def test_the_key_never_expires_and_its_public_half_holds_no_secret(writer_keys: WriterKeys) -> None:
    cert = Cert.from_file(str(writer_keys.public_key))
    assert (cert.expiration, cert.is_revoked) == (None, False)
    tags = [packet.tag for packet in PacketPile.from_bytes(writer_keys.public_key.read_bytes())]
    assert Tag.PublicKey in tags
    assert not any(tag in (Tag.SecretKey, Tag.SecretSubkey) for tag in tags)
    assert cert.fingerprint == Tsk.from_file(str(writer_keys.private_key)).extract_certificate().fingerprint


@pytest.mark.parametrize("passphrase", [None, "", "wrong"])
def test_without_its_passphrase_the_key_signs_nothing(writer_keys: WriterKeys, passphrase: str | None) -> None:
    with pytest.raises(Exception, match=r"encrypted|EOF|[Mm]alformed|checksum|password"):
        Tsk.from_file(str(writer_keys.private_key)).signer(passphrase)


def test_with_its_passphrase_it_signs_what_its_public_half_verifies(writer_keys: WriterKeys) -> None:
    signed = sign(signer_of(writer_keys), b"W10=", mode=SignatureMode.DETACHED)
    cert = Cert.from_file(str(writer_keys.public_key))
    found = verify(bytes=b"W10=", store=lambda _: [cert], signature=Sig.from_bytes(signed))
    assert found.valid_sigs[0].certificate == cert.fingerprint


def test_an_existing_pair_is_left_alone(writer_keys: WriterKeys) -> None:
    before = [path.read_bytes() for path in (writer_keys.private_key, writer_keys.passphrase, writer_keys.public_key)]
    assert ensure_keys(writer_keys.private_key.parent) == writer_keys
    assert before == [
        path.read_bytes() for path in (writer_keys.private_key, writer_keys.passphrase, writer_keys.public_key)
    ]


def test_a_pair_that_is_not_whole_is_refused_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "writer.pub.asc").write_text((RECORDED_KEYS / "writer.pub.asc").read_text())
    with pytest.raises(StateRefusedError, match=r"writer\.asc is missing"):
        ensure_keys(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["writer.pub.asc"]


def test_a_protected_key_is_not_protected_twice(writer_keys: WriterKeys) -> None:
    with pytest.raises(ValueError, match="passphrase already"):
        protect(Tsk.from_file(str(writer_keys.private_key)), "x")


@pytest.mark.parametrize("suite", [CipherSuite.RSA3k, CipherSuite.Cv25519])
def test_a_passphrase_opens_what_it_protects(suite: CipherSuite) -> None:
    key = Tsk.generate(user_id="x", cipher_suite=suite, profile=Profile.RFC4880)
    sealed = protect(key, "open sesame")
    with pytest.raises(Exception, match=r"encrypted|EOF|[Mm]alformed|checksum|password"):
        Tsk.from_bytes(sealed).signer("another")
    assert sign(Tsk.from_bytes(sealed).signer("open sesame"), b"data")


def test_keys_of_other_kinds_are_not_protected() -> None:
    key = Tsk.generate(user_id="x", cipher_suite=CipherSuite.P256, profile=Profile.RFC4880)
    with pytest.raises(ValueError, match="not an RSA or Curve25519 key"):
        protect(key, "x")


def test_a_trusted_file_may_hold_several_keys(tmp_path: Path) -> None:
    (tmp_path / "writer.pub.asc").write_text((RECORDED_KEYS / "writer.pub.asc").read_text())
    (tmp_path / "trusted").mkdir()
    both = bytes(Cert.from_file(str(RECORDED_KEYS / "server.pub.asc"))) + bytes(
        Cert.from_file(str(RECORDED_KEYS / "stranger.pub.asc"))
    )
    (tmp_path / "trusted" / "both.asc").write_bytes(both)
    assert [cert.fingerprint[:4] for cert in trusted_keys(tmp_path)] == ["ffcd", "de38", "de6e"]


@pytest.mark.parametrize("content", ["", "not a key"])
def test_a_trusted_file_without_a_key_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "writer.pub.asc").write_text((RECORDED_KEYS / "writer.pub.asc").read_text())
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted" / "bad.asc").write_text(content)
    with pytest.raises(StateRefusedError, match=r"bad\.asc") as caught:
        trusted_keys(tmp_path)
    assert "\n" not in caught.value.message


def test_what_the_check_of_a_signature_says(writer_keys: WriterKeys) -> None:
    signer = signer_of(writer_keys)
    mine = TrustedKeys([Cert.from_file(str(writer_keys.public_key))])
    right = signature(signer, "W10=")
    cleartext = sign(signer, b"W10=", mode=SignatureMode.CLEAR).decode()
    assert mine.check(right) is Verdict.VALID
    assert mine.check({"data": right["data"].replace("\n", "\r\n"), "digest": "W10="}) is Verdict.VALID
    assert mine.check({"data": cleartext, "digest": "W10="}) is Verdict.VALID
    assert mine.check({"data": cleartext, "digest": "W11="}) is Verdict.INVALID
    assert mine.check(signature(signer, "W10=", "W10=\n")) is Verdict.INVALID
    assert mine.check(right | {"digest": 5}) is Verdict.INVALID
    assert TrustedKeys([Cert.from_file(str(RECORDED_KEYS / "stranger.pub.asc"))]).check(right) is Verdict.INVALID
    assert mine.check({"data": writer_keys.public_key.read_text(), "digest": "W10="}) is Verdict.FATAL
