"""The first ^C stops the run, whatever state the terminal is in."""

import subprocess
import sys

_PROGRAM = """
import fcntl, os, signal, threading
from cicscenario.cli.interrupts import stopped_by_signals

flags = fcntl.fcntl(2, fcntl.F_GETFL)
fcntl.fcntl(2, fcntl.F_SETFL, flags | os.O_NONBLOCK)
try:
    while {full}:
        os.write(2, bytes(4096))
except BlockingIOError:
    pass
fcntl.fcntl(2, fcntl.F_SETFL, flags)
stopping = threading.Event()
with stopped_by_signals(stopping.set):
    os.kill(os.getpid(), signal.SIGINT)
    print(stopping.wait(5))
"""


def stopped(*, full: bool) -> tuple[str, bytes]:
    """What a program says that gets ^C, and what it wrote on its terminal. ``full``: nobody reads from the terminal."""
    program = [sys.executable, "-c", _PROGRAM.format(full=full)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        try:
            process.wait(20)
            return process.stdout.read().decode().strip(), process.stderr.read()
        finally:
            process.kill()


def test_it_is_told_that_the_run_stops() -> None:
    said, shown = stopped(full=False)
    assert said == "True"
    assert b"^C once more ends at once" in shown


def test_a_terminal_that_takes_no_text_does_not_hold_up_the_stop() -> None:
    """A terminal that is held by ^S, or a pager that nobody reads on in."""
    said, _ = stopped(full=True)
    assert said == "True"
