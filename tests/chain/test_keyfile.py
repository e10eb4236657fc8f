"""V3 files are those of every other wallet."""

import contextlib
import hashlib
import json
import os
import threading
import time
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from Crypto.Cipher import AES
from eth_account import Account
from eth_hash.auto import keccak

from cicscenario.chain import keyfile
from cicscenario.chain.keyfile import STRENGTHS, decrypt, encrypt, problem_of, write_keyfile
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
        ("crypto/ciphertext", "00" * 33),
        ("crypto/ciphertext", ""),
        ("crypto/ciphertext", None),
        ("crypto/ciphertext", "0x0"),
        ("crypto/ciphertext", "é" * 64),
        ("crypto/cipherparams/iv", "00" * 17),
        ("crypto/mac", "zz"),
        ("crypto/kdf", "argon2"),
        ("crypto/kdf", "pbkdf2"),
        ("crypto/kdfparams", []),
        ("crypto/kdfparams/dklen", 16),
        ("crypto/kdfparams/n", 4095),
        ("crypto/kdfparams/n", 2**40),
        ("crypto/kdfparams/p", -(2**70)),
        ("crypto/kdfparams/r", "eight"),
        ("crypto/kdfparams/r", True),
        ("crypto/kdfparams/r", 8.5),
        ("crypto/kdfparams/n", float("inf")),
        ("crypto/kdfparams/n", float("nan")),
        ("crypto/kdfparams/n", 0),
        ("crypto/kdfparams/p", None),
        ("crypto/kdfparams/dklen", "long"),
        ("crypto/kdfparams/salt", ["00"]),
        ("crypto", []),
        ("crypto/cipherparams", None),
    ],
)
def test_a_damaged_or_hostile_file_is_refused_before_any_work(path: str, value: Any) -> None:
    with pytest.raises(InvalidError, match="not a V3 keystore file") as caught:
        decrypt(changed(*path.split("/"), to=value), "x")
    assert "Error" not in caught.value.message
    assert "Python" not in caught.value.message


def test_rounds_without_end_are_refused() -> None:
    pbkdf2 = json.loads(changed("crypto", "kdf", to="pbkdf2"))
    pbkdf2["crypto"]["kdfparams"] = {"c": 2**31 - 1, "dklen": 32, "prf": "hmac-sha256", "salt": "00"}
    with pytest.raises(InvalidError, match="c=2,147,483,647, expected 1 to 10,000,000 rounds"):
        decrypt(json.dumps(pbkdf2).encode(), "x")


def upper(value: Any) -> Any:
    """The same with all keys and all hexadecimal text in upper case."""
    if isinstance(value, dict):
        return {key.upper(): upper(inner) for key, inner in value.items()}
    return value.upper() if isinstance(value, str) else value


def prefixed(document: Any, by: str = "0x") -> Any:
    crypto = document["crypto"]
    for holder, key in [
        (document, "address"),
        (crypto, "ciphertext"),
        (crypto, "mac"),
        (crypto["cipherparams"], "iv"),
        (crypto["kdfparams"], "salt"),
    ]:
        holder[key] = by + holder[key]
    return document


def with_numbers(document: Any, form: Callable[[int], Any]) -> Any:
    document["version"] = form(document["version"])
    params = document["crypto"]["kdfparams"]
    params.update({key: form(value) for key, value in params.items() if isinstance(value, int)})
    return document


#: How wallets write the same file.
FORMS: dict[str, Callable[[Any], Any]] = {
    "as in the specification": lambda file: file,
    "Crypto": lambda file: {"Crypto" if key == "crypto" else key: value for key, value in file.items()},
    "upper case": upper,
    "0x before every hexadecimal": prefixed,
    "0X before every hexadecimal": lambda file: prefixed(file, "0X"),
    "no address": lambda file: {key: value for key, value in file.items() if key != "address"},
    "null address": lambda file: file | {"address": None},
    "empty address": lambda file: file | {"address": ""},
    "checksummed address": lambda file: file | {"address": Account.from_key(KEY).address},
    "checksummed address without 0x": lambda file: file | {"address": Account.from_key(KEY).address[2:]},
    "no id": lambda file: {key: value for key, value in file.items() if key != "id"},
    "null id, more keys": lambda file: (
        file | {"id": None, "name": "gas", "meta": {}, "x-ethers": {"client": "ethers.js"}}
    ),
    "numbers as text": lambda file: with_numbers(file, str),
    "numbers with a decimal point": lambda file: with_numbers(file, float),
    "no dklen": lambda file: (file["crypto"]["kdfparams"].pop("dklen"), file)[1],
    "longer dklen": lambda file: (file["crypto"]["kdfparams"].update(dklen=64), file)[1],
}


@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("password", ["secret", ""])
def test_each_way_to_write_a_file_is_read(kdf: str, form: str, password: str) -> None:
    made: Any = Account.encrypt(KEY, password, kdf=kdf, iterations=2)  # type: ignore[arg-type]
    blob = json.dumps(FORMS[form](json.loads(json.dumps(made)))).encode()
    assert decrypt(blob, password) == KEY
    with pytest.raises(InvalidError, match="the password does not open"):
        decrypt(blob, "another")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_file_that_an_editor_wrote_anew_is_read(encoding: str) -> None:
    assert decrypt(f"{light().decode()}\r\n".encode(encoding), "x") == KEY


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC"])
def test_a_password_is_read_in_the_forms_that_wallets_give_it(form: str) -> None:
    """geth takes it as typed, ethers in the form NFKC: here `ﬁ` becomes `fi`, and an accent joins its letter."""
    typed = "ﬁat caffe\u0301"
    written = unicodedata.normalize(form, typed) if form == "NFKC" else typed
    assert decrypt(encrypt(KEY, written, "light"), typed) == KEY


def file_of(key: bytes, password: str = "x", **more: Any) -> bytes:
    """A file that holds any bytes as its key, under the address of ``KEY`` unless ``more`` says otherwise."""
    document = json.loads(changed("crypto", "kdf", to="pbkdf2"))
    salt, iv = bytes(32), bytes(16)
    derived = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1, 32)
    ciphertext = AES.new(derived[:16], AES.MODE_CTR, nonce=b"", initial_value=iv).encrypt(key)
    document["crypto"] |= {
        "ciphertext": ciphertext.hex(),
        "cipherparams": {"iv": iv.hex()},
        "kdfparams": {"c": 1, "dklen": 32, "prf": "hmac-sha256", "salt": salt.hex()},
        "mac": keccak(derived[16:32] + ciphertext).hex(),
    }
    return json.dumps(document | more).encode()


ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (bytes(32), "holds a private key that is zero$"),
        (ORDER.to_bytes(32, "big"), "holds a private key that is not below the order"),
        ((ORDER + 7).to_bytes(32, "big"), "not below the order"),
        (b"\xff" * 32, "not below the order"),
        (b"\1" * 31, "holds a private key of 31 bytes, expected 32$"),
        (b"\0", "holds a private key of 1 bytes, expected 32$"),
    ],
)
def test_a_file_with_a_key_that_the_curve_does_not_have_is_refused(key: bytes, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        decrypt(file_of(key, address=None), "x")


def test_zeros_that_a_wallet_left_out_are_put_back_when_the_address_proves_it() -> None:
    """As in the specification's own test vectors of 30 and 31 bytes."""
    key = bytes(2) + b"\7" * 30
    address = Account.from_key(key).address
    assert decrypt(file_of(key[2:], address=address), "x") == key
    with pytest.raises(InvalidError, match="holds another account's key"):
        decrypt(file_of(key[2:], address="00" * 20), "x")


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
    ("content", "problem"),
    [
        (None, "keystore file key.json is missing"),
        (b"", "keystore file key.json is not a V3 file: it is not JSON (line 1, column 1: expecting value)"),
        (b"[]", "keystore file key.json is not a V3 file: expected a JSON object"),
        (b"{}", "keystore file key.json is not a V3 file: it has no `crypto`"),
        (changed("address", to="00" * 20), "keystore file key.json is not a V3 file of this account"),
        (changed("address", to=None), "keystore file key.json is not a V3 file of this account"),
        (changed("crypto", "mac", to=7), "keystore file key.json is not a V3 file: `mac` is not hexadecimal bytes"),
        (light(), None),
        (changed("address", to="0x2C7536E3605D9C16A7A3D7B1898E529396A65C23"), None),
    ],
)
def test_what_is_wrong_with_a_file_of_a_run_is_said(tmp_path: Path, content: bytes | None, problem: str | None) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        write_keyfile(path, content)
    assert problem_of(path, bytes.fromhex("2c7536e3605d9c16a7a3d7b1898e529396a65c23")) == problem


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


STANDARD, LIGHT = STRENGTHS["standard"], STRENGTHS["light"]


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ((2**20, 8, 1), "n=1,048,576, r=8, p=1 takes 1,024 MiB of memory, expected at most 512"),
        ((2**30, 8, 1), "takes 1,048,576 MiB of memory, expected at most 512"),
        ((2**2000, 8, 1), r"n=more than 2\^2000, r=8, p=1 takes more than 2\^1990 MiB"),
        ((2, 2**30, 1), "takes 262,144 MiB of memory"),
        ((2**18, 8, 5), r"takes a work \(n \* r \* p\) of 10,485,760, expected at most 8,388,608"),
        ((2, 1, 10**9), r"takes a work \(n \* r \* p\) of 2,000,000,000"),
        ((3, 8, 1), "there is no scrypt with n=3, r=8, p=1: n is a power of 2"),
        ((2, 0, 1), "there is no scrypt"),
        ((-2, 8, 1), "there is no scrypt"),
        ((10**4000, 8, 1), "there is no scrypt with n=more than 2"),
    ],
)
def test_work_that_no_wallet_asks_for_is_refused_by_its_figures(figures: tuple[int, int, int], said: str) -> None:
    document = json.loads(light())
    document["crypto"]["kdfparams"].update(zip("nrp", figures, strict=True))
    began = time.monotonic()
    with pytest.raises(InvalidError, match=said):
        decrypt(json.dumps(document).encode(), "x")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("figures", [STANDARD, LIGHT, (2**17, 8, 1), (2**18, 8, 4), (2**19, 8, 1), (8192, 8, 1)])
def test_what_wallets_ask_for_is_tried(figures: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyfile, "_scrypt", lambda password, salt, *_: bytes(32))
    document = json.loads(light())
    document["crypto"]["kdfparams"].update(zip("nrp", figures, strict=True))
    with pytest.raises(InvalidError, match="the password does not open"):
        decrypt(json.dumps(document).encode(), "x")
