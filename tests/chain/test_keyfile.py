"""V3 files are those of every other wallet."""

import contextlib
import json
import os
import threading
import time
from pathlib import Path

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


def test_a_wrong_password_says_so_and_shows_none() -> None:
    with pytest.raises(InvalidError, match="does not open") as refused:
        decrypt(encrypt(KEY, "right", "light"), "wrong")
    assert "wrong" not in str(refused.value).replace("keystore", "")
    assert "right" not in str(refused.value)


@pytest.mark.parametrize("blob", [b"", b"{}", b"[]", b'{"crypto": {}}', b"\xff"])
def test_what_is_not_a_keystore_file_says_so(blob: bytes) -> None:
    with pytest.raises(InvalidError, match="not a V3 keystore file"):
        decrypt(blob, "x")


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
