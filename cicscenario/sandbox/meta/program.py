"""``python -m cicscenario.sandbox.meta``: runs the metadata server until SIGTERM or SIGINT."""

import argparse
import asyncio

from cicscenario.sandbox.meta.faults import parse
from cicscenario.sandbox.meta.keys import ensure_keys, trusted_keys
from cicscenario.sandbox.meta.operations import Operations
from cicscenario.sandbox.meta.server import MetaServer, serve
from cicscenario.sandbox.meta.signatures import TrustedKeys
from cicscenario.sandbox.meta.store import EntryStore
from cicscenario.sandbox.pace import Work, WorkPace, add_option
from cicscenario.sandbox.process import exit_code_of, require_loopback, server_parser


def _parser() -> argparse.ArgumentParser:
    parser = server_parser("cicscenario.sandbox.meta", __doc__, "entries and keys are")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME[=VALUE]", help="a fault of faults.py; repeatable"
    )
    add_option(parser)
    return parser


def _run(arguments: argparse.Namespace) -> None:
    require_loopback(arguments.host, "metadata server")
    faults, pace = parse(arguments.fault), WorkPace(arguments.pace)
    store = EntryStore(arguments.data)
    try:
        with pace.taking(Work.START):
            ensure_keys(arguments.data)
            operations = Operations(store, TrustedKeys(trusted_keys(arguments.data)), faults)
        asyncio.run(serve(MetaServer(operations, faults, pace), arguments.host, arguments.port))
    finally:
        store.close()


def main() -> int:
    arguments = _parser().parse_args()
    return exit_code_of(lambda: _run(arguments))
