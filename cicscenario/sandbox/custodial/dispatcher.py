"""Sends ready transactions to the node, many in one round trip."""

import logging
from collections.abc import Sequence

from cicscenario.chain.rpc import RpcError
from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.database import Otx

_AT_ONCE = 500  # transactions sent in one turn
_STALE = 3.0  # seconds after which a transaction that is not mined is sent again
_STALE_AT_ONCE = 200  # the lowest nonces: those behind a missing nonce cannot be mined anyway
_KNOWN_TO_NODE = ("already known", "already imported", "nonce too low")  # errors for a pending or mined transaction
_log = logging.getLogger(__name__)


class Dispatcher:
    """A transaction whose nonce follows a missing one is sent, too: the node keeps it until the missing one arrives."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context

    def step(self) -> bool:
        """Sends what is ready; says whether there was anything to do."""
        return bool(self._send(self._context.database.ready(_AT_ONCE)))

    def resend_stale(self) -> bool:
        """Sends transactions again that should have been mined by now: anvil loses some when a block is full.

        Says whether there is any transaction that was sent and is not mined.
        """
        if not self._context.database.has_unmined():
            return False
        self._send(self._context.database.stale(_STALE, _STALE_AT_ONCE))
        return True

    def _send(self, rows: Sequence[Otx]) -> int:
        answers = self._context.rpc.results([("eth_sendRawTransaction", [f"0x{row.signed_tx}"]) for row in rows])
        accepted = []
        for row, answer in zip(rows, answers, strict=True):
            if not isinstance(answer, RpcError) or any(text in answer.text for text in _KNOWN_TO_NODE):
                accepted.append(row.id)
            else:
                _log.warning("%s of %s: the node refuses the transaction: %s", row.purpose, row.account, answer.text)
        if accepted:
            self._context.database.mark_sent(accepted)
        return len(accepted)
