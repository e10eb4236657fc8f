"""Payments that were made beside the profile that they were planned from: each of its figures, realised and wanted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import fsum

from cicscenario.payments.figures import PaymentFigures, Quantiles
from cicscenario.payments.sizes import scale
from cicscenario.payments.tally import Tally

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)  #: of people, where no profile has its own


@dataclass(frozen=True)
class Share:
    """A share, realised and wanted; None where there is none."""

    name: str
    found: float | None
    wanted: float | None


@dataclass(frozen=True)
class Distribution:
    """Values by the share of people who have so much at most, realised and wanted."""

    name: str
    shares: tuple[float, ...]
    found: tuple[float, ...]  #: empty without anybody
    wanted: tuple[float, ...]  #: empty without a profile


def shares(tally: Tally, figures: PaymentFigures | None, places: Sequence[int]) -> Iterator[Share]:
    """Who paid, who was paid, and how many pairs live in one place."""
    people = len(tally.sent)
    for name, counts in (("payers", tally.sent), ("receivers", tally.received)):
        yield Share(name, sum(1 for count in counts if count) / people, getattr(figures, name, None))
    yield Share("within_place", tally.within(places), figures.within_place if figures else None)


def distributions(tally: Tally, figures: PaymentFigures | None, gifts: Sequence[int]) -> Iterator[Distribution]:
    """Payments of each payer and to each receiver, partners of each payer, and the mean payment of each payer, in tokens.

    Sizes are wanted as they are planned: smaller in proportion where people have less at first than the profile's gift.
    """
    smaller = scale(figures, gifts, 1) if figures else 1.0
    found: dict[str, Sequence[float]] = {
        "sent": tally.sent,
        "received": tally.received,
        "partners": tally.partners()[0],
        "size": tally.sizes(),
    }
    for name, values in found.items():
        table: Quantiles | None = getattr(figures, name, None)
        at = table.shares if table else SHARES
        wanted = tuple(value * (smaller if name == "size" else 1) for value in table.values) if table else ()
        yield Distribution(name, at, quantiles([value for value in values if value], at), wanted)


def quantiles(values: Sequence[float], at: Sequence[float]) -> tuple[float, ...]:
    """The values that these shares of all values do not exceed; empty without any value."""
    ranked = sorted(values)
    return tuple(ranked[min(int(share * len(ranked)), len(ranked) - 1)] for share in at) if ranked else ()


def usual_payments(figures: PaymentFigures, people: int) -> int:
    """The number of payments to which the figures belong, of so many people."""
    return round(fsum(figures.sent.spread(1000)) / 1000 * figures.payers * people)
