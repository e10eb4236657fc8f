"""``python -m cicscenario.sandbox.node.decoder DESCRIPTOR``: decodes transactions for a node that executes others meanwhile.

``ahead`` starts it, and says what goes through the socket. It ends when the node does, which closes the socket.
"""

import contextlib
import marshal
import signal
import socket
import sys

from cicscenario.sandbox.node.codec import parse_data
from cicscenario.sandbox.node.errors import JsonRpcError
from cicscenario.sandbox.node.transaction import Transaction, decode

LARGEST = 200_000  #: bytes of a message


def decoded(texts: list[str]) -> list[Transaction | None]:
    """The transactions in 0x-hex; None for one that is none, of which the node says what is wrong."""
    return [_decoded(text) for text in texts]


def _decoded(text: str) -> Transaction | None:
    try:
        return decode(parse_data(text, "transaction"))
    except JsonRpcError:
        return None


def _serve(tasks: socket.socket) -> None:
    while message := tasks.recv(LARGEST):
        number, texts = marshal.loads(message)  # noqa: S302 - from the node that started this process
        tasks.send(marshal.dumps((number, [tx and tuple(tx) for tx in decoded(texts)])))


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):  # of a terminal or a group: it ends with the node
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as tasks, contextlib.suppress(ConnectionError, BrokenPipeError):
        _serve(tasks)


if __name__ == "__main__":
    main()
