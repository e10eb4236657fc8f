"""The engine's main loop: sends transactions, follows the chain, and retries when a service does not answer."""

import logging
import threading
import time

import psycopg2
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from cicscenario.chain.rpc import RpcError
from cicscenario.errors import UnavailableError
from cicscenario.sandbox.custodial.callbacks import TransferCallbacks
from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.dispatcher import Dispatcher
from cicscenario.sandbox.custodial.roles import ensure_roles
from cicscenario.sandbox.custodial.sending import TaskSender
from cicscenario.sandbox.custodial.tracker import Tracker
from cicscenario.sandbox.custodial.wakeup import Wakeup

_LEAST = 0.05  # seconds from the begin of a turn to that of the next one
_REST = 4  # times as long as a turn takes is the pause after it: a turn for one person takes nearly as long as one for twenty
_MOST = 0.5  # seconds, the longest such pause
_LONGEST = 10.0  # seconds between turns, also when nobody wakes the loop
_BACK_OFF = 1.0  # seconds after a failure
_RESEND = 1.0  # seconds between looks for transactions to send again, while there are some that are not mined
_SERVICE_ERRORS = (
    psycopg2.OperationalError, psycopg2.InterfaceError, RedisError, BrokerError, UnavailableError, RpcError,
)  # fmt: skip
_log = logging.getLogger(__name__)


def pause_after(took: float) -> float:
    """Seconds until the next turn, after one that took so many: what comes together is done together."""
    return min(max(_LEAST - took, took * _REST), _MOST)


class EngineLoop:
    """``last_turn`` is the monotonic time at which the loop last began a turn."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._dispatcher = Dispatcher(context)
        sender = TaskSender(context.settings)
        self._tracker = Tracker(context, TransferCallbacks(context, sender), sender)
        self._wakeup = Wakeup(context.settings)
        self._resent = 0.0
        self._is_open = True  # whether transactions may have been sent that are not mined
        self.last_turn = time.monotonic()

    def prepare(self) -> None:
        """Creates the tables, the keys and the engine's own accounts. Raises UnavailableError when a service is down."""
        self._context.vault.prepare()
        self._context.database.prepare()
        self._tracker.prepare()
        if not self._context.settings.faults.signer_down:
            ensure_roles(self._context)

    def run(self, stop: threading.Event) -> None:
        """Runs until ``stop`` is set. When a service fails, the turn is repeated later; no transaction is lost."""
        self._wakeup.start()
        while not stop.is_set():
            self.last_turn = time.monotonic()
            try:
                busy = self._turn()
            except _SERVICE_ERRORS as error:
                _log.warning("%s: %s", type(error).__name__, str(error).strip())
                self._context.reconnect()
                stop.wait(_BACK_OFF)
            else:
                stop.wait(pause_after(time.monotonic() - self.last_turn))
                if not busy:
                    self._wakeup.wait(_RESEND if self._is_open else _LONGEST)
        self._wakeup.end()

    def wake(self) -> None:
        """Has the loop look at once, also whether it is to stop."""
        self._wakeup.wake()

    def _turn(self) -> bool:
        """Does what there is to do; says whether there was anything."""
        sent, read = self._dispatcher.step(), self._tracker.step()
        self._is_open = self._is_open or sent
        if self._is_open and self.last_turn - self._resent > _RESEND:
            self._resent = self.last_turn
            self._is_open = self._dispatcher.resend_stale()
        return sent or read
