"""What a scenario asks of its payments."""

from dataclasses import dataclass

UNIFORM = "uniform"  #: the name for payments that are like nobody's: everybody pays anybody, equally often


@dataclass(frozen=True)
class PaymentsSpec:
    """How many payments, like whose, within which time. ``profile`` is ``uniform`` or the name of a shipped profile."""

    payments: int
    profile: str = UNIFORM
    span: int = 1  #: days, at least 1
    overdrafts: float = 0.0  #: share of the payments, 0 to 1, that ask for more than the payer has
