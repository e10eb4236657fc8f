"""Sums by range are those of the values, whatever was taken from them."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from cicscenario.payments.capacity import Capacity


@given(
    values=st.lists(st.integers(0, 9), min_size=1, max_size=40),
    taken=st.lists(st.tuples(st.integers(0, 39), st.integers(1, 12)), max_size=20),
)
def test_sums_and_places_are_those_of_a_plain_list(values: list[int], taken: list[tuple[int, int]]) -> None:
    capacity, plain = Capacity(values), list(values)
    for place, amount in taken:
        capacity.take(place % len(plain), amount)
        plain[place % len(plain)] = max(0, plain[place % len(plain)] - amount)
    assert capacity.values == plain
    assert [capacity.before(place) for place in range(len(plain) + 1)] == [0, *accumulate(plain)]
    owners = [place for place, value in enumerate(plain) for _ in range(value)]
    assert [capacity.find(amount) for amount in range(sum(plain))] == owners
