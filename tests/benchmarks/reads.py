"""How fast the best of several clients reads from the node what the checks of a run read, and does nothing with it."""

import http.client
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.answers import question
from cicscenario.chain.contracts import BALANCE_OF, HAVE, Contracts, eth_call
from cicscenario.chain.rpc import Call
from cicscenario.printable import json_text
from tests.support.sandboxes import Run

CLIENTS = ((1, 100), (2, 100), (2, 400), (4, 100))  #: connections, and calls in a request
MOST = 20_000  #: people who are read by each client; for more, the seconds are in proportion
_TIMEOUT = 180.0  # seconds


@dataclass(frozen=True, order=True)
class Reading:
    """Seconds for everybody, and the client that took them."""

    seconds: float
    connections: int
    batch: int

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s with {self.connections} x {self.batch}"


def read_everybody(run: Run, people: int, clients: Sequence[tuple[int, int]] = CLIENTS) -> Reading:
    """The best of several clients; each makes the calls of the checks accounts_index, gas, faucet and balance."""
    session = run.box.session()
    every = -(-people // MOST)
    accounts = [row[0] for row in run.rows(f"SELECT address FROM people WHERE id % {every} = 0 ORDER BY id")]
    calls = [call for what in range(4) for account in accounts for call in [_call(what, account, session.contracts)]]
    best = min(_of_client(session.rpc.url, calls, *client) for client in clients)
    return Reading(best.seconds * people / len(accounts), best.connections, best.batch)


def _call(what: int, account: bytes, contracts: Contracts) -> Call:
    assert contracts.faucet
    return (
        eth_call(contracts.accounts_index, pack(HAVE, account)),
        ("eth_getBalance", [to_hex(account), "latest"]),
        eth_call(contracts.faucet.address, pack(contracts.faucet.probe, account)),
        eth_call(contracts.token.address, pack(BALANCE_OF, account)),
    )[what]


def _of_client(url: str, calls: Sequence[Call], connections: int, batch: int) -> Reading:
    firsts = range(0, len(calls), batch)
    bodies = [_body(calls[first : first + batch]) for first in firsts]
    began = time.monotonic()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(lambda first: _send(url, bodies[first::connections]), range(connections)))
    return Reading(time.monotonic() - began, connections, batch)


def _body(calls: Sequence[Call]) -> bytes:
    return json_text(question(calls, range(len(calls)))).encode()


def _send(url: str, bodies: Sequence[bytes]) -> None:
    node = urlsplit(url)
    assert node.hostname
    connection = http.client.HTTPConnection(node.hostname, node.port, timeout=_TIMEOUT)
    for body in bodies:
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = connection.getresponse().read()
        assert b'"error"' not in answer, answer[:500]
    connection.close()
