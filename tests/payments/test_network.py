"""Every place has its payers and receivers. The network has the payments and partners of each payer, as the roles say."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cicscenario.payments.figures import PaymentFigures
from cicscenario.payments.network import connect, split
from cicscenario.payments.roles import Roles, assign_roles
from cicscenario.payments.shipped import shipped_figures
from cicscenario.payments.stream import RandomStream


def figures() -> PaymentFigures:
    found = shipped_figures("sarafu-2020")
    assert found
    return found


def roles(people: int, seed: int, places: list[int], balances: list[int] | None = None, small: int = 10) -> Roles:
    return assign_roles(figures(), RandomStream(seed, "roles"), places, balances or [10] * people, small)


@given(parts=st.integers(1, 30), more=st.integers(0, 500))
def test_payments_are_split_with_most_for_the_first_partner(parts: int, more: int) -> None:
    shares = list(split(parts + more, parts))
    assert len(shares) == parts
    assert sum(shares) == parts + more
    assert min(shares) >= 1
    assert max(shares[1:], default=1) <= shares[0] + 1


@given(people=st.integers(2, 60), seed=st.integers(0, 2**63), number=st.integers(1, 8))
@settings(max_examples=100, deadline=None)
def test_each_payer_has_its_payments_and_partners(people: int, seed: int, number: int) -> None:
    places = [index * 31 % number for index in range(people)]
    given_roles = roles(people, seed, places)
    network = connect(given_roles, places, 0.8, RandomStream(seed, "network"))
    assert network.sent() == given_roles.sent
    assert Counter(network.payers) == given_roles.partners
    pairs = list(zip(network.payers, network.payees, strict=True))
    assert len(set(pairs)) == len(pairs), "no pair is there twice"
    assert all(payer != payee for payer, payee in pairs)
    assert set(network.payees) <= given_roles.received.keys()


def test_receivers_are_paid_as_often_as_their_role_says() -> None:
    places = [index % 10 for index in range(2000)]
    given_roles = roles(2000, 7, places)
    received: dict[int, int] = defaultdict(int)
    for _, payee, times in connect(given_roles, places, 0.8, RandomStream(7, "network")).pairs():
        received[payee] += times
    assert sum(received.values()) == sum(given_roles.received.values()) == sum(given_roles.sent.values())
    assert sum(abs(received[person] - times) for person, times in given_roles.received.items()) < 0.06 * sum(
        received.values()
    )


@pytest.mark.parametrize(("within", "least", "most"), [(0.0, 0.05, 0.2), (0.5, 0.45, 0.65), (1.0, 0.85, 1.0)])
def test_pairs_are_in_one_place_as_often_as_asked_for(within: float, least: float, most: float) -> None:
    places = [index % 10 for index in range(2000)]
    network = connect(roles(2000, 7, places), places, within, RandomStream(7, "network"))
    near = sum(places[payer] == places[payee] for payer, payee, _ in network.pairs())
    assert least <= near / len(network.payers) <= most


def test_every_place_has_its_share_of_payers_and_receivers() -> None:
    places = [index % 10 for index in range(2000)]
    found = roles(2000, 7, places)
    for table, share in ((found.sent, 0.611), (found.received, 0.336)):
        assert set(Counter(places[person] for person in table).values()) <= {int(share * 200), int(share * 200) + 1}


def test_those_who_have_money_pay_before_those_who_have_none() -> None:
    balances = [10] * 500 + [1] * 200 + [0] * 300
    sent = roles(1000, 7, [0] * 1000, balances).sent
    assert set(range(500)) <= sent.keys(), "who has as much as a small payment"
    assert sum(500 <= person < 700 for person in sent) == 111, "then who has anything"
    assert max(sent) < 700


def test_those_who_pay_are_paid_before_the_others() -> None:
    found = roles(1000, 7, [index % 10 for index in range(1000)])
    assert found.received.keys() <= found.sent.keys()
