"""Asking the custodial engine again for what it should have done by itself."""

import threading
from collections.abc import Sequence

from cicscenario.backends.base import Deed
from cicscenario.connections import Connections
from cicscenario.state.store import PersonRow


class OnceMore:
    """Asks for each deed once a person, for as long as this lives; threads share one.

    The engine tries nothing again by itself, and of a transaction that fails on the chain it tells nobody.
    """

    def __init__(self, services: Connections) -> None:
        self._services = services
        self._mutex = threading.Lock()
        self._asked: set[tuple[Deed, int]] = set()

    def ask(self, deed: Deed, people: Sequence[PersonRow]) -> bool:
        """Asks for those who have an account and were not asked for yet; says whether there were any.

        An environment that does not say where the engine is leaves nobody to ask.
        """
        if self._services.environment.custodial is None:
            return False
        with self._mutex:
            new = {person.id: person.address for person in people if (deed, person.id) not in self._asked}
            self._asked |= {(deed, person) for person in new}
        accounts = [address for address in new.values() if address is not None]
        if accounts:
            engine = self._services.custodial
            (engine.register if deed is Deed.REGISTRATION else engine.gift)(accounts)
        return bool(accounts)
