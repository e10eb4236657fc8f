"""Shared by the sandbox's programs: command line options, the loopback check, stop signals and exit codes."""

import argparse
import ipaddress
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from cicscenario.errors import CicScenarioError, ExitCode, InvalidError, UnavailableError

HOLD = "CICSCENARIO_HOLD"  #: environment variable: the descriptor of a pipe; see ``wait_for_others``


def server_parser(program: str, description: str | None, kept: str) -> argparse.ArgumentParser:
    """A parser with --host, --port and --data; ``kept`` says in the help what the data folder holds ("the chain is")."""
    parser = argparse.ArgumentParser(f"python -m {program}", description=description)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help=f"where {kept} kept")
    return parser


def require_loopback(host: str, service: str) -> None:
    """Raises InvalidError unless ``host`` is a loopback address: no other machine may reach the sandbox."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise InvalidError(f"--host {host}: the {service} listens on loopback only", hint="Use 127.0.0.1.")


def cannot_listen(host: str, port: int, error: OSError) -> UnavailableError:
    """The error to raise when a server cannot bind its port."""
    return UnavailableError(f"cannot listen on {host}:{port}: {error.strerror}", hint="Choose another --port.")


def stop_event() -> threading.Event:
    """An event that SIGTERM and SIGINT set. Call it in the main thread."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def wait_for_others() -> None:
    """Waits until the services that this program needs are up, if its starter has said that they are not yet.

    The starter keeps a pipe open until then. It is closed, too, when the starter is killed.
    """
    if descriptor := os.environ.pop(HOLD, None):
        os.read(int(descriptor), 1)
        os.close(int(descriptor))


def exit_code_of(body: Callable[[], int | None], *, held: bool = True) -> int:
    """Runs a program and gives its exit code; a CicScenarioError is written to stderr first.

    It waits for others first, unless ``held`` is false: then ``body`` does, when it has begun what can be begun.
    """
    try:
        if held:
            wait_for_others()
        return body() or ExitCode.OK
    except CicScenarioError as error:
        sys.stderr.write(f"error: {error.message}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return error.exit_code
