"""Tasks about an account's transactions, with cic-eth's names. cic-ussd asks for them at each start menu.

The list is always empty: this engine transfers no tokens of its accounts, and cic-ussd leaves out gas and the faucet's payout.
"""

from typing import Any

from celery import Celery

from cicscenario.sandbox.custodial.tasks import Spec


def add_to(app: Celery) -> None:
    """Registers the tasks."""

    @app.task(name="cic_eth.queue.query.get_account_tx")  # type: ignore[untyped-decorator]
    def get_account_tx(spec: Spec, address: str, **_: Any) -> dict[str, str]:
        return {}

    @app.task(name="cic_eth.ext.tx.tx_collate")  # type: ignore[untyped-decorator]
    def tx_collate(transactions: dict[str, str], spec: Spec, offset: int, limit: int, **_: Any) -> list[dict[str, Any]]:
        return []
