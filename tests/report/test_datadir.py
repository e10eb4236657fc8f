"""The exported directory is the old tools', file by file."""

import csv
import hashlib
import json
from pathlib import Path

import pytest

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError
from cicscenario.report.datadir import ExportedPerson, write_datadir

BLOXBERG = ChainSpec.parse("evm:byzantium:8996:bloxberg")
OLD, NEW = (
    bytes.fromhex("02ac0f818271e7f2a19bfbcdd0d7aa3a2290caa1"),
    bytes.fromhex("b5df94fc3b1a7f41d7ca3b63129e91d66bcc5b04"),
)
DOCUMENT = {"gender": "other", "identities": {"evm": {"foo": {"1:oldchain": [OLD.hex()]}}}}


def person(address: bytes | None) -> ExportedPerson:
    return ExportedPerson(DOCUMENT, "+254711223344", "sw", ("individual", "seller"), OLD, 47, address, b"{}")


def export(target: Path, *people: ExportedPerson) -> None:
    write_datadir(target, people, [(b"\xd5" * 32, b"\xf8\x6b")], chain_spec=BLOXBERG, decimals=6)


def listing(root: Path) -> dict[str, str]:
    """Every file with its content, every link with its target."""
    return {
        str(path.relative_to(root)): f"-> {path.readlink()}"
        if path.is_symlink()
        else path.read_bytes().decode("latin-1")
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_everything_is_where_the_old_tools_look(tmp_path: Path) -> None:
    export(tmp_path / "out", person(NEW))
    src, new = OLD.hex().upper(), NEW.hex().upper()
    phone = "B15DA5237B9D939C63A954A730FEAA2135DEAF681D0C723F829DC213F2E625C1"
    custom = hashlib.sha256(NEW + b":cic.custom").hexdigest().upper()
    identities = (
        '{"evm": {"foo": {"1:oldchain": ["02ac0f818271e7f2a19bfbcdd0d7aa3a2290caa1"]}, "byzantium":'
        ' {"8996:bloxberg": ["0xB5Df94FC3b1a7f41d7cA3b63129E91d66Bcc5B04"]}}}'
    )
    tx = "D5" * 32
    assert listing(tmp_path / "out") == {
        f"src/02/AC/{src}": json.dumps(DOCUMENT),
        f"src/02/AC/{src}.json": f"-> {src}",
        f"new/B5/DF/{new}": f'{{"gender": "other", "identities": {identities}}}',
        f"meta/{NEW.hex()}.json": f"-> ../new/B5/DF/{new}",
        f"phone/B1/5D/{phone}": OLD.hex(),
        f"custom/{custom[:2]}/{custom[2:4]}/{custom}": '{"tags": ["individual", "seller"]}',
        f"custom/{custom[:2]}/{custom[2:4]}/{custom}.json": f"-> {custom}",
        f"keystore/B5/DF/{new}": "{}",
        f"keystore/B5/DF/{new}.json": f"-> {new}",
        f"tx/D5/D5/{tx}": "f86b",
        "balances.csv": f"{OLD.hex()},47000000\n",
        "tags.csv": f"{OLD.hex()},individual,seller\n",
        "src/.master": OLD.decode("latin-1"),
        "new/.master": NEW.decode("latin-1"),
        "phone/.master": bytes.fromhex(phone).decode("latin-1"),
        "custom/.master": bytes.fromhex(custom).decode("latin-1"),
        "keystore/.master": NEW.decode("latin-1"),
        "tx/.master": bytes.fromhex(tx).decode("latin-1"),
        "meta/.master": "",
        "user_block/.master": "",
    }
    assert (tmp_path / "out" / "meta" / f"{NEW.hex()}.json").resolve().name == new
    assert (tmp_path / f"out/keystore/B5/DF/{new}").stat().st_mode & 0o077 == 0


def test_someone_without_an_account_is_there_as_before_the_import(tmp_path: Path) -> None:
    export(tmp_path / "out", person(None))
    assert (tmp_path / f"out/src/02/AC/{OLD.hex().upper()}").exists()
    assert not list((tmp_path / "out" / "new").glob("*/*/*"))
    with (tmp_path / "out" / "balances.csv").open() as file:
        assert list(csv.reader(file)) == [[OLD.hex(), "47000000"]]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    with pytest.raises(InvalidError, match="not empty"):
        export(tmp_path / "out", person(NEW))
    assert listing(tmp_path / "out") == {"mine": "precious"}


def test_a_failure_leaves_nothing_half_written(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        export(tmp_path / "out", person(NEW), None)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
