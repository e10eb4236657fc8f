"""The contracts' packages: fetched once, by hash, and never used when they are not what was published."""

import shutil
import sys
import tarfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from cicscenario.errors import UnavailableError
from cicscenario.sandbox import packages
from cicscenario.sandbox.packages import PACKAGES, Package, cache_folder, load

ERC20 = next(package for package in PACKAGES["classic"] if package.name == "eth-erc20")


def shared(generation: str) -> Path:
    return cache_folder() / "contracts" / generation


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache of the test's own, with every package of the classic generation in it."""
    load(PACKAGES["classic"], shared("classic"))
    return Path(shutil.copytree(shared("classic"), tmp_path / "cache"))


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would have been downloaded, call by call; the shared cache plays the index."""
    calls: list[list[str]] = []

    def copy(wanted: Sequence[Package], target: Path) -> None:
        calls.append([package.name for package in wanted])
        time.sleep(0.2)  # long enough for others to come by
        for package in wanted:
            shutil.copy(shared("classic") / package.archive, target)

    monkeypatch.setattr(packages, "_pip_download", copy)
    return calls


@pytest.mark.parametrize("generation", ["classic", "latest"])
def test_both_generations_have_every_contract_of_the_stack(generation: str) -> None:
    contracts = load(PACKAGES[generation], shared(generation))
    for name in (
        "Registry", "AccountsIndex", "TokenUniqueSymbolIndex", "ERC20Faucet", "ERC20FaucetStorage", "AddressDeclarator",
        "GiftableToken", "DemurrageTokenSingleNocap",
    ):  # fmt: skip
        assert len(contracts[name].bytecode) > 2000, name
        assert any(entry["type"] == "constructor" for entry in contracts[name].abi), name


def test_the_token_is_the_one_of_its_own_package() -> None:
    """The classic token index carries an older GiftableToken, which cannot be minted to others."""
    functions = {entry.get("name") for entry in load(PACKAGES["classic"], shared("classic"))["GiftableToken"].abi}
    assert "mintTo" in functions


def test_one_flipped_byte_is_refused_with_both_hashes(folder: Path) -> None:
    archive = folder / ERC20.archive
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    with pytest.raises(UnavailableError, match=r"is not what eth-erc20 0\.1\.8 was published as") as refused:
        load(PACKAGES["classic"], folder)
    assert str(archive) in refused.value.message
    assert ERC20.sha256 in refused.value.message
    assert "delete" in (refused.value.hint or "")


def test_an_index_that_serves_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bogus = tmp_path / "index"
    bogus.mkdir()
    with tarfile.open(bogus / ERC20.archive, "w:gz") as tar:
        tar.add(__file__, "eth-erc20-0.1.8/setup.py")
    _only_index(monkeypatch, bogus)
    with pytest.raises(UnavailableError, match="DO NOT MATCH THE HASHES") as refused:
        load([ERC20], tmp_path / "cache")
    assert ERC20.sha256 in refused.value.message
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["lock"], "nothing of it may stay"


def test_no_index_at_all_says_what_is_missing_and_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _only_index(monkeypatch, tmp_path)
    with pytest.raises(UnavailableError, match=r"cannot download .*eth-erc20-0.1.8.tar.gz") as failed:
        load([ERC20], tmp_path / "cache")
    assert str(tmp_path / "cache") in (failed.value.hint or "")


def _only_index(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    for name, value in {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_EXTRA_INDEX_URL": "",
    }.items():
        monkeypatch.setenv(name, value)


def test_a_python_without_pip_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -E "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(UnavailableError, match="No module named pip"):
        load([ERC20], tmp_path / "cache")


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match=r"cannot keep .*not a directory") as refused:
        load([ERC20], tmp_path / "file" / "cache")
    assert "CICSCENARIO_CACHE" in (refused.value.hint or "")


def test_only_what_is_missing_is_downloaded(folder: Path, downloads: list[list[str]]) -> None:
    load(PACKAGES["classic"], folder)
    assert downloads == []
    (folder / ERC20.archive).unlink()
    load(PACKAGES["classic"], folder)
    assert downloads == [["eth-erc20"]]


def test_many_at_once_download_once(tmp_path: Path, downloads: list[list[str]]) -> None:
    load(PACKAGES["classic"], shared("classic"))
    downloads.clear()
    threads = [threading.Thread(target=load, args=(PACKAGES["classic"], tmp_path / "cache")) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(downloads) == 1


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CICSCENARIO_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("CICSCENARIO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "cicscenario"
