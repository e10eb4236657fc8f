"""What the programs of the sandbox have in common: where they listen, and how they end."""

import argparse
import ipaddress
import sys
from collections.abc import Callable
from pathlib import Path

from cicscenario.errors import CicScenarioError, ExitCode, InvalidError


def server_parser(program: str, description: str | None, kept: str) -> argparse.ArgumentParser:
    """A parser of where a server listens and of the folder of what is ``kept``."""
    parser = argparse.ArgumentParser(f"python -m {program}", description=description)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help=f"where {kept} kept")
    return parser


def require_loopback(host: str, service: str) -> None:
    """Raises InvalidError for a host that others could reach: nothing of the sandbox can be reached from elsewhere."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise InvalidError(f"--host {host}: the {service} listens on loopback only", hint="Use 127.0.0.1.")


def exit_code_of(body: Callable[[], int | None]) -> int:
    """Runs a program; an error becomes a message in its log, and the exit code."""
    try:
        return body() or ExitCode.OK
    except CicScenarioError as error:
        sys.stderr.write(f"error: {error.message}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return error.exit_code
