"""The durable writes of a state: each has a boundary, see ``cicscenario.boundaries``."""

from cicscenario.boundaries import Boundary

IDENTITY = Boundary("state.identity")  #: the scenario, the chain and the versions that the state belongs to
OUTCOMES = Boundary("state.outcomes")  #: people, their addresses, and what a step came to for them
SIGNED = Boundary("state.signed")  #: signed transactions, before they are sent
BROADCAST = Boundary("state.broadcast")  #: that the node has taken transactions
SETTLED = Boundary("state.settled")  #: how transactions ended
REOPENED = Boundary("state.reopened")  #: that ended transactions are open again
TRACE = Boundary("state.trace")  #: which blocks were read
REQUESTED = Boundary("state.requested")  #: requests for accounts, before they are sent
ANSWERED = Boundary("state.answered")  #: the results of requests
PAYMENTS_ASKED = Boundary("state.payments_asked")  #: requests for payments, before they are sent
PAYMENTS_ANSWERED = Boundary("state.payments_answered")  #: what came of these requests
CHECKS = Boundary("state.checks")  #: the results of checks
CHECKS_FORGOTTEN = Boundary("state.checks_forgotten")
