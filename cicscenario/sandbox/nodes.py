"""The commands that start the two kinds of node, with the same chain id, address and rich accounts."""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cicscenario.chain.rpc import Rpc
from cicscenario.errors import UnavailableError
from cicscenario.sandbox.daemon import Command

HOST = "127.0.0.1"
CHAIN_ID = 8996
CHAIN_SPEC = f"evm:byzantium:{CHAIN_ID}:bloxberg"
WEALTH = 10**27  #: wei in the account of each who is rich
_GAS_LIMIT = 30_000_000


def _embedded(folder: Path, port: int, rich: Sequence[bytes]) -> Command:
    """The node that comes with the package."""
    command = [
        sys.executable, "-m", "cicscenario.sandbox.node", "--host", HOST, "--port", str(port), "--data", str(folder),
        "--chain-id", str(CHAIN_ID), "--gas-limit", str(_GAS_LIMIT),
    ]  # fmt: skip
    for account in rich:
        command += ["--rich", f"0x{account.hex()}={WEALTH}"]
    return Command(command, dict(os.environ))


def anvil_path() -> str | None:
    """The program that ``CICSCENARIO_ANVIL`` names, else anvil from PATH; None when there is none."""
    found = shutil.which(os.environ.get("CICSCENARIO_ANVIL") or "anvil")
    return found and str(Path(found).absolute())


def _anvil(folder: Path, port: int, rich: Sequence[bytes]) -> Command:
    """Foundry's anvil; all that it writes stays in ``folder``. Raises UnavailableError when there is none.

    It cannot be given both a genesis and a state to go on from, so who is ``rich`` is made so by ``enrich``.
    """
    program = anvil_path()
    if program is None:
        chosen = os.environ.get("CICSCENARIO_ANVIL")
        raise UnavailableError(
            f"CICSCENARIO_ANVIL names no program: {chosen}" if chosen else "there is no anvil in PATH",
            hint="the npm package @foundry-rs/anvil-linux-amd64 holds it as bin/anvil; name that file in"
            " CICSCENARIO_ANVIL, or use --node embedded",
        )
    command = [
        sys.executable, "-m", "cicscenario.sandbox.anvil", "--program", program, "--host", HOST, "--port", str(port),
        "--data", str(folder), "--chain-id", str(CHAIN_ID),
    ]  # fmt: skip
    return Command(command, dict(os.environ))


#: Makes the command of a node of each kind from its folder, port and the addresses of those who are rich.
NODES: Mapping[str, Callable[[Path, int, Sequence[bytes]], Command]] = {"embedded": _embedded, "anvil": _anvil}


def enrich(rpc: Rpc, account: bytes) -> None:
    """Gives ``account`` the wealth that a node's genesis did not give it."""
    address = f"0x{account.hex()}"
    if int(rpc.call("eth_getBalance", address, "latest"), 16) == 0:
        rpc.call("anvil_setBalance", address, hex(WEALTH))


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
