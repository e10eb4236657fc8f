"""The upstream contracts' bytecode: fetched once from their PyPI packages, by hash, and read straight out of them.

Two generations. ``classic`` works with cic-eth 0.12; ``latest`` is the newest of each package. Their declared
dependencies conflict, so the packages are downloaded and never installed.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cicscenario.errors import UnavailableError

#: Per generation: package, version and sha256 of its source distribution.
PACKAGES = {
    "classic": (
        ("eth-contract-registry", "0.9.0", "186b5bfba3522ce8258f7a808b80bf9945ada3439ad1422219d0d807ef796c3f"),
        ("eth-accounts-index", "0.3.0", "645961d06f14563e49c0255e06cfc14a5097996dd8dee1921ad8eae064a0676b"),
        ("eth-token-index", "0.4.0", "fab015bd47c573aff0c0f0f6e6cad5c85050335fab86538c9861300dd3f81793"),
        ("erc20-faucet", "0.5.0", "3b852b255409d09192fa32128dbe5ee6de4386a9057734e6044caac541d327dc"),
        ("eth-erc20", "0.1.8", "5ea7981db30f6316f5f7def8cf69e74425c447493f8938d5541ebbeb79e4319f"),
        ("eth-address-index", "0.6.0", "8a353c545a79f90f038b4191843b8d45bdf331e9e31017a511069d3e28f7f1df"),
        ("erc20-demurrage-token", "0.3.0", "a45b84e70f128c9d0b487fe76eaf44d202beb959db2038252bc25a36b3a704ca"),
    ),
    "latest": (
        ("eth-contract-registry", "0.11.0", "adfd1bc86e42cfc612cc3b1243dffcc388f26ec3c3ac438194201ce81299c792"),
        ("eth-accounts-index", "0.6.0", "94e29847ba48a381033d0a145e254a1064cbd2d985df87ad0c389dab0b9f3a20"),
        ("eth-token-index", "0.6.3", "1b548ad391663615f7734056da20eb1ac57d6d9d6ac4e36a6f921e5c07029942"),
        ("erc20-faucet", "0.8.0", "5ea9a3f1fdb641cd4fa13f5aaa70c9e1b1e4693efda97f3171dc9722c8cabaf1"),
        ("eth-erc20", "0.9.0", "0ea4cf274560c19c73cee0104afedb31374b1aa9ac1d2719b1e6f6df2be4b3c4"),
        ("eth-address-index", "0.7.3", "8e309424989bf27749c1cd0504801159faced1d453101e994f6a9f28e736ad0f"),
        ("erc20-demurrage-token", "0.5.6", "3773060bf9030938f4648eb719df98d1efe9af75abdbf753727671037c5763ca"),
    ),
}


@dataclass(frozen=True)
class Contract:
    """Creation code and ABI of one contract."""

    bytecode: str
    abi: list[dict[str, Any]]


def cache_folder() -> Path:
    """``CICSCENARIO_CACHE``, else the user's cache folder."""
    base = os.environ.get("CICSCENARIO_CACHE")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cicscenario"


def fetch(generation: str) -> Path:
    """The folder with a generation's packages, every one seen to have the right hash.

    Downloads those that are missing, in one process at a time. Raises UnavailableError when that fails, or when a
    package that is there has been changed.
    """
    folder = cache_folder() / "contracts" / generation
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [package for package in PACKAGES[generation] if not _archive(folder, package).exists()]
        if missing:
            _download(folder, missing)
    for package in PACKAGES[generation]:
        _check(_archive(folder, package), package[2])
    return folder


def _archive(folder: Path, package: tuple[str, str, str]) -> Path:
    return folder / f"{package[0]}-{package[1]}.tar.gz"


def _check(archive: Path, expected: str) -> None:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != expected:
        raise UnavailableError(
            f"{archive} has been changed: its sha256 is {found}, expected {expected}",
            hint=f"delete {archive} and run again; it will be fetched anew",
        )


def _download(folder: Path, packages: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        wanted = Path(temporary) / "requirements.txt"
        wanted.write_text("".join(f"{name}=={version} --hash=sha256:{digest}\n" for name, version, digest in packages))
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps",
            "--no-binary", ":all:", "--require-hashes", "--dest", temporary, "--requirement", str(wanted),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.strip()][-6:]
            raise UnavailableError(
                f"cannot fetch the contracts' packages into {folder}:\n  " + "\n  ".join(said),
                hint="see that pip can reach its package index, and run again",
            )
        for package in packages:
            found = Path(temporary) / _archive(folder, package).name
            _check(found, package[2])
            found.rename(_archive(folder, package))


def load(generation: str, package: str, name: str) -> Contract:
    """Contract ``name`` of ``package``; raises UnavailableError when it cannot be had unchanged."""
    folder = fetch(generation)
    archive = next(_archive(folder, p) for p in PACKAGES[generation] if p[0] == package)
    with tarfile.open(archive) as tar:
        bytecode = _read(tar, f"/{name}.bin").decode("ascii").strip().removeprefix("0x")
        abi: list[dict[str, Any]] = json.loads(_read(tar, f"/{name}.json"))
    return Contract(bytecode, abi)


def _read(tar: tarfile.TarFile, ending: str) -> bytes:
    member = next(m for m in tar.getmembers() if m.name.endswith(f"/data{ending}"))
    file = tar.extractfile(member)
    assert file is not None
    return file.read()
