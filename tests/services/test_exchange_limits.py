"""Every client gives up a server that is silent, drips, or has no end: in its time, within its size, and says which it was."""

import gzip
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from cicscenario.chain.rpc import Rpc
from cicscenario.errors import ExitCode, UnavailableError
from cicscenario.services.accounts import AccountsDatabase
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.custodial.callbacks import Callbacks
from cicscenario.services.meta import MetaClient
from cicscenario.services.ussd import UssdClient
from tests.support.openpgp_keys import PASSPHRASE, WRITER
from tests.support.raw_servers import ENDLESS, LATE, Serve, half, raw_server

SOON = 0.4  # seconds that the clients give a server
PHONE = "+254711223344"
#: Seconds within which a client has given up; a time-out that is for each byte would take hours.
BY_NOW = 25.0


def node(port: int, timeout: float) -> Rpc:
    return Rpc(f"http://127.0.0.1:{port}", timeout=timeout, patience=0)


def meta(port: int, timeout: float) -> MetaClient:
    url = f"http://127.0.0.1:{port}"
    return MetaClient(url, key=WRITER, passphrase=PASSPHRASE, timeout=timeout, pauses=(0.0,), looks=(0.0,))


def phone(port: int, timeout: float) -> UssdClient:
    return UssdClient(f"http://127.0.0.1:{port}", timeout=timeout)


def broker(port: int, timeout: float) -> Broker:
    return Broker(f"redis://127.0.0.1:{port}/0", "cic-eth", timeout=timeout, patience=0)


def accounts(port: int, timeout: float) -> AccountsDatabase:
    return AccountsDatabase("127.0.0.1", port, "cic_ussd", "grassroots", "secret", timeout=max(1, int(timeout)))


def subscription(port: int, timeout: float) -> None:
    callbacks = Callbacks(broker(port, timeout), "channel")
    try:
        callbacks.confirmed(timeout)
    finally:
        callbacks.close()


#: What each client waits for, by protocol. The arguments are the port, and the seconds that the server is given.
CALLS: dict[str, dict[str, Callable[[int, float], object]]] = {
    "http": {
        "node reads": lambda port, timeout: node(port, timeout).call("eth_blockNumber"),
        "node reads many": lambda port, timeout: node(port, timeout).calls([("eth_blockNumber", [])] * 2),
        "node sends": lambda port, timeout: node(port, timeout).call("eth_sendRawTransaction", "0x00"),
        "metadata reads": lambda port, timeout: meta(port, timeout).get(bytes(32)),
        "metadata writes": lambda port, timeout: meta(port, timeout).put(bytes(32), "text"),
        "phone dials": lambda port, timeout: phone(port, timeout).dial(PHONE),
    },
    "redis": {
        "broker reads": lambda port, timeout: broker(port, timeout).waiting(),
        "broker pushes": lambda port, timeout: broker(port, timeout).push([b"task"]),
        "broker is asked": lambda port, timeout: broker(port, timeout).ping(),
        "callbacks": subscription,
    },
    "postgres": {
        "accounts are read": lambda port, timeout: accounts(port, timeout).read([PHONE]),
    },
}
#: Those whose answers have an end for them: a node's batch is asked for again in parts.
ONE_EACH = ("node reads", "metadata reads", "phone dials", "broker reads", "accounts are read")


@dataclass(frozen=True)
class End:
    """How a call ended."""

    error: BaseException | None
    seconds: float
    port: int


def ended(call: Callable[[int, float], object], serve: Serve, timeout: float) -> End:
    with raw_server(serve) as port:
        began = time.monotonic()
        try:
            call(port, timeout)
        except Exception as error:
            return End(error, time.monotonic() - began, port)
        return End(None, time.monotonic() - began, port)


def assert_given_up(end: End, *words: str) -> None:
    """It is an error for people that says who, and what; exit code 3."""
    assert isinstance(end.error, UnavailableError), end
    assert end.error.exit_code is ExitCode.UNAVAILABLE
    assert str(end.port) in end.error.message
    assert any(word in end.error.message for word in words), end.error.message


LATE_CASES = [
    (protocol, name, manner) for protocol, calls in CALLS.items() for name in calls for manner in LATE[protocol]
]


@pytest.fixture(scope="module")
def late_ends() -> dict[tuple[str, str, str], End]:
    """All of them at the same time, since each is a wait."""

    def end(case: tuple[str, str, str]) -> End:
        protocol, name, manner = case
        return ended(CALLS[protocol][name], LATE[protocol][manner], SOON)

    done: dict[tuple[str, str, str], End] = {}
    threads = [threading.Thread(target=lambda c=case: done.update({c: end(c)}), daemon=True) for case in LATE_CASES]
    for thread in threads:
        thread.start()
    limit = time.monotonic() + 2 * BY_NOW
    for thread in threads:
        thread.join(max(0.0, limit - time.monotonic()))
    return dict(done)


@pytest.mark.parametrize("case", LATE_CASES, ids=", ".join)
def test_a_server_that_lets_a_client_wait_is_given_up_in_time(
    late_ends: dict[tuple[str, str, str], End], case: tuple[str, str, str]
) -> None:
    assert case in late_ends, "it still waits"
    end = late_ends[case]
    assert end.seconds < BY_NOW
    if "login" in case[2] or case[::2] == ("postgres", "silent"):  # libpq may be first, with its own words
        assert_given_up(end, "within 1 second", "timeout expired")
    else:
        assert_given_up(end, "within 0.4 seconds", "within 3 seconds", "SUBSCRIBE")


ENDLESS_CASES = [
    (name, protocol, manner)
    for protocol, manners in ENDLESS.items()
    for manner in manners
    for name in CALLS[protocol]
    if name in ONE_EACH
]
_PROGRAM = """
import resource, sys
sys.path.insert(0, ".")
from tests.services.test_exchange_limits import CALLS
from cicscenario.errors import UnavailableError
name, protocol, port = sys.argv[1:]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    CALLS[protocol][name](int(port), 8)
except UnavailableError as error:
    print(error.message, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1000)
"""
MOST_MEMORY = 400  # megabytes; what comes without a limit is many times more in eight seconds
#: libpq reads by itself, and a thread looks how much: it may get its turn late. Without a limit, libpq takes 2,097 MB.
MOST_OF_LIBPQ = 1000


def _packed(coding: str, layers: int) -> Serve:
    """400 MB of blanks, packed so often."""
    body = b" " * 1_000_000
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    body = b"".join(packer.compress(body) for _ in range(400)) + packer.flush()
    for _ in range(layers - 1):
        body = gzip.compress(body)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return half(head.encode() + body)


PACKED: dict[str, Callable[[], Serve]] = {
    "gzip": lambda: _packed("gzip", 1),
    "gzip in gzip": lambda: _packed("gzip, gzip", 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("name", ["node reads", "metadata reads", "phone dials"])
def test_a_packed_answer_that_becomes_too_large_is_refused(name: str, packed: str) -> None:
    """The metadata client takes nothing packed: for it these are bytes that are not JSON."""
    said, megabytes = in_little_memory(name, "http", PACKED[packed]())
    assert "larger than" in said or name == "metadata reads"
    assert megabytes < MOST_MEMORY


@pytest.mark.slow
@pytest.mark.parametrize("case", ENDLESS_CASES, ids=", ".join)
def test_an_answer_without_end_is_refused_and_takes_no_memory(case: tuple[str, str, str]) -> None:
    """Before, such an answer took all the memory of the machine."""
    name, protocol, manner = case
    said, megabytes = in_little_memory(name, protocol, ENDLESS[protocol][manner])
    assert said
    assert megabytes < (MOST_OF_LIBPQ if protocol == "postgres" else MOST_MEMORY)


def in_little_memory(name: str, protocol: str, serve: Serve) -> tuple[str, int]:
    """What the error of a call says, and by how many megabytes a process that makes only this call grows."""
    with raw_server(serve) as port:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, name, protocol, str(port)],
            capture_output=True, text=True, timeout=100, check=True,
        )  # fmt: skip
    said, _, grown = done.stdout.strip().rpartition(" ")
    assert str(port) in said
    return said, int(grown)
