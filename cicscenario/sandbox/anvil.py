"""``python -m cicscenario.sandbox.anvil``: runs Foundry's anvil, and asks it for a block whenever transactions wait.

Anvil's own interval mining also makes empty blocks. Every block costs time and memory in proportion to the whole state:
anvil up to 1.7.1 rebuilds the whole state trie (https://github.com/foundry-rs/foundry/pull/15715) and, with an interval
below three seconds, keeps 1,500 copies of the state, whatever ``--prune-history`` says.
"""

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path

from cicscenario.chain.rpc import Rpc
from cicscenario.errors import CicScenarioError, UnavailableError
from cicscenario.sandbox.news import TRANSACTIONS, news
from cicscenario.sandbox.process import exit_code_of, require_loopback, server_parser
from cicscenario.shell import for_daemons

_POLL = 0.1  # seconds between looks for waiting transactions, while there are some
_BUSY = 3.0  # seconds for which it looks on after the last block
_REST = 3  # pause after a block, in multiples of the time it took: with a large state, more transactions share a block
_HISTORY = 16  # blocks whose state anvil keeps
# Limits that no block reaches: anvil loses accepted transactions when a block is full.
_GAS_LIMIT = 1_000_000_000
_TRANSACTIONS = 100_000


def _parser() -> argparse.ArgumentParser:
    parser = server_parser("cicscenario.sandbox.anvil", "Foundry's anvil, mining on demand", "the chain is")
    parser.add_argument("--program", required=True, metavar="ANVIL")
    parser.add_argument("--chain-id", type=int, required=True)
    return parser


def _command(arguments: argparse.Namespace) -> list[str]:
    return [
        arguments.program, "--quiet", "--host", arguments.host, "--port", str(arguments.port),
        "--chain-id", str(arguments.chain_id), "--accounts", "0", "--gas-limit", str(_GAS_LIMIT),
        "--max-transactions", str(_TRANSACTIONS), "--block-base-fee-per-gas", "0", "--order", "fifo",
        "--no-mining", "--no-cors", "--prune-history", str(_HISTORY), "--state", str(arguments.data / "state.json"),
    ]  # fmt: skip


def _mine(rpc: Rpc, anvil: int) -> None:
    """Asks for blocks until the parent process, whose id is ``anvil``, ends."""
    while os.getppid() == anvil:
        with contextlib.suppress(CicScenarioError):  # anvil is not up yet, or is about to end
            with contextlib.closing(news(rpc.url, TRANSACTIONS)) as told:
                next(told)
                if not _mine_waiting(rpc):  # since one may have come before anvil was asked to tell
                    next(told)
            _mine_while_busy(rpc)
            continue
        time.sleep(_POLL)


def _mine_while_busy(rpc: Rpc) -> None:
    """Asks for blocks until nothing has waited for some seconds. Anvil would tell of each transaction by itself."""
    mined = time.monotonic()
    while time.monotonic() - mined < _BUSY:
        began = time.monotonic()
        if _mine_waiting(rpc):
            mined = time.monotonic()
            time.sleep(max(_POLL, _REST * (mined - began)))
        else:
            time.sleep(_POLL)


def _mine_waiting(rpc: Rpc) -> bool:
    """Asks for a block if transactions wait; says whether there were any."""
    if not int(rpc.call("txpool_status")["pending"], 16):
        return False
    rpc.call("evm_mine")
    return True


def _run(arguments: argparse.Namespace) -> None:
    """Forks a child that mines, then replaces this process with anvil, which gets the signals; the child ends with it."""
    require_loopback(arguments.host, "node")
    folder: Path = arguments.data
    folder.mkdir(parents=True, exist_ok=True)
    anvil = os.getpid()
    if os.fork() == 0:
        try:
            _mine(Rpc(f"http://{arguments.host}:{arguments.port}"), anvil)
        finally:
            os._exit(0)
    environment = for_daemons() | {"HOME": str(folder), "TMPDIR": str(folder)}
    try:
        os.execve(arguments.program, _command(arguments), environment)  # noqa: S606  # no shell is wanted
    except OSError as error:
        raise UnavailableError(f"cannot start {arguments.program}: {error.strerror}") from None


def main() -> int:
    arguments = _parser().parse_args()
    return exit_code_of(lambda: _run(arguments))


if __name__ == "__main__":
    sys.exit(main())
