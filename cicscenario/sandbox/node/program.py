"""``python -m cicscenario.sandbox.node``: runs the embedded node until SIGTERM or SIGINT."""

import argparse
import asyncio
import time

from cicscenario.errors import InvalidError
from cicscenario.sandbox.node.chain import open_chain
from cicscenario.sandbox.node.codec import parse_address
from cicscenario.sandbox.node.errors import JsonRpcError
from cicscenario.sandbox.node.journal import Genesis
from cicscenario.sandbox.node.server import serve
from cicscenario.sandbox.process import exit_code_of, require_loopback, server_parser


def _parser() -> argparse.ArgumentParser:
    parser = server_parser("cicscenario.sandbox.node", __doc__, "the chain is")
    parser.add_argument("--chain-id", type=int, default=8996)
    parser.add_argument("--gas-limit", type=int, default=30_000_000, help="of a block")
    parser.add_argument("--block-time", type=float, metavar="SECONDS", help="mine at this interval, not on demand")
    parser.add_argument(
        "--genesis-time", type=int, metavar="UNIX", help="time of block 0; the default for a new chain is now"
    )
    parser.add_argument(
        "--rich", action="append", default=[], metavar="ADDRESS=WEI", help="a balance at genesis; repeatable"
    )
    return parser


def _balance(entry: str) -> tuple[str, int]:
    address, _, wei = entry.partition("=")
    try:
        return parse_address(address), int(wei)
    except (JsonRpcError, ValueError):
        raise InvalidError(f"--rich {entry}: expected ADDRESS=WEI, such as 0x{'0' * 38}aa=1000") from None


def _run(arguments: argparse.Namespace) -> None:
    require_loopback(arguments.host, "node")
    if arguments.block_time is not None and arguments.block_time <= 0:
        raise InvalidError(f"--block-time {arguments.block_time}: expected seconds above 0")
    given: int | None = arguments.genesis_time
    genesis = Genesis(
        chain_id=arguments.chain_id,
        gas_limit=arguments.gas_limit,
        time=int(time.time()) if given is None else given,
        rich=dict(_balance(entry) for entry in arguments.rich),
    )
    chain = open_chain(arguments.data, genesis, any_time=given is None)
    try:
        asyncio.run(serve(chain, arguments.host, arguments.port, arguments.block_time))
    finally:
        chain.close()


def main() -> int:
    arguments = _parser().parse_args()
    return exit_code_of(lambda: _run(arguments))
