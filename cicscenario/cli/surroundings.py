"""What a command makes of the process that it is started in: its variables, its standard streams, its warnings."""

import os
import sys
import warnings

from cicscenario.cli.boundary import DEBUG
from cicscenario.shell import take

_STREAMS = 3  # standard input, output and error


def prepare_process() -> None:
    """Takes the variables that only libraries read out of the process, and makes its streams usable."""
    take()
    if not os.environ.get(DEBUG):
        warnings.simplefilter("ignore")  # they are for developers, and PYTHONWARNINGS may make errors of them
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a character that the terminal does not have


def _open_closed() -> None:
    """Opens the null device for standard streams that are closed, so that no file that is opened gets their number."""
    for number in range(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
