"""What a transaction offers for gas: one price, or the two numbers of EIP-1559 where blocks have a base fee."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DynamicFee:
    """The fees of an EIP-1559 transaction, in wei: ``maxFeePerGas`` and ``maxPriorityFeePerGas``.

    Paid is the base fee of the block and the priority fee, together not more than the maximum.
    """

    most: int
    priority: int


GasPrice = int | DynamicFee  #: an int is the gas price of a legacy transaction, in wei


def most_of(price: GasPrice) -> int:
    """The most that is paid for a unit of gas, in wei: what an account must hold to send a transaction."""
    return price.most if isinstance(price, DynamicFee) else price


def raised(price: int) -> int:
    """The least price at which every node takes another transaction instead: an eighth more (OpenEthereum; others a tenth)."""
    return price + price // 8 + 1


def at(price: GasPrice, most: int) -> GasPrice:
    """The same kind of price with another maximum, in wei, that is not lower.

    The priority fee rises in proportion, since a node takes another transaction with the same nonce only when both are higher.
    """
    if not isinstance(price, DynamicFee):
        return most
    if most <= price.most:
        return price
    in_proportion = -(-price.priority * most // price.most) if price.most else 0
    return DynamicFee(most, min(most, max(raised(price.priority), in_proportion)))
