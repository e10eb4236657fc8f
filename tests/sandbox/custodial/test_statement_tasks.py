"""What the engine answers to who asks for an account's transactions: a list, though an empty one, never an unknown task."""

from celery import Celery

from cicscenario.sandbox.custodial import statement_tasks
from tests.support.ussd_memory import SPEC


def test_an_account_has_no_token_transfers() -> None:
    app = Celery(set_as_current=False)
    statement_tasks.add_to(app)
    transactions = app.tasks["cic_eth.queue.query.get_account_tx"](SPEC.asdict(), "aa" * 20)
    assert transactions == {}
    assert app.tasks["cic_eth.ext.tx.tx_collate"](transactions, SPEC.asdict(), 0, 9) == []
