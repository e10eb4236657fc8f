"""The engine's settings and command line options."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from cicscenario.chainspec import ChainSpec
from cicscenario.sandbox.custodial.faults import EngineFaults
from cicscenario.sandbox.pace import FAST, add_option


@dataclass(frozen=True)
class EngineSettings:
    """The engine's settings. ``arguments`` is the command line itself, from which the workers read the same settings."""

    broker: str
    queue: str
    database: str  #: postgresql://user@host:port, without database and password
    password: str
    rpc: str
    chain_spec: ChainSpec
    registry: bytes
    owner_key: bytes  #: private key of the accounts index's owner, whose account is funded
    data: Path
    transfer_callbacks: tuple[tuple[str, str], ...]  #: queue and task name
    faults: EngineFaults
    arguments: tuple[str, ...]
    pace: str = FAST

    def dsn(self, name: str) -> str:
        """The connection string of database ``name``."""
        user, _, host = self.database.partition("://")[2].partition("@")
        address, _, port = host.partition(":")
        return f"host={address} port={port} user={user} password={self.password} dbname={name} connect_timeout=10"

    def __repr__(self) -> str:
        return f"EngineSettings({self.broker}, {self.database}, {self.rpc})"  # leaves out the secrets


def read_settings(arguments: list[str]) -> EngineSettings:
    """Parses the command line. A wrong one ends the process, as always with argparse."""
    parser = argparse.ArgumentParser(prog="python -m cicscenario.sandbox.custodial", description=__doc__)
    parser.add_argument("--broker", required=True, metavar="redis://HOST:PORT/DB")
    parser.add_argument("--queue", default="cic-eth")
    parser.add_argument("--database", required=True, metavar="postgresql://USER@HOST:PORT")
    parser.add_argument("--password-file", required=True, type=Path, help="has the password of the database's user")
    parser.add_argument("--rpc", required=True, metavar="URL")
    parser.add_argument("--chain-spec", required=True, type=ChainSpec.parse)
    parser.add_argument("--registry", required=True, help="address of the contract registry")
    parser.add_argument("--owner-key", required=True, type=Path, help="file with the key of the accounts index's owner")
    parser.add_argument("--data", required=True, type=Path, help="folder of the secret that encrypts the keys")
    parser.add_argument(
        "--transfer-callbacks", default="", metavar="QUEUE:TASK,...", help="tasks to send for every transfer"
    )
    parser.add_argument("--fault", action="append", default=[], metavar="NAME[=VALUE]", help=EngineFaults.__doc__)
    add_option(parser)
    options = parser.parse_args(arguments)
    try:
        faults = EngineFaults.parse(options.fault)
    except ValueError as error:
        parser.error(str(error))
    callbacks = [entry.split(":", 1) for entry in options.transfer_callbacks.split(",") if entry]
    return EngineSettings(
        broker=options.broker,
        queue=options.queue,
        database=options.database,
        password=options.password_file.read_text("ascii").strip(),
        rpc=options.rpc,
        chain_spec=options.chain_spec,
        registry=bytes.fromhex(options.registry.removeprefix("0x")),
        owner_key=bytes.fromhex(options.owner_key.read_text("ascii").strip()),
        data=options.data,
        transfer_callbacks=tuple((queue, task) for queue, task in callbacks),
        faults=faults,
        arguments=tuple(arguments),
        pace=options.pace,
    )
