"""A gas limit from estimates for one person is enough for everybody, and not much more than that."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import ADD, GIVE_TO, MINT_TO, TRANSFER
from cicscenario.chain.gaslimit import NOBODY, for_nobody, gas_limit
from cicscenario.chain.intent import Intent
from cicscenario.chain.rpc import Call, RpcError
from cicscenario.chain.session import ChainSession
from tests.support.paying_ledger import sent
from tests.support.sandboxes import CLASSIC_AT_ONCE, NODES, Sandbox

SPARSE, RICH, FULL = bytes(19) + b"\x07", bytes.fromhex("00ff" * 10), b"\xee" * 20  #: zero bytes cost least
CONTRACT = b"\xaa" * 20


def needs(session: ChainSession, made: Sequence[Intent]) -> list[int]:
    return [gas for gas in session.estimates(made, lambda: 0) if isinstance(gas, int)]


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("contracts", CLASSIC_AT_ONCE)
def test_one_estimate_is_enough_for_everybody(sandbox_of: Callable[..., Sandbox], node: str, contracts: str) -> None:
    """Also when it is for somebody whose address costs least, and who has tokens already."""
    session = sandbox_of(node, contracts).session()
    found, token = session.contracts, session.contracts.token.address
    assert found.faucet
    people = (SPARSE, RICH, FULL)
    registrations = [Intent(n, found.accounts_index, pack(ADD, who)) for n, who in enumerate(people)]
    first = session.estimate(registrations[0])
    assert max(needs(session, registrations)) <= first <= 1.05 * max(needs(session, registrations))
    for one in registrations:
        sent(session, session.signer, one.to, one.data)
    sent(session, session.signer, token, pack(TRANSFER, SPARSE, 1))
    for function, to in ((TRANSFER, token), (MINT_TO, token), (GIVE_TO, found.faucet.address)):
        amount = () if function == GIVE_TO else (2**40 - 1,)
        all_of_them = [Intent(n, to, pack(function, who, *amount)) for n, who in enumerate(people)]
        least = Intent(0, to, pack(function, SPARSE, *(1 for _ in amount)))
        most = max(needs(session, all_of_them))
        assert len(needs(session, all_of_them)) == len(people)
        assert needs(session, [least])[0] < most - 10_000, "an estimate for this person alone would be too low"
        assert most <= session.estimate(least) <= 1.2 * most
        assert ChainSession(**(vars(session) | {"block_gas_limit": 30_000})).estimate(least) == 30_000


def test_a_node_is_waited_for_only_when_the_call_itself_is_rejected() -> None:
    """That the contract rejects the call for nobody says nothing of a node that lags."""
    refused = RpcError(
        "eth_estimateGas", "node", {"code": 3, "message": "execution reverted: ERR_ACCOUNT_NOT_IN_INDEX"}
    )
    asked: list[str] = []

    def results(calls: Sequence[Call]) -> list[Any]:
        asked.extend(method for method, _ in calls)
        return [hex(40_000), refused]

    session = object.__new__(ChainSession)
    vars(session).update(
        rpc=SimpleNamespace(nodes=SimpleNamespace(genesis=None), results=results),
        signer=SimpleNamespace(address=FULL),
        block_gas_limit=10**7,
    )
    assert session.estimate(Intent(0, CONTRACT, pack(GIVE_TO, FULL)), lambda: 9) >= 60_000
    assert asked == ["eth_estimateGas"] * 2


def test_the_worst_case_is_the_same_call_for_an_account_that_nobody_has() -> None:
    call = Intent(3, CONTRACT, pack(TRANSFER, SPARSE, 7))
    other = for_nobody(call)
    assert other
    assert (other.to, other.person, other.data) == (CONTRACT, 3, pack(TRANSFER, NOBODY, 7))
    assert 0 not in NOBODY


@pytest.mark.parametrize("data", [b"", TRANSFER, pack(TRANSFER, 2**200), TRANSFER + SPARSE])
def test_a_call_whose_first_argument_is_no_account_has_none(data: bytes) -> None:
    assert for_nobody(Intent(0, CONTRACT, data)) is None


@pytest.mark.parametrize(
    ("own", "nobodys", "least"),
    [
        (35_000, 52_000, 52_000),  # the person has tokens already
        (52_000, 35_000, 52_000),
        (35_000, None, 55_000),  # nothing is known of others: a slot may be new
    ],
)
def test_the_highest_counts_and_a_new_slot_where_it_is_not_known(own: int, nobodys: int | None, least: int) -> None:
    limit = gas_limit(Intent(0, CONTRACT, pack(GIVE_TO, FULL)), own, nobodys)
    assert least * 1.02 - 1 <= limit <= least * 1.02


def test_each_zero_byte_of_an_amount_may_be_another_one_for_others() -> None:
    few = gas_limit(Intent(0, CONTRACT, pack(TRANSFER, FULL, 1)), 50_000, 50_000)
    more = gas_limit(Intent(0, CONTRACT, pack(TRANSFER, FULL, 2**256 - 1)), 50_000, 50_000)
    assert few - more == int(31 * 64 * 1.02)
