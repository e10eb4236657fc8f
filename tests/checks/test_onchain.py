"""Checks of the chain: a problem counts when a node reports it that has all blocks of the run, and never because of a refusal."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.chain import reading
from cicscenario.chain.contracts import COOLDOWN, Contracts, Faucet, Token
from cicscenario.chain.rpc import Call, Rpc, RpcError, UnansweredError
from cicscenario.checks import accounts_index, balance, faucet, gas
from cicscenario.checks.work import balance as balance_work
from cicscenario.errors import CicScenarioError, InterruptedRunError, UnavailableError
from cicscenario.people.person import Person

PEOPLE = [Person(n, "{}", f"+2547{n:08}", "en", (), b"", 5, bytes([0xC1, n]) * 10) for n in range(4)]
TOKEN = Token(b"\x70" * 20, "GFT", 0, None)
PAYER = Faucet(b"\x71" * 20, TOKEN, 2, COOLDOWN)
CONTRACTS = Contracts(b"\x72" * 20, b"\x73" * 20, TOKEN, PAYER)
#: Each check, and what the chain says of somebody who has everything, and of somebody who lacks it.
CHECKS = {
    "accounts_index": (accounts_index.CHECK, 1, 0),
    "balance": (balance.CHECK, 7, 0),
    "faucet": (faucet.CHECK, 1, 0),
    "gas": (gas.CHECK, 1, 0),
}
EACH = pytest.mark.parametrize("name", CHECKS)


class Heights(Rpc):
    """A node at some height. ``has`` says, for a height, what the chain says of somebody."""

    def __init__(self, has: Callable[[int], int], *heights: int) -> None:
        super().__init__("http://fake.example")
        self._has = has
        self._heights = list(heights)
        self.asked: list[int] = []  #: calls of each request

    def results(self, calls: Sequence[Call]) -> list[Any]:
        self.asked.append(len(calls))
        height = self._heights.pop(0) if len(self._heights) > 1 else self._heights[0]
        return [hex(height) if method == "eth_blockNumber" else f"0x{self._has(height):064x}" for method, _ in calls]


def verify(rpc: Rpc, name: str, *, height: int = 0, known: int = 0, stopping: threading.Event | None = None) -> Any:
    """The problems; ``height`` is the one at which the chain was opened, ``known`` that of the ledger's last block."""
    return CHECKS[name][0].verifier(context_of(rpc, height=height, known=known, stopping=stopping))(PEOPLE)


def context_of(
    rpc: Rpc,
    *,
    height: int = 0,
    known: int = 0,
    stopping: threading.Event | None = None,
    contracts: Contracts = CONTRACTS,
    since: int = 0,
) -> Any:
    scenario = SimpleNamespace(
        faucet=True,
        traffic=None,
        gift=SimpleNamespace(method="transfer"),
        checks=SimpleNamespace(balance_adjust=None),
        backend=SimpleNamespace(traits=SimpleNamespace(custodial=False)),
    )
    return SimpleNamespace(
        scenario=scenario,
        services=SimpleNamespace(chain=SimpleNamespace(rpc=rpc, contracts=contracts, height=height)),
        state=SimpleNamespace(height=lambda: known),
        stopping=stopping or threading.Event(),
        since=since,
    )


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_LOOK_AGAIN", 0.01)
    monkeypatch.setattr(reading, "_LAG", 0.2)


@EACH
def test_who_has_everything_is_asked_for_once(name: str) -> None:
    _, good, _ = CHECKS[name]
    rpc = Heights(lambda height: good, 9)
    assert verify(rpc, name, known=9) == {}
    assert rpc.asked == [4]


@EACH
def test_a_problem_that_a_node_with_all_blocks_reports_is_one(name: str) -> None:
    _, _, bad = CHECKS[name]
    rpc = Heights(lambda height: bad, 9)
    assert set(verify(rpc, name, height=8, known=9)) == {0, 1, 2, 3}
    assert rpc.asked == [4, 5]


@EACH
@pytest.mark.parametrize(("height", "known"), [(9, 0), (0, 9)])
def test_a_node_that_lags_is_waited_for(name: str, height: int, known: int) -> None:
    _, good, bad = CHECKS[name]
    rpc = Heights(lambda height: good if height >= 9 else bad, 7, 7, 8, 9)
    assert verify(rpc, name, height=height, known=known) == {}


@EACH
def test_one_that_goes_on_lagging_is_named_and_proves_nothing(name: str) -> None:
    _, _, bad = CHECKS[name]
    with pytest.raises(UnavailableError, match="is at block 7, but this run has seen block 9") as raised:
        verify(Heights(lambda height: bad, 7), name, known=9)
    assert "lags behind" in (raised.value.hint or "")


def test_a_stop_ends_the_wait_for_a_node_that_lags(monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = threading.Event()
    stopping.set()
    monkeypatch.setattr(reading, "_LAG", 60)
    with pytest.raises(InterruptedRunError):
        verify(Heights(lambda height: 0, 7), "gas", known=9, stopping=stopping)


class Saying(Rpc):
    """Answers every call with the same, or raises it."""

    def __init__(self, answer: Any) -> None:
        super().__init__("http://fake.example")
        self._answer = answer

    def results(self, calls: Sequence[Call]) -> list[Any]:
        if isinstance(self._answer, UnansweredError):
            raise self._answer
        return [self._answer] * len(calls)


@EACH
@pytest.mark.parametrize(
    "answer",
    [
        RpcError("eth_call", "node", {"code": -32005, "message": "rate limit"}),
        RpcError("eth_call", "node", {"code": 3, "message": "execution reverted"}),
        RpcError("eth_call", "node", {"code": -32000, "message": "missing trie node"}),
        UnansweredError("chain node does not answer"),
    ],
    ids=["limited", "reverted", "no state", "no answer"],
)
def test_what_is_refused_is_no_problem_of_a_persons(name: str, answer: Any) -> None:
    with pytest.raises(CicScenarioError):
        verify(Saying(answer), name)


@pytest.mark.parametrize("name", ["accounts_index", "balance", "faucet"])
@pytest.mark.parametrize("answer", ["0x", "0x00"])
def test_a_contract_that_returns_nothing_does_not_return_0(name: str, answer: str) -> None:
    with pytest.raises(UnavailableError, match="which is not a number"):
        verify(Saying(answer), name)


def test_the_bounds_of_a_token_with_demurrage_move_while_a_check_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of many people takes longer than the minute in which they hold."""
    now = [6000]
    monkeypatch.setattr(balance_work, "block_time", lambda rpc: now[0])
    monkeypatch.setattr(balance_work.time, "time", lambda: 0)
    decaying = replace(TOKEN, decimals=6, decay=0.9)
    contracts = replace(CONTRACTS, token=decaying, faucet=None)
    rpc = Heights(lambda height: int(5_000_000 * 0.9 ** ((now[0] - 6000) // 60)), 9)
    asks = balance.CHECK.verifier(context_of(rpc, contracts=contracts, since=6000))
    assert asks(PEOPLE) == {}
    now[0] += 600
    assert asks(PEOPLE) == {}, "people who are asked about ten minutes later have less"
