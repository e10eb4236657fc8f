"""How the engine speaks to those who asked it: Redis channels, and tasks about transfers for the phone interface."""

import json
from functools import cached_property
from typing import Any

from celery import Celery
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cicscenario.people.person import checksum
from cicscenario.sandbox.custodial.faults import EngineFaults
from cicscenario.sandbox.custodial.room import EngineContext


class Publisher:
    """Publishes a task's result to ``host:port:db:channel``; raises redis.exceptions.ConnectionError at once."""

    def __init__(self, faults: EngineFaults) -> None:
        self._faults = faults
        self._clients: dict[str, Redis] = {}

    def publish(self, root_id: str, result: Any, destination: str, status: int) -> None:
        """One message; none or two if a fault says so."""
        address, _, channel = destination.rpartition(":")
        if address not in self._clients:
            host, port, database = address.split(":")
            self._clients[address] = Redis(host, int(port), int(database), retry=Retry(NoBackoff(), 0))
        message = json.dumps({"root_id": root_id, "status": status, "result": result})
        times = 0 if self._faults.drops(root_id) else 2 if self._faults.duplicates(root_id) else 1
        for _ in range(times):
            self._clients[address].publish(channel, message)


class TransferCallbacks:
    """Tells other queues of faucet payouts and of transfers of the default token, in cic-eth's words.

    Each is sent before it is noted that its block was read: a kill in between sends it again.
    """

    def __init__(self, room: EngineContext) -> None:
        self._room = room
        self.wanted = bool(room.settings.transfer_callbacks)

    @cached_property
    def _app(self) -> Celery:
        return Celery("cic-eth-tracker", broker=self._room.settings.broker)

    def send(self, kind: str, sender: str, recipient: str, value: int, tx_hash: str) -> None:
        """``kind`` is tokengift or transfer, ``value`` in base units; addresses and hash without 0x."""
        token = self._room.contracts.token
        what: dict[str, Any] = {
            "hash": tx_hash, "sender": sender, "sender_label": "", "recipient": recipient, "recipient_label": "",
            "status": "SUCCESS", "status_code": 0, "chain_spec": self._room.settings.chain_spec.asdict(),
        }  # fmt: skip
        for side in ("source", "destination"):
            what[f"{side}_token"] = checksum(token.address)
            what[f"{side}_token_symbol"] = token.symbol
            what[f"{side}_token_name"] = self._room.token_name
            what[f"{side}_token_decimals"] = token.decimals
            what[f"{side}_token_value"] = value
        for queue, task in self._room.settings.transfer_callbacks:
            self._app.send_task(task, args=[what, kind, 0], queue=queue, ignore_result=True)
