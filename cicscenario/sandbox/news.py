"""News of a node without asking again and again: ``eth_subscribe`` over a WebSocket.

Source: geth's documentation, "Real-time Events"; anvil takes the same, at the address of its HTTP server.
"""

import json
from collections.abc import Generator

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from cicscenario.errors import UnavailableError
from cicscenario.jsontext import JsonTextError, parse_json
from cicscenario.printable import foreign

BLOCKS = "newHeads"
TRANSACTIONS = "newPendingTransactions"

_PATIENCE = 10.0  # seconds to connect, and for the answer to the subscription


def news(url: str, kind: str) -> Generator[None, None, None]:
    """Gives None once the node at ``url`` (``http://host:port``) sends news, and again for each: a block, or a transaction.

    Waits without using the processor. Raises UnavailableError when the node does not answer, has no such news, or ends the
    connection. Close the iterator to end it.
    """
    address = url.replace("http", "ws", 1)
    try:
        with connect(address, open_timeout=_PATIENCE, ping_interval=None, proxy=None, compression=None) as socket:
            socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": [kind]}))
            answer = parse_json(socket.recv(_PATIENCE))
            if not isinstance(answer, dict) or "result" not in answer:
                raise UnavailableError(f"{url} does not send {kind}: {foreign(answer)}")
            yield
            for _ in socket:
                yield
    except (OSError, WebSocketException, JsonTextError) as error:  # a TimeoutError is an OSError
        raise UnavailableError(f"{url} does not send {kind}: {foreign(error)}") from None
    raise UnavailableError(f"{url} has ended the connection over which it sent {kind}")
