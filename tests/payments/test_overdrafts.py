"""A share of the payments is exact at any length, as the share is written."""

import pytest

from cicscenario.payments.overdrafts import Overdrafts


@pytest.mark.parametrize(
    ("share", "number", "refused"),
    [(0.0, 50, 0), (1.0, 50, 50), (0.29, 100, 29), (0.1, 30, 3), (0.1, 9, 0), (1e-7, 10**4, 0), (0.999, 1000, 999)],
)
def test_so_many_are_refused(share: float, number: int, refused: int) -> None:
    overdrafts = Overdrafts(share)
    assert sum(overdrafts.next() for _ in range(number)) == refused


def test_they_are_evenly_among_the_others() -> None:
    overdrafts = Overdrafts(0.25)
    assert [overdrafts.next() for _ in range(8)] == [False, False, False, True] * 2
