"""The figures of a community's payments, as the key ``payments`` of a profile has them."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cicscenario.profile import Profile


@dataclass(frozen=True)
class Quantiles:
    """A distribution by its quantiles; between two of them it is linear. Only sums and products: the same on any machine."""

    shares: tuple[float, ...]  #: of people, rising from 0 to 1
    values: tuple[float, ...]  #: that the share of people do not exceed

    @classmethod
    def of(cls, table: Mapping[str, float]) -> Self:
        """From values by share of people, such as ``{"0": 1, "0.5": 2, "1": 481}``; "0" and "1" must be among them."""
        pairs = sorted((float(share), float(value)) for share, value in table.items())
        return cls(tuple(share for share, _ in pairs), tuple(value for _, value in pairs))

    def at(self, share: float) -> float:
        """The value that this share of people, 0 to 1, do not exceed."""
        after = min(max(bisect_right(self.shares, share), 1), len(self.shares) - 1)
        low, high = self.shares[after - 1 : after + 1]
        first, last = self.values[after - 1 : after + 1]
        return first + (last - first) * (share - low) / (high - low)

    def spread(self, number: int) -> list[float]:
        """The values of so many people in rising order: each stands for an equal share of them."""
        return [self.at((place + 0.5) / number) for place in range(number)]


@dataclass(frozen=True)
class PaymentFigures:
    """How a community pays. Each figure is described in ``schemas/profile-v1.json``."""

    payers: float
    receivers: float
    sent: Quantiles
    received: Quantiles
    partners: Quantiles
    size: Quantiles  #: tokens
    gift: float  #: tokens
    within_place: float

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The figures from the section ``payments`` of a valid profile."""
        known: dict[str, Any] = {
            key: Quantiles.of(value) if isinstance(value, Mapping) else value for key, value in values.items()
        }
        return cls(**known)


def figures_of(profile: Profile | None) -> PaymentFigures | None:
    """The figures of a profile; None for one that says nothing of payments, and for no profile: payments are then uniform."""
    return PaymentFigures.of(profile.payments) if profile and profile.payments else None
