"""The engine's own loop: sends what is to be sent, follows the chain, and comes back when a service went away."""

import logging
import threading
import time

import psycopg2
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from cicscenario.chain.rpc import RpcError
from cicscenario.errors import UnavailableError
from cicscenario.sandbox.custodial.callbacks import TransferCallbacks
from cicscenario.sandbox.custodial.dispatcher import Dispatcher
from cicscenario.sandbox.custodial.roles import have_roles
from cicscenario.sandbox.custodial.room import EngineContext
from cicscenario.sandbox.custodial.tracker import Tracker

_IDLE = 0.05  # seconds between looks at the queue and the chain
_AGAIN = 1.0  # seconds: between attempts after a failure, and between looks for what was lost
_AWAY = (psycopg2.OperationalError, psycopg2.InterfaceError, RedisError, BrokerError, UnavailableError, RpcError)
_log = logging.getLogger(__name__)


class EngineLoop:
    """``beat`` is the monotonic time of the last turn of its loop."""

    def __init__(self, room: EngineContext) -> None:
        self._room = room
        self._dispatcher = Dispatcher(room)
        self._tracker = Tracker(room, TransferCallbacks(room))
        self.beat = time.monotonic()

    def prepare(self) -> None:
        """Makes tables, keys and roles; raises UnavailableError when a service is missing."""
        self._room.vault.prepare()
        self._room.ledger.prepare()
        self._tracker.prepare()
        if not self._room.settings.faults.signer_down:
            have_roles(self._room)

    def run(self, stop: threading.Event) -> None:
        """Until ``stop``. A service that does not answer is asked again; nothing is lost meanwhile."""
        looked = time.monotonic()
        while not stop.is_set():
            self.beat = time.monotonic()
            pause = _IDLE
            try:
                busy = [self._dispatcher.step(), self._tracker.step()]
                pause = 0 if any(busy) else _IDLE
                if self.beat - looked > _AGAIN:
                    looked = self.beat
                    self._dispatcher.send_again()
            except _AWAY as error:
                _log.warning("%s: %s", type(error).__name__, str(error).strip())
                self._room.reconnect()
                pause = _AGAIN
            stop.wait(pause)
