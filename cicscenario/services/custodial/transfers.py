"""Requests for transfers of a token between accounts whose keys the engine holds, in batches.

The engine makes a transaction for each, and gives its hash as the result of its last task. Whether that was mined, the chain
shows. Source: ``Api.transfer`` of cic-eth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cicscenario.boundaries import Boundary
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.custodial.messages import Messages
from cicscenario.services.custodial.outcome import Failed, Lost, Transferred
from cicscenario.services.custodial.results import transfer_outcome
from cicscenario.services.custodial.tracing import Tracer

_TRANSFER = Boundary("engine.transfer")  # requests for transfers that are in the state


@dataclass(frozen=True)
class TransferRequest:
    """``id`` is that of its first task; accounts have 20 bytes, ``units`` are base units of the token with this symbol."""

    id: str
    payer: bytes
    payee: bytes
    units: int
    symbol: str


TransferOutcome = Transferred | Failed | Lost


class Transfers:
    """Sends requests, and reads what became of them. Safe for use by many threads."""

    def __init__(self, broker: Broker, messages: Messages, tracer: Tracer) -> None:
        self._broker = broker
        self._messages = messages
        self._tracer = tracer

    def submit(self, requests: Sequence[TransferRequest]) -> None:
        """Asks the engine for transfers, in no certain order.

        After UnavailableError each hundred is taken whole or not at all, but which ones were taken is not known. A request that
        is submitted twice is carried out twice.
        """
        with _TRANSFER:
            self._broker.push_in_parts(
                self._messages.transfer(one.id, one.payer.hex(), one.payee.hex(), one.units, one.symbol)
                for one in requests
            )

    def outcomes(self, ids: Sequence[str]) -> dict[str, TransferOutcome]:
        """What became of each, from results, queue and workers, without waiting; also of those of another process."""
        return self._tracer.trace(ids, transfer_outcome) if ids else {}
