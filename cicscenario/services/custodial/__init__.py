"""Client of the custodial engine (cic-eth): creates accounts, and asks about the keys it holds.

The engine is a Celery worker. It is spoken to by the names of its tasks alone; nothing of cic-eth is installed here.
"""

from cicscenario.services.custodial.accounts import Accounts
from cicscenario.services.custodial.client import Custodial, Token
from cicscenario.services.custodial.outcome import Created, Failed, Lost, Outcome, Trace

__all__ = ["Accounts", "Created", "Custodial", "Failed", "Lost", "Outcome", "Token", "Trace"]
