"""Decodes the transactions of large requests on two processors, before the request is answered.

More than half of a transaction's time goes into its signature, which needs no state. So a second process, ``decoder``, does it
for one request while the node executes another, and shares the work with the node while the node has nothing else to do.

The two ends of a socket that keeps messages apart are the queue: the node writes tasks into ``near``, and the decoder reads them
from ``far``, as does the node when it is idle; whoever reads a task does it. A task is a number and some transactions in hex;
its result, which the decoder writes back, the number and the transactions' fields, both marshalled.

What is decoded ahead is an offer: whatever is missing in it the node decodes itself when it answers. So nothing depends on the
decoder, and everything that is wrong with a transaction is said in one place. It is started by the first large request, and
nobody waits until it is up.
"""

import asyncio
import contextlib
import marshal
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from typing import Any

from cicscenario.sandbox.node.decoder import LARGEST, decoded
from cicscenario.sandbox.node.transaction import Transaction

_LEAST = 8  # transactions of a request that are worth it
_AT_ONCE = 20  # in a task
_LONGEST = 2_000  # characters of a transaction; a task must fit into a message

_WITHOUT = "the node decodes all itself"

Known = dict[str, Transaction]  #: by the transaction in hex, as the client has sent it


class _Request:
    """The tasks of a request that are not done, and what the others gave."""

    def __init__(self) -> None:
        self.known: Known = {}
        self.left = 0
        self.done = asyncio.get_running_loop().create_future()

    def take(self, texts: Sequence[str], found: Sequence[Transaction | None]) -> None:
        self.known.update((text, tx) for text, tx in zip(texts, found, strict=True) if tx)
        self.left -= 1
        if not self.left:
            self.end()

    def end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Ahead:
    """The node's side.

    ``is_possible`` is false where there is one processor or no such socket, and after the decoder has ended.
    """

    def __init__(self) -> None:
        self.is_possible = hasattr(socket, "SOCK_SEQPACKET") and _processors() > 1
        self.process: subprocess.Popen[bytes] | None = None
        self._tasks: dict[int, tuple[_Request, Sequence[str]]] = {}  # by number: those that nobody has done
        self._unsent: deque[bytes] = deque()
        self._made = 0

    async def decode(self, texts: Sequence[str]) -> Known:
        """The transactions in 0x-hex, without those that are wrong, very long, or too few to be worth it."""
        short = [text for text in texts if len(text) <= _LONGEST]
        if len(short) < _LEAST or not self._is_up():
            return {}
        request = _Request()
        for first in range(0, len(short), _AT_ONCE):
            self._add(request, short[first : first + _AT_ONCE])
        self._send()
        while not request.done.done() and (task := self._untaken()):
            number, its = marshal.loads(task)  # noqa: S302 - written here
            self._finish(number, decoded(its))
            await asyncio.sleep(0)  # another request may be ready
        await request.done
        return request.known

    def close(self) -> None:
        """Ends the decoder. Nobody may wait for transactions any more."""
        if self.is_possible and self.process:
            self._end()

    def _is_up(self) -> bool:
        """Starts the decoder at the first call. False when there is none (any more)."""
        if self.is_possible and self.process is None:
            try:
                self._start()
            except OSError as error:
                self._near.close()
                self._far.close()
                self.is_possible = False
                print(f"no process can be started that decodes transactions: {error}; {_WITHOUT}", file=sys.stderr)
        return self.is_possible

    def _start(self) -> None:
        self._near, self._far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._near.setblocking(False)
        descriptor = self._far.fileno()
        command = [sys.executable, "-m", "cicscenario.sandbox.node.decoder", str(descriptor)]
        self.process = subprocess.Popen(
            command, pass_fds=[descriptor], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        assert self.process.stdout  # it writes nothing there: its end is that of the process
        loop = asyncio.get_running_loop()
        loop.add_reader(self.process.stdout, self._gone)
        loop.add_reader(self._near, self._results)

    def _add(self, request: _Request, texts: Sequence[str]) -> None:
        self._made += 1
        request.left += 1
        self._tasks[self._made] = request, texts
        self._unsent.append(marshal.dumps((self._made, list(texts))))

    def _send(self) -> None:
        """Sends the decoder as many tasks as the socket takes."""
        while self._unsent:
            try:
                self._near.send(self._unsent[0])
            except OSError:  # it is full; or the decoder is gone, which ``_gone`` notices
                return
            self._unsent.popleft()

    def _untaken(self) -> bytes | None:
        """The oldest task that nobody does yet, for the node to do."""
        try:
            task = self._far.recv(LARGEST, socket.MSG_DONTWAIT)
        except OSError:  # there is none; or the decoder is gone
            return self._unsent.popleft() if self._unsent else None
        self._send()
        return task

    def _results(self) -> None:
        with contextlib.suppress(OSError):  # until there are no more
            while message := self._near.recv(LARGEST):
                number, found = marshal.loads(message)  # noqa: S302 - from the process that was started here
                self._finish(number, [tx and Transaction._make(tx) for tx in found])
        self._send()

    def _finish(self, number: int, found: Sequence[Transaction | None]) -> None:
        request, texts = self._tasks.pop(number)
        request.take(texts, found)

    def _gone(self) -> None:
        """The decoder has ended by itself: its tasks are left to the node."""
        code = self._end()
        self._unsent.clear()
        for request, _ in self._tasks.values():
            request.end()
        self._tasks.clear()
        print(f"the process that decodes transactions has ended ({code}); {_WITHOUT}", file=sys.stderr)

    def _end(self) -> int:
        """Gives the decoder's exit code."""
        assert self.process
        assert self.process.stdout
        self.is_possible = False
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.process.stdout)
        loop.remove_reader(self._near)
        self._near.close()
        self._far.close()
        self.process.kill()  # it may be busy with a task that nobody waits for
        self.process.stdout.close()
        return self.process.wait()


def raw_transactions(request: Any) -> list[str]:
    """The parameters of all eth_sendRawTransaction in a JSON-RPC request, if it is a batch; those that are texts."""
    if not isinstance(request, list):
        return []
    return [
        params[0]
        for item in request
        if isinstance(item, dict)
        and item.get("method") == "eth_sendRawTransaction"
        and isinstance(params := item.get("params"), list)
        and params
        and isinstance(params[0], str)
    ]


def _processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
