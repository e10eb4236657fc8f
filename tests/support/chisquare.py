"""Pearson's chi-square test: whether people were drawn with the weights that are expected."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from math import erfc, sqrt

_LEAST = 5.0  #: expected people of a group, below which groups are taken together


def probability(drawn: Iterable[Hashable], weights: Mapping[Hashable, float] | Mapping[str, float]) -> float:
    """The probability that draws with these weights are as far off as ``drawn``, or farther. 0 for a group without weight."""
    counts: Counter[Hashable] = Counter(drawn)
    if any(not weights.get(group) for group in counts):  # type: ignore[call-overload]
        return 0.0
    number, total = counts.total(), sum(weights.values())
    cells = [(counts[group], weight / total * number) for group, weight in weights.items() if weight]
    cells = _lumped(cells)
    statistic = sum((seen - expected) ** 2 / expected for seen, expected in cells)
    return _tail(statistic, len(cells) - 1)


def _lumped(cells: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The cells, those with too few expected people taken together."""
    found = [cell for cell in cells if cell[1] >= _LEAST]
    small = [cell for cell in cells if cell[1] < _LEAST]
    if small:
        found.append((sum(seen for seen, _ in small), sum(expected for _, expected in small)))
    return found


def _tail(statistic: float, freedom: int) -> float:
    """The upper tail of the chi-square distribution, by the approximation of Wilson and Hilferty (1931)."""
    if freedom < 1:
        return 1.0
    share = 2 / (9 * freedom)
    return erfc(((statistic / freedom) ** (1 / 3) - (1 - share)) / sqrt(2 * share)) / 2
