"""An opened backend: it creates the accounts of a scenario, and does its part in other steps."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from cicscenario.capabilities.executor import Batch, Executor, Result
from cicscenario.capabilities.stall import Movement
from cicscenario.people.person import Person


class Backend(ABC):
    """A backend, opened for one run; threads share it. The engine calls only the parts that the descriptor declares."""

    @abstractmethod
    def accounts(self, batch: Batch) -> Result:
        """Creates the accounts of a batch. A person without an outcome stays pending, and the next run tries again.

        Raises UnavailableError when no account can be created at present.
        """

    def known_account(self, person: int) -> bytes | None:
        """The account (20 bytes) that the person with this id will get, or has, where that is certain beforehand."""
        return None

    def registration(self, step: str) -> Executor:
        """Registers accounts in the accounts index, or waits until the stack has. ``step`` is the ledger's purpose."""
        raise NotImplementedError

    def gas(self, step: str) -> Executor:
        """Sends native currency for fees, or waits until the stack has."""
        raise NotImplementedError

    def faucet(self, step: str) -> Executor:
        """Triggers the token faucet, or waits until the stack has."""
        raise NotImplementedError

    def traffic(self, step: str) -> Executor:
        """Has people pay each other; the executor gets everybody at once, by id."""
        raise NotImplementedError

    def private_key(self, person: Person) -> bytes:
        """The 32-byte private key of the person's account. Only for backends whose keys the run holds."""
        raise NotImplementedError

    def movements(self) -> Sequence[Movement]:
        """What the backend can see of its services' work. Waits go on while any of it moves."""
        return ()

    def close(self) -> None:  # noqa: B027 -- most backends have nothing to close
        """Closes connections that the backend keeps open."""
