"""Sends results to clients: messages in Redis channels, and tasks about transfers to the phone interface."""

import json
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cicscenario.people.person import checksum
from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.faults import EngineFaults
from cicscenario.sandbox.custodial.sending import TaskSender


class Publisher:
    """Publishes task results to ``host:port:db:channel``. Raises redis.exceptions.ConnectionError without a retry."""

    def __init__(self, faults: EngineFaults) -> None:
        self._faults = faults
        self._clients: dict[str, Redis] = {}

    def publish(self, root_id: str, result: Any, destination: str, status: int) -> None:
        """Publishes one message, or none or two if a fault is switched on."""
        address, _, channel = destination.rpartition(":")
        if address not in self._clients:
            host, port, database = address.split(":")
            self._clients[address] = Redis(host, int(port), int(database), retry=Retry(NoBackoff(), 0))
        message = json.dumps({"root_id": root_id, "status": status, "result": result})
        times = 0 if self._faults.drops(root_id) else 2 if self._faults.duplicates(root_id) else 1
        for _ in range(times):
            self._clients[address].publish(channel, message)


class TransferCallbacks:
    """Sends tasks about faucet payouts and transfers of the default token to other queues, in cic-eth's format.

    A task is sent before the tracker stores that its block was read. After a kill in between, it is sent again.
    """

    def __init__(self, context: EngineContext, sender: TaskSender) -> None:
        self._context = context
        self._sender = sender
        self.wanted = bool(context.settings.transfer_callbacks)

    def send(self, kind: str, sender: str, recipient: str, value: int, tx_hash: str) -> None:
        """``kind`` is tokengift or transfer, ``value`` in base units; addresses and hash without 0x."""
        token = self._context.contracts.token
        report: dict[str, Any] = {
            "hash": tx_hash, "sender": sender, "sender_label": "", "recipient": recipient, "recipient_label": "",
            "status": "SUCCESS", "status_code": 0, "chain_spec": self._context.settings.chain_spec.asdict(),
        }  # fmt: skip
        for side in ("source", "destination"):
            report[f"{side}_token"] = checksum(token.address)
            report[f"{side}_token_symbol"] = token.symbol
            report[f"{side}_token_name"] = self._context.token_name
            report[f"{side}_token_decimals"] = token.decimals
            report[f"{side}_token_value"] = value
        for queue, task in self._context.settings.transfer_callbacks:
            self._sender.send(task, report, kind, 0, queue=queue)
