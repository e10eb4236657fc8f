"""The bytecode of the upstream contracts. Their Python packages are downloaded once, checked by hash, and read in place.

There are two generations: ``classic`` works with cic-eth 0.12; ``latest`` has the newest version of each package. The
dependencies that the packages declare conflict, so the packages are downloaded and never installed.
"""

import fcntl
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cicscenario.errors import InvalidError, UnavailableError, reason_of
from cicscenario.files import open_in_place, write_whole
from cicscenario.jsontext import parse_json
from cicscenario.shell import variables


@dataclass(frozen=True)
class Package:
    """A source distribution and its sha256."""

    name: str
    version: str
    sha256: str

    @property
    def archive(self) -> str:
        return f"{self.name}-{self.version}.tar.gz"


PACKAGES: Mapping[str, tuple[Package, ...]] = {
    "classic": (
        Package("eth-contract-registry", "0.9.0", "186b5bfba3522ce8258f7a808b80bf9945ada3439ad1422219d0d807ef796c3f"),
        Package("eth-accounts-index", "0.3.0", "645961d06f14563e49c0255e06cfc14a5097996dd8dee1921ad8eae064a0676b"),
        Package("eth-token-index", "0.4.0", "fab015bd47c573aff0c0f0f6e6cad5c85050335fab86538c9861300dd3f81793"),
        Package("erc20-faucet", "0.5.0", "3b852b255409d09192fa32128dbe5ee6de4386a9057734e6044caac541d327dc"),
        Package("eth-erc20", "0.1.8", "5ea7981db30f6316f5f7def8cf69e74425c447493f8938d5541ebbeb79e4319f"),
        Package("eth-address-index", "0.6.0", "8a353c545a79f90f038b4191843b8d45bdf331e9e31017a511069d3e28f7f1df"),
        Package("erc20-demurrage-token", "0.3.0", "a45b84e70f128c9d0b487fe76eaf44d202beb959db2038252bc25a36b3a704ca"),
    ),
    "latest": (
        Package("eth-contract-registry", "0.11.0", "adfd1bc86e42cfc612cc3b1243dffcc388f26ec3c3ac438194201ce81299c792"),
        Package("eth-accounts-index", "0.6.0", "94e29847ba48a381033d0a145e254a1064cbd2d985df87ad0c389dab0b9f3a20"),
        Package("eth-token-index", "0.6.3", "1b548ad391663615f7734056da20eb1ac57d6d9d6ac4e36a6f921e5c07029942"),
        Package("erc20-faucet", "0.8.0", "5ea9a3f1fdb641cd4fa13f5aaa70c9e1b1e4693efda97f3171dc9722c8cabaf1"),
        Package("eth-erc20", "0.9.0", "0ea4cf274560c19c73cee0104afedb31374b1aa9ac1d2719b1e6f6df2be4b3c4"),
        Package("eth-address-index", "0.7.3", "8e309424989bf27749c1cd0504801159faced1d453101e994f6a9f28e736ad0f"),
        Package("erc20-demurrage-token", "0.5.6", "3773060bf9030938f4648eb719df98d1efe9af75abdbf753727671037c5763ca"),
    ),
}
#: Module of each package; the contracts are in its folder ``data``.
_MODULES = {
    "eth-contract-registry": "eth_contract_registry",
    "eth-accounts-index": "eth_accounts_index",
    "eth-token-index": "eth_token_index",
    "erc20-faucet": "erc20_faucet",
    "eth-erc20": "giftable_erc20_token",
    "eth-address-index": "eth_address_declarator",
    "erc20-demurrage-token": "erc20_demurrage_token",
}
_PATIENCE = 300  # seconds for one download


@dataclass(frozen=True)
class Contract:
    """Creation code and ABI of one contract."""

    bytecode: bytes
    abi: list[dict[str, Any]]


def cache_folder() -> Path:
    """The folder that ``CICSCENARIO_CACHE`` names, else ``cicscenario`` in the user's cache folder.

    Raises InvalidError when the user has no home folder to have one in.
    """
    if chosen := os.environ.get("CICSCENARIO_CACHE"):
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cicscenario"
    except RuntimeError:  # neither HOME is set nor is the user one that the machine knows
        raise InvalidError(
            "this user has no home folder to keep the contracts' packages in", hint="name a folder in CICSCENARIO_CACHE"
        ) from None


def load(packages: Sequence[Package], folder: Path) -> dict[str, Contract]:
    """The contracts in ``packages``, by name; packages that are not in ``folder`` are downloaded into it.

    Processes that load at the same time download each package once. The hash of every package is checked at every load,
    so a changed file never reaches a chain. Raises UnavailableError when a package cannot be downloaded or was changed.
    """
    contracts: dict[str, Contract] = {}
    try:
        _fetch(packages, folder)
        for package in packages:
            contracts |= _contracts(package, _verified(folder / package.archive, package))
    except OSError as error:
        raise UnavailableError(
            f"cannot keep the contracts' packages in {folder}: {reason_of(error)}",
            hint="make that folder writable, or name another one in CICSCENARIO_CACHE",
        ) from None
    return contracts


def _fetch(packages: Sequence[Package], folder: Path) -> None:
    """Downloads missing packages, one process at a time. A file gets its name only when it is complete and checked."""
    folder.mkdir(parents=True, exist_ok=True)
    with os.fdopen(open_in_place(folder / "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [package for package in packages if not (folder / package.archive).exists()]
        if missing:
            with tempfile.TemporaryDirectory(dir=folder, prefix="download-") as name:
                download = Path(name)
                _pip_download(missing, download)
                for package in missing:
                    _verified(download / package.archive, package)
                    (download / package.archive).rename(folder / package.archive)


def _pip_download(packages: Sequence[Package], target: Path) -> None:
    wanted = target / "requirements.txt"
    write_whole(wanted, "".join(f"{p.name}=={p.version} --hash=sha256:{p.sha256}\n" for p in packages))
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps",
        "--require-hashes", "--dest", str(target), "--requirement", str(wanted),
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE, env=dict(variables)
        )
        output, failed = done.stderr, done.returncode != 0
    except subprocess.TimeoutExpired:
        output, failed = f"the download was not finished after {_PATIENCE} seconds", True
    if failed:
        last = [line for line in output.splitlines() if line.strip() and not line.startswith("WARNING")][-8:]
        raise UnavailableError(
            "cannot download the contracts' packages: " + ", ".join(p.archive for p in packages) + "; pip said\n  "
            + "\n  ".join(last),
            hint=f"check that `{sys.executable} -m pip` works and reaches a package index, then run again; or put these"
            f" files into {target.parent} yourself",
        )  # fmt: skip


def _verified(path: Path, package: Package) -> bytes:
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != package.sha256:
        raise UnavailableError(
            f"{path} is not what {package.name} {package.version} was published as:"
            f" its sha256 is {found}, expected {package.sha256}",
            hint=f"delete {path} and run again; then it is downloaded again",
        )
    return content


def _contracts(package: Package, content: bytes) -> dict[str, Contract]:
    """All contracts of a package that have creation code. The archive is read in memory; nothing is unpacked to disk."""
    data = f"{package.name}-{package.version}/{_MODULES[package.name]}/data/"
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            if member.name.startswith(data) and (file := tar.extractfile(member)):
                files[member.name.removeprefix(data)] = file.read()
    return {
        name: Contract(bytes.fromhex(files[f"{name}.bin"].decode("ascii")), parse_json(files[f"{name}.json"]))
        for name in (file.removesuffix(".bin") for file in files if re.fullmatch(r"\w+\.bin", file))
        if files[f"{name}.bin"].strip()  # interfaces and some helpers have no code
    }
