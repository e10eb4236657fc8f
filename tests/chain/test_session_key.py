"""The signer's key in an environment file: read as it is meant, or refused in one line that names the key and the file."""

from pathlib import Path

import pytest

from cicscenario.chain.keyfile import encrypt
from cicscenario.chain.session import signer_key
from cicscenario.errors import InvalidError
from cicscenario.language import load_environment

KEY = bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
ORDER = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"


def key_of(folder: Path, signer: str) -> bytes:
    path = folder / "place.yaml"
    path.write_text(
        "version: 1\nname: place\nchain:\n  rpc: http://127.0.0.1:9\n  spec: evm:byzantium:8996:bloxberg\n"
        f"  registry: '0x{'00' * 20}'\n  signer: {signer}\n"
    )
    chain = load_environment(path).chain
    assert chain
    return signer_key(chain)


@pytest.mark.parametrize(
    "text", [KEY.hex(), KEY.hex().upper(), f"0x{KEY.hex()}\n", f" 0X{KEY.hex()} ", f"\ufeff{KEY.hex()}"]
)
def test_a_private_key_is_read_with_and_without_0x(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text, "utf-8")
    assert key_of(tmp_path, "{private_key: 'file:key'}") == KEY


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has 0 hexadecimal digits, expected 64"),
        ("0x", "has 0 hexadecimal digits, expected 64"),
        ("4c0883a6", "has 8 hexadecimal digits, expected 64"),
        (KEY.hex()[1:], "has 63 hexadecimal digits, expected 64"),
        (KEY.hex() + "00", "has 66 hexadecimal digits, expected 64"),
        ("z" * 64, "is not hexadecimal"),
        ("٣" * 64, "is not hexadecimal"),
        ("word " * 12, "is not hexadecimal"),
        ("0" * 64, "is zero"),
        (ORDER, "is not below the order of the curve secp256k1"),
        ("f" * 64, "is not below the order of the curve secp256k1"),
    ],
)
@pytest.mark.parametrize("source", ["file", "variable"])
def test_a_private_key_that_is_none_is_one_line_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, problem: str, source: str
) -> None:
    (tmp_path / "key").write_text(text, "utf-8")
    monkeypatch.setenv("A_KEY", text)
    with pytest.raises(InvalidError) as caught:
        key_of(tmp_path, "{private_key: 'file:key'}" if source == "file" else "{private_key: '{{ env.A_KEY }}'}")
    assert caught.value.message == f"chain.signer.private_key {problem}"
    assert len(text) < 8 or text not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("source", ["file", "file with a line break", "variable"])
def test_an_empty_password_opens_a_keystore_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """The key file that comes with the stack has one."""
    (tmp_path / "signer.json").write_bytes(encrypt(KEY, "", "light"))
    (tmp_path / "password").write_text("\n" if source == "file with a line break" else "")
    monkeypatch.setenv("A_PASSWORD", "")
    password = "{{ env.A_PASSWORD }}" if source == "variable" else "file:password"
    assert key_of(tmp_path, f"{{keyfile: signer.json, password: '{password}'}}") == KEY


def test_a_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A_PASSWORD", raising=False)
    (tmp_path / "signer.json").write_bytes(encrypt(KEY, "", "light"))
    with pytest.raises(InvalidError, match="the environment variable A_PASSWORD is not set"):
        key_of(tmp_path, "{keyfile: signer.json, password: '{{ env.A_PASSWORD }}'}")


@pytest.mark.parametrize("value", [b"\xff\xfe", b"caf\xe9"])
def test_a_secret_that_is_not_text_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: bytes) -> None:
    (tmp_path / "signer.json").write_bytes(encrypt(KEY, "", "light"))
    (tmp_path / "password").write_bytes(value)
    monkeypatch.setenv("A_PASSWORD", value.decode("utf-8", "surrogateescape"))
    for password, words in (("{{ env.A_PASSWORD }}", "A_PASSWORD is not UTF-8"), ("file:password", "not UTF-8 text")):
        with pytest.raises(InvalidError, match=words):
            key_of(tmp_path, f"{{keyfile: signer.json, password: '{password}'}}")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "no such file"),
        (b"", "not a V3 keystore file: it is not JSON"),
        (b"\0" * 20_000, "it has 20,000 bytes, expected at most 10,000"),
        (KEY.hex().encode(), "not a V3 keystore file: it is not JSON"),
        (b'{"version": 1}', "not a V3 keystore file: it has no `crypto`"),
        (encrypt(KEY, "another", "light"), "the password does not open this keystore file"),
    ],
    ids=["missing", "empty", "long", "bare key", "parts", "wrong password"],
)
def test_a_keystore_file_that_does_not_open_is_named(tmp_path: Path, content: bytes | None, problem: str) -> None:
    (tmp_path / "password").write_text("sesame")
    if content is not None:
        (tmp_path / "signer.json").write_bytes(content)
    with pytest.raises(InvalidError, match=problem) as caught:
        key_of(tmp_path, "{keyfile: signer.json, password: 'file:password'}")
    assert "chain.signer.keyfile" in caught.value.message
    assert "signer.json" in caught.value.message
    assert not any(secret in f"{caught.value.message} {caught.value.hint}" for secret in ("sesame", KEY.hex()))
