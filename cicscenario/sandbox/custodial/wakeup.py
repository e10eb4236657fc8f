"""Lets the engine's loop sleep until there is something to do: a transaction to send, or a new block.

PostgreSQL and the node tell of both, so nobody has to ask them again and again.
"""

import contextlib
import logging
import select
import threading
from collections.abc import Callable, Generator

import psycopg2

from cicscenario.errors import UnavailableError
from cicscenario.sandbox import news
from cicscenario.sandbox.custodial.settings import EngineSettings
from cicscenario.transport import libpq

_CHANNEL = "otx_ready"  # of PostgreSQL's NOTIFY; see schema.sql
_BLIND = 0.25  # seconds after which the loop looks by itself while one of the two does not tell
_BACK_OFF = 1.0  # seconds before each attempt to listen again
_log = logging.getLogger(__name__)


class Wakeup:
    """Two threads that listen. Each wakes the loop, too, when it begins to listen, for what it may have missed."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._woken = threading.Event()
        self._ended = threading.Event()
        self._deaf: set[str] = set()  # names of the threads that do not listen at present

    def start(self) -> None:
        for name, tell in (("database", self._ready_transactions), ("node", self._blocks)):
            self._deaf.add(name)
            threading.Thread(target=self._listen, args=(name, tell), name=f"{name} news", daemon=True).start()

    def end(self) -> None:
        """Has the threads end when they are next told something, or fail."""
        self._ended.set()

    def wake(self) -> None:
        """Ends ``wait``, or the next one."""
        self._woken.set()

    def wait(self, longest: float) -> bool:
        """Waits until the loop is woken, at most ``longest`` seconds; says whether it was."""
        woken = self._woken.wait(min(longest, _BLIND) if self._deaf else longest)
        self._woken.clear()
        return woken

    def _listen(self, name: str, tell: Callable[[], Generator[None, None, None]]) -> None:
        while not self._ended.is_set():
            try:
                with contextlib.closing(tell()) as told:
                    for _ in told:
                        if self._ended.is_set():
                            return
                        self._deaf.discard(name)
                        self._woken.set()
            except (psycopg2.Error, UnavailableError, OSError) as error:
                _log.warning("no news of the %s: %s", name, str(error).strip())
            self._deaf.add(name)
            self._woken.set()
            self._ended.wait(_BACK_OFF)

    def _ready_transactions(self) -> Generator[None, None, None]:
        with contextlib.closing(libpq.connect(dsn=self._settings.dsn("cic_eth"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {_CHANNEL}")
            yield
            while True:
                select.select([connection], [], [])
                connection.poll()  # raises OperationalError when the server has ended the connection
                connection.notifies.clear()
                yield

    def _blocks(self) -> Generator[None, None, None]:
        return news.news(self._settings.rpc, news.BLOCKS)
