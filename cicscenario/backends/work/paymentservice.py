"""What a service that holds people's keys is asked to pay, and what it says of it. The chain shows what was paid."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cicscenario.capabilities.stall import Movement
from cicscenario.payments.payment import Payment


class Order(NamedTuple):
    """A request for a payment. ``id`` is the service's; accounts have 20 bytes; ``units`` are base units of the token."""

    id: str
    payment: Payment
    payer: bytes
    payee: bytes
    units: int


@dataclass(frozen=True)
class HasTransaction:
    """There is a transaction with this hash. It may not be sent yet."""

    hash: bytes


@dataclass(frozen=True)
class Declined:
    """Nothing is sent for the request. ``refused``: because it asks for more than the payer has.

    ``stops``: others would be declined for the same reason.
    """

    why: str
    refused: bool = False
    stops: bool = False


@dataclass(frozen=True)
class UnderWay:
    """The service may carry it out yet, or has and does not say so. ``why`` is for people."""

    why: str


@dataclass(frozen=True)
class Gone:
    """Nothing of the request is left in the service, which is at work on others. It may have been carried out before."""

    why: str


Said = HasTransaction | Declined | UnderWay | Gone


class PaymentService(ABC):
    """Asks one service. All methods raise UnavailableError when it does not answer."""

    name: str  #: in words
    most: int  #: requests that may be under way at the same time
    patience: float  #: seconds without progress after which requests are given up in this run

    def movements(self) -> Sequence[Movement]:
        """What can be seen of the service's work."""
        return ()

    def unwell(self) -> str | None:
        """Why nothing may be asked at present, in words; else None."""
        return None

    @abstractmethod
    def new_id(self, payment: Payment) -> str:
        """An id for a request that is not sent yet. No other request has it, in any run."""

    def began_earlier(self, ids: Collection[str]) -> None:  # noqa: B027 -- a service may not need it
        """These requests are of an earlier run, and are looked at from now on."""

    @abstractmethod
    def send(self, orders: Sequence[Order]) -> None:
        """Asks for payments, all of which are in the state. After UnavailableError it is not known which were taken."""

    @abstractmethod
    def look(self, orders: Sequence[Order]) -> Mapping[str, Said]:
        """What the service says of each request now, by its id."""

    def shown(self) -> str:
        """What is known when nothing moves, in words that follow a semicolon."""
        return ""
