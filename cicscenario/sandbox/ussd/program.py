"""``python -m cicscenario.sandbox.ussd``: runs the phone interface until SIGTERM or SIGINT."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cicscenario.chain.rpc import Rpc
from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError
from cicscenario.sandbox.pace import WorkPace, add_option
from cicscenario.sandbox.process import exit_code_of, require_loopback, stop_event
from cicscenario.sandbox.ussd.database import DatabaseAddress
from cicscenario.sandbox.ussd.faults import parse_faults
from cicscenario.sandbox.ussd.menus import CURRENT, DIALECTS
from cicscenario.sandbox.ussd.metaclient import EntrySigner
from cicscenario.sandbox.ussd.service import UssdService, UssdSettings
from cicscenario.sandbox.ussd.tokens import ChainTokens, registry_address

_CHAIN_TIMEOUT = 5.0  # seconds for a balance; all other requests wait meanwhile


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m cicscenario.sandbox.ussd", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--broker", required=True, metavar="URL", help="redis://host:port/number")
    parser.add_argument("--database", required=True, metavar="URL", help="postgresql://user@host:port/name")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="has the database user's password")
    parser.add_argument("--chain-spec", required=True, metavar="SPEC", help="such as evm:byzantium:8996:bloxberg")
    parser.add_argument("--rpc", required=True, metavar="URL", help="URL of the chain node")
    parser.add_argument("--registry", required=True, metavar="ADDRESS", help="address of the contract registry")
    parser.add_argument("--meta", required=True, metavar="URL", help="URL of the metadata server")
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="OpenPGP private key to sign metadata")
    parser.add_argument("--passphrase-file", type=Path, required=True, metavar="FILE", help="has the key's passphrase")
    parser.add_argument("--dialect", choices=DIALECTS, default=CURRENT, help="2021 is cic-ussd of that year")
    parser.add_argument("--fallback-language", choices=("sw", "en"), default="sw")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME=VALUE", help="repeatable")
    add_option(parser)
    parser.add_argument("--verbose", action="store_true", help="log why a request failed")
    return parser


def _secret(option: str, file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidError(f"{option} {file}: cannot be read: {error}") from None


def _database(url: str, password: str) -> DatabaseAddress:
    parts = urlsplit(url)
    try:
        port = parts.port or 5432
    except ValueError:
        port = 0
    if not (parts.scheme == "postgresql" and parts.hostname and parts.username and parts.path.strip("/") and port):
        raise InvalidError(f"--database {url}: expected postgresql://user@host:port/name")
    return DatabaseAddress(parts.hostname, port, parts.path.strip("/"), unquote(parts.username), password)


def _settings(arguments: argparse.Namespace) -> UssdSettings:
    require_loopback(arguments.host, "phone interface")
    try:
        registry = registry_address(arguments.registry)
    except ValueError:
        raise InvalidError(f"--registry {arguments.registry}: expected 0x and 40 hex digits") from None
    return UssdSettings(
        host=arguments.host,
        port=arguments.port,
        broker=arguments.broker,
        database=_database(arguments.database, _secret("--password-file", arguments.password_file)),
        chain=ChainSpec.parse(arguments.chain_spec),
        meta=arguments.meta,
        signer=EntrySigner(arguments.key, _secret("--passphrase-file", arguments.passphrase_file)),
        tokens=ChainTokens(Rpc(arguments.rpc, timeout=_CHAIN_TIMEOUT), registry),
        dialect=arguments.dialect,
        fallback=arguments.fallback_language,
        faults=parse_faults(arguments.fault),
        pace=WorkPace(arguments.pace),
    )


def _run(arguments: argparse.Namespace) -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    if arguments.verbose:
        logging.getLogger("cicscenario").setLevel(logging.DEBUG)
    service = UssdService(_settings(arguments))
    stopped = stop_event()
    service.start()
    stopped.wait()
    service.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs with these arguments, by default those of the process; gives the exit code."""
    return exit_code_of(lambda: _run(_parser().parse_args(arguments)))
