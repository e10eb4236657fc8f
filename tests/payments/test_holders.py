"""Those who have money are known after each movement of it."""

from hypothesis import given
from hypothesis import strategies as st

from cicscenario.payments.holders import Holders


@given(
    balances=st.lists(st.integers(0, 3), min_size=2, max_size=8),
    moves=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7), st.integers(1, 3)), max_size=40),
)
def test_holders_are_those_with_a_balance(balances: list[int], moves: list[tuple[float, int, int]]) -> None:
    left = list(balances)
    holders = Holders(left)
    for chosen, payee, amount in moves if any(balances) else []:
        payer, other = holders.at(chosen), payee % len(left)
        if payer != other:
            holders.move(payer, other, min(amount, left[payer]))
        number = sum(1 for balance in left if balance)
        held = {holders.at((place + 0.5) / number) for place in range(number)}
        assert held == {person for person, balance in enumerate(left) if balance}
    assert sum(left) == sum(balances)
