"""The commands that start the two kinds of node, with the same chain id, address and funded accounts."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from cicscenario.chain.rpc import Rpc
from cicscenario.errors import UnavailableError
from cicscenario.sandbox.daemon import Command
from cicscenario.shell import for_daemons

HOST = "127.0.0.1"
CHAIN_ID = 8996
CHAIN_SPEC = f"evm:byzantium:{CHAIN_ID}:bloxberg"
FUNDS = 10**27  #: wei in each funded account
_GAS_LIMIT = 30_000_000
_PATIENCE = 20  # seconds in which a program tells its version


def _embedded(folder: Path, port: int, funded: Sequence[bytes]) -> Command:
    """The node in ``cicscenario.sandbox.node``."""
    command = [
        sys.executable, "-m", "cicscenario.sandbox.node", "--host", HOST, "--port", str(port), "--data", str(folder),
        "--chain-id", str(CHAIN_ID), "--gas-limit", str(_GAS_LIMIT),
    ]  # fmt: skip
    for account in funded:
        command += ["--rich", f"0x{account.hex()}={FUNDS}"]
    return Command(command, for_daemons())


def anvil_path() -> str | None:
    """Path of the program that ``CICSCENARIO_ANVIL`` names, else of anvil in PATH; None when it is not found."""
    found = shutil.which(os.environ.get("CICSCENARIO_ANVIL") or "anvil")
    return found and str(Path(found).absolute())


def _program() -> str:
    """Path of anvil. Raises UnavailableError when it is not found."""
    if program := anvil_path():
        return program
    chosen = os.environ.get("CICSCENARIO_ANVIL")
    raise UnavailableError(
        f"CICSCENARIO_ANVIL names no program: {chosen}" if chosen else "there is no anvil in PATH",
        hint="the npm package @foundry-rs/anvil-linux-amd64 holds it as bin/anvil; name that file in"
        " CICSCENARIO_ANVIL, or use --node embedded",
    )


def _anvil(folder: Path, port: int, funded: Sequence[bytes]) -> Command:
    """Foundry's anvil; it writes only into ``folder``. Raises UnavailableError when anvil is not found.

    Anvil takes either a genesis or a saved state, not both, so ``fund`` gives the ``funded`` accounts their balance later.
    """
    command = [
        sys.executable, "-m", "cicscenario.sandbox.anvil", "--program", _program(), "--host", HOST, "--port", str(port),
        "--data", str(folder), "--chain-id", str(CHAIN_ID),
    ]  # fmt: skip
    return Command(command, for_daemons())


#: By kind: makes a node's start command from its folder, its port and the addresses of the funded accounts.
NODES: Mapping[str, Callable[[Path, int, Sequence[bytes]], Command]] = {"embedded": _embedded, "anvil": _anvil}


def _embedded_form() -> str:
    from cicscenario.sandbox.node.journal import FORMAT

    return f"embedded node, journal {FORMAT}, pyrevm {version('pyrevm')}"  # another one may compute other blocks


def _anvil_form() -> str:
    """What anvil says of its version. Raises UnavailableError when anvil is not found, or does not say."""
    program = _program()
    try:
        done = subprocess.run(
            [program, "--version"], env=for_daemons(), capture_output=True, text=True, timeout=_PATIENCE, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError(f"{program} does not tell its version: {error}") from None
    return " ".join(done.stdout.split("\n", 1)[0].split())[:100]


#: By kind: names the form of a node's data.
FORMS: Mapping[str, Callable[[], str]] = {"embedded": _embedded_form, "anvil": _anvil_form}


def fund(rpc: Rpc, account: bytes) -> None:
    """Sets the balance of ``account`` to ``FUNDS`` when it is 0: anvil has no genesis that could do it."""
    address = f"0x{account.hex()}"
    if int(rpc.call("eth_getBalance", address, "latest"), 16) == 0:
        rpc.call("anvil_setBalance", address, hex(FUNDS))
