"""What is made again on the chain: a gift only where ledger and chain prove that none arrived, gas as often as it is spent."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.capabilities.remedy import Decision, LeftAlone, MadeAgain, MendedWith
from cicscenario.chain.rpc import RpcError
from cicscenario.checks.work import arrival
from cicscenario.checks.work.sent import on_chain
from cicscenario.state.rows import Outcome
from cicscenario.state.store import Store
from tests.support.states import account_of_person, person, transaction

FAUCET = 50
WHO = replace(person(1), address=account_of_person(1))


class Chain:
    """A node that has the receipts of some transactions, and a balance of everybody."""

    name = "node"
    batch = 100
    nodes = SimpleNamespace(genesis=None)

    def __init__(self) -> None:
        self.has: set[str] = set()
        self.balance = 0
        self.refuses = False

    def calls(self, calls: Any) -> list[Any]:
        return self.results(calls)

    def results(self, calls: Any) -> list[Any]:
        return [self._answer(method, params) for method, params in calls]

    def _answer(self, method: str, params: list[Any]) -> Any:
        if method == "eth_blockNumber":
            return "0x20"
        if method == "eth_getTransactionReceipt" and self.refuses:
            return RpcError(method, "node", {"code": -32000, "message": "the receipts are being indexed"})
        if method == "eth_getTransactionReceipt":
            return {"blockNumber": "0x7"} if params[0] in self.has else None
        return f"0x{self.balance:064x}"


class World:
    """One person of a run; what was sent for them, what the chain has, and what is decided."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.rpc = Chain()
        token = SimpleNamespace(address=b"\x07" * 20)
        contracts = SimpleNamespace(token=token, faucet=SimpleNamespace(amount=FAUCET, token=token))
        traits = SimpleNamespace(custodial=False)
        self.context: Any = SimpleNamespace(
            state=store,
            stopping=None,
            services=SimpleNamespace(chain=SimpleNamespace(rpc=self.rpc, height=0, contracts=contracts)),
            scenario=SimpleNamespace(
                gift=SimpleNamespace(method="transfer"), faucet=True, backend=SimpleNamespace(traits=traits)
            ),
        )
        self._nonce = 0

    def sent(self, purpose: str, status: str, *, there: bool = True, detail: str | None = None) -> None:
        """A transaction for the person that ended like this; ``there``: the chain has it."""
        row = replace(transaction(self._nonce, purpose=purpose, who=WHO.id), status="signed")
        self._nonce += 1
        self.store.add_transactions([row])
        if status in ("mined", "failed"):
            self.store.settle([(row.hash, status, 7, detail)])
        if there:
            self.rpc.has.add(f"0x{row.hash.hex()}")

    def gift(self) -> Decision:
        return arrival.judge(self.context, [WHO], {WHO.id: "is less"})[WHO.id]

    def gas(self) -> Decision:
        return on_chain("gas", "is sent", further="is sent again")(self.context, [WHO], {WHO.id: "none"})[WHO.id]

    def faucet(self) -> Decision:
        return on_chain("faucet", "is triggered", arrived="it paid")(self.context, [WHO], {WHO.id: "none"})[WHO.id]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store(tmp_path / "state.sqlite")
    store.commit("population", [Outcome(WHO.id, ok=True)], people=[WHO])
    yield World(store)
    store.close()


@pytest.mark.parametrize("held", [0, FAUCET])
def test_a_gift_that_was_never_sent_is_sent(world: World, held: int) -> None:
    world.rpc.balance = held
    assert isinstance(world.gift(), MadeAgain)
    world.sent("gift", "failed")
    assert isinstance(world.gift(), MadeAgain), "the chain carried it out, and it moved nothing"


def test_nothing_is_sent_where_tokens_are_that_may_be_a_gift(world: World) -> None:
    world.rpc.balance = FAUCET + 1
    assert isinstance(world.gift(), LeftAlone)


def test_a_gift_that_the_chain_has_is_never_followed_by_another(world: World) -> None:
    world.sent("gift", "mined")
    decision = world.gift()
    assert isinstance(decision, MendedWith)
    assert decision.checks == ("faucet",)
    assert "not sent again" in decision.otherwise


def test_a_gift_that_arrived_in_part_is_left_alone(world: World) -> None:
    world.sent("gift", "mined", detail="transaction 0x01 moved 3 base units of the token at 0x07, 5 were sent")
    assert world.gift() == arrival._IN_PART


@pytest.mark.parametrize(("status", "there"), [("signed", False), ("mined", False)])
def test_what_is_open_or_lost_is_the_same_transaction_once_more(world: World, status: str, there: bool) -> None:
    world.sent("gift", status, there=there)
    world.sent("gas", status, there=there)
    assert isinstance(gift := world.gift(), MadeAgain)
    assert gift.purpose is None, "a gift has one purpose, so that the ledger never signs a second"
    assert isinstance(gas := world.gas(), MadeAgain)
    assert gas.purpose == "gas"


def test_a_receipt_that_the_node_refuses_to_give_decides_nothing(world: World) -> None:
    world.sent("gift", "mined")
    world.rpc.refuses = True
    with pytest.raises(RpcError, match="being indexed"):
        world.gift()


def test_gas_that_is_spent_is_sent_again_each_time_and_counted(world: World) -> None:
    for number in ("gas", "gas#2", "gas#3"):
        decision = world.gas()
        assert isinstance(decision, MadeAgain)
        assert decision.purpose == number
        world.sent(number, "mined")


def test_gas_that_is_under_way_is_not_sent_a_second_time(world: World) -> None:
    world.sent("gas", "mined")
    world.sent("gas#2", "signed", there=False)
    decision = world.gas()
    assert isinstance(decision, MadeAgain)
    assert decision.purpose == "gas#2"


def test_a_faucet_that_has_paid_is_not_triggered_again(world: World) -> None:
    assert isinstance(world.faucet(), MadeAgain)
    world.sent("faucet", "mined")
    assert world.faucet() == LeftAlone("it paid")
