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

_IDLE = 0.05  # seconds between turns when there is nothing to do
_BACK_OFF = 1.0  # seconds after a failure
_RESEND = 1.0  # seconds between looks for transactions to send again
_SERVICE_ERRORS = (
    psycopg2.OperationalError, psycopg2.InterfaceError, RedisError, BrokerError, UnavailableError, RpcError,
)  # fmt: skip
_log = logging.getLogger(__name__)


class EngineLoop:
    """``last_turn`` is the monotonic time at which the loop last began a turn."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._dispatcher = Dispatcher(context)
        sender = TaskSender(context.settings)
        self._tracker = Tracker(context, TransferCallbacks(context, sender), sender)
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
        resent = time.monotonic()
        while not stop.is_set():
            self.last_turn = time.monotonic()
            pause = _IDLE
            try:
                busy = [self._dispatcher.step(), self._tracker.step()]
                pause = 0 if any(busy) else _IDLE
                if self.last_turn - resent > _RESEND:
                    resent = self.last_turn
                    self._dispatcher.resend_stale()
            except _SERVICE_ERRORS as error:
                _log.warning("%s: %s", type(error).__name__, str(error).strip())
                self._context.reconnect()
                pause = _BACK_OFF
            stop.wait(pause)
