"""``python -m cicscenario.sandbox.node``: serves the chain in a folder until it is told to stop."""

import argparse
import asyncio
import ipaddress
import sys
import time
from pathlib import Path

from cicscenario.errors import CicScenarioError
from cicscenario.sandbox.node.chain import Chain
from cicscenario.sandbox.node.journal import Journal
from cicscenario.sandbox.node.server import Server


def _rich(text: str) -> tuple[bytes, int]:
    address, _, amount = text.partition("=")
    return bytes.fromhex(address.removeprefix("0x")), int(amount)


def _loopback(text: str) -> str:
    if not ipaddress.ip_address(text).is_loopback:
        raise argparse.ArgumentTypeError(f"{text} is not a loopback address; this node is not for others to reach")
    return text


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cicscenario-node", description=__doc__)
    parser.add_argument("--host", type=_loopback, default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of the chain")
    parser.add_argument("--chain-id", type=int, default=8996)
    parser.add_argument("--gas-limit", type=int, default=30_000_000, help="of a block")
    parser.add_argument("--block-time", type=float, help="seconds; without it, blocks are mined on demand")
    parser.add_argument("--rich", type=_rich, action="append", default=[], metavar="ADDRESS=WEI", help="in the genesis")
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    arguments.data.mkdir(parents=True, exist_ok=True)
    genesis = {
        "chain_id": arguments.chain_id,
        "gas_limit": arguments.gas_limit,
        "rich": {address.hex(): amount for address, amount in arguments.rich},
        "genesis_time": time.time_ns(),
    }
    try:
        journal = Journal(arguments.data / "chain.jsonl", genesis)
    except CicScenarioError as error:
        print(f"error: {error.message}\n  next: {error.hint}", file=sys.stderr)
        return int(error.exit_code)
    chain = Chain(
        journal, arguments.chain_id, arguments.gas_limit, journal.genesis["genesis_time"], dict(arguments.rich)
    )
    asyncio.run(Server(chain, arguments.block_time).run(arguments.host, arguments.port))
    journal.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
