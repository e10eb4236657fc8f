"""What a scenario asks of its payments."""

from dataclasses import dataclass

from cicscenario.payments.figures import PaymentFigures

UNIFORM = "uniform"  #: the name for payments that are like nobody's: everybody pays anybody, equally often


@dataclass(frozen=True)
class PaymentsSpec:
    """How many payments, like whose, within which time."""

    payments: int
    profile: str = UNIFORM  #: ``uniform``, or the name of a shipped profile
    span: int = 1  #: days, at least 1
    overdrafts: float = 0.0  #: share of the payments, 0 to 1, that ask for more than the payer has
    figures: PaymentFigures | None = None  #: of a profile that is not shipped; they replace those of ``profile``
