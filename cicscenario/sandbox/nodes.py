"""The commands that start the two kinds of node, on the same chain id, address and rich account."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from cicscenario.errors import UnavailableError

CHAIN_ID = 8996
CHAIN_SPEC = f"evm:byzantium:{CHAIN_ID}:bloxberg"
WEALTH = 10**27  #: wei in the signer's account
_GAS_LIMIT = 30_000_000
# Blocks that never fill up: anvil loses what it has accepted when one does.
_ANVIL_GAS_LIMIT = 1_000_000_000
_ANVIL_BLOCK_TIME = "0.25"  # seconds


@dataclass(frozen=True)
class NodeCommand:
    """How to start a node, and with which process environment."""

    command: list[str]
    environment: dict[str, str]


def embedded(folder: Path, port: int, signer: bytes) -> NodeCommand:
    """The node that comes with the package."""
    command = [
        sys.executable, "-m", "cicscenario.sandbox.node", "--port", str(port), "--data", str(folder),
        "--chain-id", str(CHAIN_ID), "--gas-limit", str(_GAS_LIMIT), "--rich", f"0x{signer.hex()}={WEALTH}",
    ]  # fmt: skip
    return NodeCommand(command, dict(os.environ))


def anvil_path() -> str | None:
    """``CICSCENARIO_ANVIL``, else anvil from PATH."""
    return os.environ.get("CICSCENARIO_ANVIL") or shutil.which("anvil")


def anvil(folder: Path, port: int, signer: bytes) -> NodeCommand:
    """Foundry's anvil; everything it writes stays in ``folder``. Raises UnavailableError when there is none."""
    program = anvil_path()
    if program is None or not os.access(program, os.X_OK):
        raise UnavailableError(
            f"no anvil at {program}" if program else "there is no anvil in PATH",
            hint="the npm package @foundry-rs/anvil-linux-amd64 holds it; name the file in CICSCENARIO_ANVIL",
        )
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        program, "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(CHAIN_ID), "--accounts", "0",
        "--block-time", _ANVIL_BLOCK_TIME, "--gas-limit", str(_ANVIL_GAS_LIMIT), "--max-transactions", "100000",
        "--block-base-fee-per-gas", "0", "--order", "fifo", "--state", str(folder / "state.json"),
    ]  # fmt: skip
    return NodeCommand(command, dict(os.environ) | {"HOME": str(folder), "TMPDIR": str(folder)})
