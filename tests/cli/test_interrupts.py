"""The first ^C stops the run, whatever state the terminal is in; the second ends the process, whatever it waits for."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from cicscenario.chain.rpc import Rpc
from cicscenario.errors import ExitCode
from cicscenario.services.accounts import AccountsDatabase
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.meta import MetaClient
from cicscenario.services.ussd import UssdClient
from tests.support.raw_servers import at, never_answers, raw_server

ENDS_WITHIN = 20  # seconds; alone it takes one, and without what is tested here minutes

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


_INPUT = """
import signal, sys, threading
from cicscenario.cli.interrupts import ended_by_signals

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # of this thread, which is the main one
with ended_by_signals():
    def send():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.raise_signal(signal.SIGINT)
    threading.Timer(0.2, send).start()
    try:
        sys.stdin.readline()
    except KeyboardInterrupt:
        print("heard")
"""


def test_one_that_does_not_end_a_wait_for_input_is_heard_all_the_same() -> None:
    """The kernel gives it to another thread; one that comes just before the wait begins has the same effect."""
    with subprocess.Popen(
        [sys.executable, "-c", _INPUT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            assert process.wait(20) == 0
            assert process.stdout.read() == "heard\n"
        finally:
            process.kill()


_WAITS = """
import sys, threading
from cicscenario.cli.boundary import boundary
from cicscenario.cli.interrupts import stopped_by_signals
from tests.cli.test_interrupts import WAITS

name, port, heeded = sys.argv[1:]
stopping = threading.Event()

def wait():
    with stopped_by_signals(stopping.set):
        print("it waits", flush=True)
        WAITS[name](int(port), stopping if heeded == "True" else None)

sys.exit(boundary(wait))
"""
INT, TERM = signal.SIGINT, signal.SIGTERM


def _accounts(port: int, stopping: threading.Event | None) -> AccountsDatabase:
    return AccountsDatabase("127.0.0.1", port, "cic_ussd", "grassroots", "secret", timeout=300, stopping=stopping)


#: A wait in the main thread for each kind of server that says nothing, and the server.
WAITS: dict[str, Callable[[int, threading.Event | None], object]] = {
    "node": lambda port, stopping: Rpc(f"http://127.0.0.1:{port}", timeout=300, stopping=stopping).call("eth_chainId"),
    "metadata": lambda port, stopping: MetaClient(f"http://127.0.0.1:{port}", timeout=300, stopping=stopping).check(),
    "TLS": lambda port, stopping: UssdClient(f"https://127.0.0.1:{port}", timeout=300, stopping=stopping).check(),
    "Redis": lambda port, stopping: Broker(
        f"redis://127.0.0.1:{port}/0", "cic-eth", timeout=300, stopping=stopping
    ).ping(),
    "login": lambda port, stopping: _accounts(port, stopping).read(["+254711000001"]),
    "statement": lambda port, stopping: _accounts(port, stopping).read(["+254711000001"]),
}
_SERVERS = {"statement": at(b"FROM account", never_answers)}


def assert_ends(name: str, signals: Sequence[int], *, heeded: bool) -> str:
    """A process that waits ends with 130 soon after the last of these signals. Returns what it says."""
    with raw_server(_SERVERS.get(name, never_answers)) as port:
        program = [sys.executable, "-c", _WAITS, name, str(port), str(heeded)]
        with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout
                assert process.stdout.readline() == "it waits\n"
                time.sleep(1)  # it is within the library then
                for number in signals:
                    assert process.poll() is None
                    time.sleep(0.1)
                    process.send_signal(number)
                _, said = process.communicate(timeout=ENDS_WITHIN)
            finally:
                process.kill()
    assert process.returncode == ExitCode.INTERRUPTED, said
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    ("name", "signals"),
    [
        ("statement", [INT]),
        *(pytest.param(name, [number], marks=pytest.mark.slow) for name in WAITS for number in (INT, TERM)),
    ],
)
def test_the_first_ends_the_wait_for_any_server(name: str, signals: list[int]) -> None:
    assert "stopped while waiting" in assert_ends(name, signals, heeded=True)


@pytest.mark.parametrize(
    ("name", "signals"),
    [
        ("statement", [INT, INT]),
        *(
            pytest.param(name, signals, marks=pytest.mark.slow)
            for name in ("login", "statement", "TLS")
            for signals in ([INT, TERM], [TERM, INT], [TERM, TERM])
        ),
    ],
)
def test_the_second_ends_the_process_whatever_it_waits_for(name: str, signals: list[int]) -> None:
    """The first is of no use here: what is waited for does not end with the run."""
    assert "^C once more ends at once" in assert_ends(name, signals, heeded=False)


def test_what_cannot_be_stopped_is_interrupted() -> None:
    for number in (INT, TERM):
        program = f"boundary(lambda: (os.kill(os.getpid(), {int(number)}), time.sleep(60)))"
        code = f"import os, sys, time\nfrom cicscenario.cli.boundary import boundary\nsys.exit({program})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
        assert done.returncode == ExitCode.INTERRUPTED
        assert done.stderr.startswith("interrupted; to resume: ")
