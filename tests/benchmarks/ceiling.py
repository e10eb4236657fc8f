"""How many people a second a node takes from the best of several clients: for each person the transactions that a run sends.

The clients differ in connections and in the size of batches. Each sends bodies that were signed and encoded beforehand, so that
it takes as little as possible of the processors that the node could use.
"""

import http.client
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.contracts import ADD, GIVE_TO, TRANSFER, Contracts
from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import Signer
from tests.support.sandboxes import Sandbox

#: Connections, and transactions in a batch.
CLIENTS = ((1, 200), (2, 200), (4, 200), (1, 50), (2, 50), (1, 500), (2, 500))
TRANSACTIONS = 4  #: of each person
_GAS = 300_000  # of a call
_MOST = 180.0  # seconds until everything is mined


@dataclass(frozen=True, order=True)
class Ceiling:
    """People a second, and the client that got them."""

    rate: float
    connections: int
    batch: int

    def __str__(self) -> str:
        return f"{self.rate:.0f} people/s with {self.connections} x {self.batch}"


def ceiling(box: Sandbox, people: int, clients: Sequence[tuple[int, int]] = CLIENTS) -> Ceiling:
    """The best of several clients; each sends the transactions of ``people`` people who are new on the chain."""
    return max(_of_client(box, people, *client) for client in clients)


def signed(signer: Signer, contracts: Contracts, nonce: int, people: Sequence[bytes]) -> list[bytes]:
    """Signed transactions that register people, give them gas, have the faucet pay them, and give them tokens, in this order."""
    raw = []
    for what in range(TRANSACTIONS):
        for person in people:
            to, data, value = _call(what, person, contracts)
            gas = _GAS if data else 21_000
            raw.append(signer.sign(nonce=nonce, gas_price=10**9, gas=gas, to=to, value=value, data=data).raw)
            nonce += 1
    return raw


def _call(what: int, person: bytes, contracts: Contracts) -> tuple[bytes, bytes, int]:
    assert contracts.faucet
    return (
        (contracts.accounts_index, pack(ADD, person), 0),
        (person, b"", 10**15),
        (contracts.faucet.address, pack(GIVE_TO, person), 0),
        (contracts.token.address, pack(TRANSFER, person, 7), 0),
    )[what]


def _of_client(box: Sandbox, people: int, connections: int, batch: int) -> Ceiling:
    session = box.session()
    return of_client(session.rpc, session.signer, session.contracts, people, connections, batch)


def of_client(rpc: Rpc, signer: Signer, contracts: Contracts, people: int, connections: int, batch: int) -> Ceiling:
    """What a client gets that has some ``connections``; ``batch`` transactions are in each request."""
    nonce = _mined(rpc, signer)
    raw: list[bytes] = []
    for first in range(0, people, batch):
        ids = range(first, min(first + batch, people))
        new = [(10**39 + nonce * 10**6 + number).to_bytes(20, "big") for number in ids]
        raw += signed(signer, contracts, nonce + len(raw), new)
    bodies = [_body(raw[first : first + batch]) for first in range(0, len(raw), batch)]
    node = urlsplit(rpc.url)
    assert node.hostname
    assert node.port
    address = node.hostname, node.port
    began = time.monotonic()
    with ThreadPoolExecutor(connections) as pool:  # neighbours in the order of nonces are sent at the same time
        list(pool.map(lambda first: _send(address, bodies[first::connections]), range(connections)))
    while _mined(rpc, signer) < nonce + len(raw):
        assert time.monotonic() - began < _MOST, f"{connections} x {batch}: not everything is mined"
        time.sleep(0.01)
    return Ceiling(people / (time.monotonic() - began), connections, batch)


def _send(address: tuple[str, int], bodies: Sequence[bytes]) -> None:
    connection = http.client.HTTPConnection(*address, timeout=_MOST)
    for body in bodies:
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answers = connection.getresponse().read()
        assert b'"error"' not in answers, answers[:500]
    connection.close()


def _body(raw: Sequence[bytes]) -> bytes:
    return json.dumps(
        [
            {"jsonrpc": "2.0", "id": number, "method": "eth_sendRawTransaction", "params": [to_hex(one)]}
            for number, one in enumerate(raw)
        ]
    ).encode()


def _mined(rpc: Rpc, signer: Signer) -> int:
    """The next nonce of the signer, as far as its transactions are mined."""
    return int(rpc.call("eth_getTransactionCount", to_hex(signer.address), "latest"), 16)
