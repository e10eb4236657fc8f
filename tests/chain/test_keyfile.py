"""V3 files are those of every other wallet."""

import contextlib
import json
import os
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from cicscenario.chain.keyfile import decrypt, encrypt, write_keyfile
from cicscenario.errors import InvalidError

KEY = bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
#: Written by the old tools, with the password `foo`.
OLD = (
    '{"address": "B5Df94FC3b1a7f41d7cA3b63129E91d66Bcc5B04", "version": 3, "crypto": {"cipher": "aes-128-ctr",'
    ' "ciphertext": "46046869c3d04b697cade316d6e5c3f82730fc891d53af15d515bca6ad022ba1", "cipherparams":'
    ' {"iv": "d7602fed7dff8076320817d9aa64a175"}, "kdf": "scrypt", "kdfparams": {"dklen": 32, "n": 262144, "p": 1,'
    ' "r": 8, "salt": "b1023d2e11c15ed35000e190ca3027cdf663b658d010968a94337f7fe12d2b67"},'
    ' "mac": "4e77267726a0b7e494d0659907b2b0590e09cd5a01708d4f86d45b12f7c56f83"},'
    ' "id": "be37f4ae-e786-11f1-bc57-02fc00000001"}'
)


@pytest.mark.parametrize("strength", ["light", "standard"])
def test_other_wallets_open_our_files(strength: str) -> None:
    blob = encrypt(KEY, "pass word ž", strength)
    assert bytes(Account.decrypt(json.loads(blob), "pass word ž")) == KEY
    assert json.loads(blob)["address"] == "2c7536e3605d9c16a7a3d7b1898e529396a65c23"


@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
def test_we_open_other_wallets_files(kdf: str) -> None:
    blob = json.dumps(Account.encrypt(KEY, "secret", kdf=kdf, iterations=2 if kdf == "pbkdf2" else 4)).encode()
    assert decrypt(blob, "secret") == KEY


def test_we_open_the_old_tools_files() -> None:
    key = decrypt(OLD.encode(), "foo")
    assert Account.from_key(key).address == "0xB5Df94FC3b1a7f41d7cA3b63129E91d66Bcc5B04"


def test_no_two_files_are_alike() -> None:
    assert encrypt(KEY, "x", "light") != encrypt(KEY, "x", "light")


def test_a_wrong_password_says_so() -> None:
    with pytest.raises(InvalidError, match="the password does not open"):
        decrypt(encrypt(KEY, "right", "light"), "wrong")


@pytest.mark.parametrize("blob", [b"", b"{}", b"[]", b"7", b'{"crypto": {}}', b"\xff", b"[" * 10_000, b"[" * 100_000])
def test_what_is_not_a_keystore_file_says_so(blob: bytes) -> None:
    with pytest.raises(InvalidError, match="not a V3 keystore file"):
        decrypt(blob, "x")


@cache
def light() -> bytes:
    return encrypt(KEY, "x", "light")


def changed(*path: str, to: Any) -> bytes:
    """Our file with one field of another value."""
    document = json.loads(light())
    at = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = to
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 1),
        ("address", 5),
        ("crypto/cipher", "aes-128-cbc"),
        ("crypto/ciphertext", "00" * 31),
        ("crypto/ciphertext", None),
        ("crypto/cipherparams/iv", "00" * 17),
        ("crypto/mac", "zz"),
        ("crypto/kdf", "argon2"),
        ("crypto/kdf", "pbkdf2"),
        ("crypto/kdfparams", []),
        ("crypto/kdfparams/dklen", 16),
        ("crypto/kdfparams/n", 4095),
        ("crypto/kdfparams/n", 2**40),
        ("crypto/kdfparams/p", -(2**70)),
        ("crypto/kdfparams/r", "8"),
        ("crypto/kdfparams/salt", ["00"]),
    ],
)
def test_a_damaged_or_hostile_file_is_refused_before_any_work(path: str, value: Any) -> None:
    with pytest.raises(InvalidError, match="not a V3 keystore file"):
        decrypt(changed(*path.split("/"), to=value), "x")


def test_rounds_without_end_are_refused() -> None:
    pbkdf2 = json.loads(changed("crypto", "kdf", to="pbkdf2"))
    pbkdf2["crypto"]["kdfparams"] = {"c": 2**31 - 1, "dklen": 32, "prf": "hmac-sha256", "salt": "00"}
    with pytest.raises(InvalidError, match="c=2147483647"):
        decrypt(json.dumps(pbkdf2).encode(), "x")


def test_one_flipped_bit_is_noticed() -> None:
    ciphertext = bytearray.fromhex(json.loads(light())["crypto"]["ciphertext"])
    ciphertext[0] ^= 1
    with pytest.raises(InvalidError, match="does not open"):
        decrypt(changed("crypto", "ciphertext", to=ciphertext.hex()), "x")


def test_a_file_under_another_accounts_name_is_refused() -> None:
    with pytest.raises(InvalidError, match="says it is of 0x0000000000000000000000000000000000000001"):
        decrypt(changed("address", to="00" * 19 + "01"), "x")


def test_a_file_need_not_tell_its_address() -> None:
    document = json.loads(light())
    del document["address"]
    assert decrypt(json.dumps(document).encode(), "x") == KEY


@pytest.mark.parametrize(
    "blob",
    [light(), changed("crypto", "kdf", to="argon2"), changed("crypto", "cipherparams", to=KEY.hex())],
    ids=["wrong password", "unknown kdf", "wrong type"],
)
def test_no_message_shows_the_password(blob: bytes) -> None:
    with pytest.raises(InvalidError) as refused:
        decrypt(blob, "open sesame")
    assert "sesame" not in f"{refused.value} {refused.value.hint}"
    assert refused.value.__cause__ is None


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "key.json").mkdir()
    with pytest.raises(OSError, match=r"key\.json"):
        write_keyfile(tmp_path / "key.json", b"{}")
    assert [entry.name for entry in tmp_path.iterdir()] == ["key.json"]


def test_a_file_is_never_seen_by_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key.json"
    write_keyfile(path, b"before")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_keyfile(path, b"after")
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["key.json"]


def test_a_file_is_never_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    modes = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for entry in os.scandir(tmp_path):
                with contextlib.suppress(FileNotFoundError):
                    modes.add(entry.stat().st_mode & 0o777)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(50):
            write_keyfile(path, b"{}")
        time.sleep(0.01)
    finally:
        stop.set()
        watcher.join()
    assert modes <= {0o600}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["key.json"]
