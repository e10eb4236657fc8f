"""A gas limit is estimated once; a call that would fail ends the step only when what it depends on is on the chain."""

import itertools
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cicscenario.capabilities.sending import TransactionExecutor
from cicscenario.chain.intent import Intent
from cicscenario.chain.rpc import RpcError
from cicscenario.chain.session import PATIENCE
from cicscenario.errors import StepFailedError

INTENT = Intent(3, b"\xaa" * 20, b"\x01\x02")
REVERTED = RpcError("eth_estimateGas", "node", {"code": 3, "message": "execution reverted: ERR_ACCOUNT_NOT_IN_INDEX"})
REFUSED = RpcError("eth_estimateGas", "node", {"code": -32000, "message": "no"})


class World:
    """A chain whose estimates are given; ``outstanding`` and ``hashes`` are looked at after each of them."""

    def __init__(self, estimates: list[int | RpcError]) -> None:
        self.estimates = estimates
        self.asked = 0
        self.lost = 0  #: looks at which the newest block that was read is gone
        self.again = 0  #: further ones at which the person's transaction is sent again
        self.ticks: Iterator[float] = itertools.count(0, 1)
        chain = SimpleNamespace(
            estimate=self._estimate, rpc=SimpleNamespace(name="node"), signer=SimpleNamespace(address=b"\x11" * 20)
        )
        state = SimpleNamespace(height=lambda: 1, trace=dict, outstanding=self._outstanding)
        context = SimpleNamespace(
            services=SimpleNamespace(chain=chain),
            state=state,
            stopping=threading.Event(),
            clock=lambda: next(self.ticks),
        )
        self.executor = TransactionExecutor(cast("Any", context), "gift", lambda *_: None)

    def ancestor(self, *_: Any) -> int | None:
        self.lost -= 1
        return 0 if self.lost >= 0 else None

    def _estimate(self, *_: Any) -> int:
        self.asked += 1
        answer = self.estimates.pop(0) if len(self.estimates) > 1 else self.estimates[0]
        if isinstance(answer, RpcError):
            raise answer
        return answer

    def _outstanding(self, _: bytes) -> list[Any]:
        self.again -= 1
        return [SimpleNamespace(person=4), *([SimpleNamespace(person=3)] if self.again >= 0 else [])]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(*estimates: int | RpcError, lost: int = 0, again: int = 0) -> World:
        world = World(list(estimates))
        world.lost, world.again = lost, again
        monkeypatch.setattr("cicscenario.capabilities.sending.ancestor", world.ancestor)
        monkeypatch.setattr("cicscenario.capabilities.sending.pause", lambda *_: None)
        return world

    return make


def test_it_is_asked_for_once(made: Any) -> None:
    world = made(70_000)
    assert [world.executor._gas_limit(INTENT) for _ in range(3)] == [70_000] * 3
    assert world.asked == 1


@pytest.mark.parametrize(("lost", "again"), [(3, 0), (0, 3), (2, 2)])
def test_after_the_chain_went_back_it_is_asked_for_until_all_is_there_again(made: Any, lost: int, again: int) -> None:
    world = made(*[REVERTED] * (lost + again), 70_000, lost=lost, again=again)
    assert world.executor._gas_limit(INTENT) == 70_000


def test_what_was_there_again_before_anybody_looked_is_asked_for_once_more(made: Any) -> None:
    assert made(REVERTED, 70_000).executor._gas_limit(INTENT) == 70_000


@pytest.mark.parametrize(("lost", "asked"), [(0, 2), (5, 7), (10_000, PATIENCE)])
def test_a_call_that_fails_for_another_reason_ends_the_step(made: Any, lost: int, asked: float) -> None:
    world = made(REVERTED, lost=lost)
    with pytest.raises(StepFailedError, match=r"gift would fail: 0xaaaa.* for person 3: .*ERR_ACCOUNT_NOT_IN_INDEX"):
        world.executor._gas_limit(INTENT)
    assert world.asked == pytest.approx(asked, abs=2)


def test_what_the_node_refuses_is_no_call_that_fails(made: Any) -> None:
    with pytest.raises(RpcError):
        made(REFUSED).executor._gas_limit(INTENT)
