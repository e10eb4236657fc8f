"""A node that is away, refuses or answers nonsense for a while is sat out; what was sent is never sent as something else."""

import contextlib
import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cicscenario.chain.abi import to_hex
from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.follower import PLAIN_TRANSFER_GAS, Follower
from cicscenario.chain.intent import Intent
from cicscenario.chain.ledger import Ledger
from cicscenario.chain.rpc import Rpc, UnansweredError
from cicscenario.chain.session import ChainSession
from cicscenario.errors import InterruptedRunError, UnavailableError
from cicscenario.people.person import Person
from cicscenario.state.rows import Outcome
from cicscenario.state.store import Store
from cicscenario.transport.cancellation import StopEvent
from tests.support.rude_node import Handler, Rudeness, RudeNode, calls_in, hang, lose_answer, reset, status
from tests.support.sandboxes import Sandbox

PEOPLE = 6
AMOUNT = 7


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainSession]:
    from cicscenario.sandbox import stack

    home = tmp_path_factory.mktemp("home")
    try:
        info = stack.up(home, node="embedded")
        yield Sandbox(home, info.environment).session()
    finally:
        stack.down(home)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "state.sqlite")
    people = [Person(n, "{}", f"+2547{n:08d}", "en", (), _account(n, tmp_path), 1, None) for n in range(PEOPLE)]
    store.commit("population", [Outcome(p.id, ok=True) for p in people], people=people)
    yield store
    store.close()


def _account(person: int, tmp_path: Path) -> bytes:
    return hash(str(tmp_path)).to_bytes(8, "big", signed=True) + b"\xbb" * 11 + bytes([person])


@pytest.fixture
def pay_through(session: ChainSession, store: Store, tmp_path: Path) -> Callable[..., list[int]]:
    """Pays everybody through a rude node; ``begin_to_be_rude`` is called when the node has what was sent, or before."""

    def pay(
        node: RudeNode,
        begin_to_be_rude: Callable[[], None],
        patience: float = 30,
        stopping: threading.Event | None = None,
    ) -> list[int]:
        stop = StopEvent(stopping)
        rpc = Rpc(node.url, patience=patience, stopping=stop)
        follower = Follower(rpc, session.contracts.addresses)
        broadcaster = Broadcaster(
            store, rpc, follower, window=session.block_gas_limit, patience=patience, resend_after=0.2, stopping=stop
        )
        intents = [Intent(n, _account(n, tmp_path), value=AMOUNT) for n in range(PEOPLE)]
        with Ledger(store, rpc, session.signer, broadcaster, session.gas_price) as ledger:
            begin_to_be_rude()
            outcomes = ledger.send("gas", intents, lambda intent: PLAIN_TRANSFER_GAS)
        assert sorted(o.person for o in outcomes if o.ok) == list(range(PEOPLE))
        return [
            int(session.rpc.call("eth_getBalance", to_hex(_account(n, tmp_path)), "latest"), 16) // AMOUNT
            for n in range(PEOPLE)
        ]

    return pay


def for_seconds(seconds: float, rude: Rudeness) -> Rudeness:
    """Rude from the first request on that it sees, for so long."""
    began: list[float] = []

    def answer(handler: Handler, body: bytes) -> bool:
        began.append(time.monotonic())
        return time.monotonic() - began[0] < seconds and rude(handler, body)

    return answer


@pytest.mark.parametrize(
    "rude",
    [
        status(502),
        status(503, Retry_After="1"),
        status(429),
        status(200),
        status(200, '{"jsonrpc": "2.0", "id": null, "error": {"code": -32005, "message": "limit exceeded"}}'),
        status(200, "[]"),
        reset,
        lose_answer,
    ],
    ids=["502", "503", "429", "html", "one error for all", "empty", "reset", "answer lost"],
)
def test_what_a_node_does_for_a_while_is_sat_out(
    session: ChainSession, pay_through: Callable[..., list[int]], rude: Rudeness
) -> None:
    with RudeNode(session.rpc.url) as node:
        assert pay_through(node, lambda: setattr(node, "rude", for_seconds(1.5, rude))) == [1] * PEOPLE
        sent = {
            call["params"][0]
            for body in node.seen
            for call in calls_in(body)
            if call["method"] == "eth_sendRawTransaction"
        }
        assert len(sent) == PEOPLE  # whatever was sent again was the same bytes


def test_a_node_that_is_started_again_is_waited_for(
    session: ChainSession, pay_through: Callable[..., list[int]]
) -> None:
    threads = []
    with RudeNode(session.rpc.url) as node:
        assert pay_through(node, lambda: threads.append(node.away(2))) == [1] * PEOPLE
        threads[0].join()


def test_one_that_stays_away_ends_the_run_when_patience_does(
    session: ChainSession, store: Store, pay_through: Callable[..., list[int]]
) -> None:
    with RudeNode(session.rpc.url) as node:
        with pytest.raises(UnavailableError, match=r"no transaction was mined .* are in flight.*HTTP 502"):
            pay_through(node, lambda: setattr(node, "rude", status(502)), patience=1)
        node.rude = None
        assert pay_through(node, lambda: None) == [1] * PEOPLE


def test_an_answer_of_another_form_is_no_bug_of_ours(
    session: ChainSession, pay_through: Callable[..., list[int]]
) -> None:
    """A node that starts may answer everything with null for a while."""

    def nulls(handler: Handler, body: bytes) -> bool:
        answer = [{"jsonrpc": "2.0", "id": call["id"], "result": None} for call in calls_in(body)]
        handler.reply(200, json.dumps(answer).encode(), {})
        return True

    with RudeNode(session.rpc.url) as node:
        assert pay_through(node, lambda: setattr(node, "rude", for_seconds(1, nulls))) == [1] * PEOPLE


# --- one request ----------------------------------------------------------------------------------------------------


def test_reads_are_tried_again_and_writes_are_not(session: ChainSession) -> None:
    with RudeNode(session.rpc.url) as node:
        node.rude = for_seconds(1, status(502))
        assert int(Rpc(node.url).call("eth_chainId"), 16) == session.chain_id
        assert len(node.seen) > 1
        node.seen.clear()
        node.rude = status(502)
        with pytest.raises(UnansweredError, match="HTTP 502"):
            Rpc(node.url).call("eth_sendRawTransaction", "0x12")
        assert len(node.seen) == 1
        node.seen.clear()
        with pytest.raises(UnansweredError, match="HTTP 502"):
            Rpc(node.url).calls([("eth_chainId", []), ("eth_sendRawTransaction", ["0x12"])])
        assert len(node.seen) == 1


def test_the_time_that_a_node_names_is_waited(session: ChainSession) -> None:
    with RudeNode(session.rpc.url) as node:
        node.rude = for_seconds(0.1, status(429, Retry_After="2"))
        began = time.monotonic()
        Rpc(node.url, patience=1).call("eth_chainId")
        assert time.monotonic() - began >= 2
        assert len(node.seen) == 2


def test_what_will_not_pass_is_said_at_once(session: ChainSession) -> None:
    with RudeNode(session.rpc.url) as node:
        node.rude = status(403)
        with pytest.raises(UnansweredError, match="HTTP 403"):
            Rpc(node.url, patience=60).call("eth_chainId")
        assert len(node.seen) == 1


@pytest.mark.parametrize("rude", [hang, status(502), status(429, Retry_After="50")], ids=["hangs", "502", "429"])
def test_a_stop_ends_a_read_within_a_second(session: ChainSession, rude: Rudeness) -> None:
    stopping = threading.Event()
    with RudeNode(session.rpc.url) as node:
        node.rude = rude
        threading.Timer(0.3, stopping.set).start()
        began = time.monotonic()
        with pytest.raises(InterruptedRunError):
            Rpc(node.url, patience=60, stopping=stopping).call("eth_chainId")
        assert time.monotonic() - began < 1.3


@pytest.mark.parametrize("rude", [hang, status(502), lose_answer], ids=["hangs", "502", "answer lost"])
def test_a_stop_ends_a_run_with_transactions_in_flight_within_a_second(
    session: ChainSession, store: Store, pay_through: Callable[..., list[int]], rude: Rudeness
) -> None:
    stopping = threading.Event()
    with RudeNode(session.rpc.url) as node:

        def begin() -> None:
            node.rude = rude
            threading.Timer(0.5, stopping.set).start()

        began = time.monotonic()
        with pytest.raises(InterruptedRunError):
            pay_through(node, begin, stopping=stopping)
        assert time.monotonic() - began < 1.9
        node.rude = None
        assert pay_through(node, lambda: None) == [1] * PEOPLE


@pytest.mark.parametrize("rude", [hang, status(502)], ids=["hangs", "502"])
def test_a_ledger_that_is_left_ends_its_requests_too(
    session: ChainSession, store: Store, tmp_path: Path, rude: Rudeness
) -> None:
    """Another step failed: the run ends, although nobody asked for it, and the node does not answer."""
    with RudeNode(session.rpc.url) as node:
        opened = dataclasses.replace(session, rpc=Rpc(node.url))
        began = time.monotonic()
        with contextlib.suppress(InterruptedRunError), opened.ledger(store) as ledger:
            sender = threading.Thread(
                target=_interrupted,
                args=(
                    lambda: ledger.send("gas", [Intent(0, _account(0, tmp_path), value=AMOUNT)], lambda intent: 21_000),
                ),
            )
            node.rude = rude
            sender.start()
            time.sleep(0.5)
        assert time.monotonic() - began < 2.5
        sender.join(2)
        assert not sender.is_alive()


def _interrupted(call: Callable[[], object]) -> None:
    with pytest.raises(InterruptedRunError):
        call()
