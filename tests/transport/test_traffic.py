"""Every client counts its requests, says which are repeated and why, and keeps how long they took in a few bytes."""

import socket
from collections.abc import Callable
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicscenario.chain.rpc import Rpc
from cicscenario.errors import CicScenarioError
from cicscenario.services.accounts import AccountsDatabase
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.meta import MetaClient
from cicscenario.services.ussd import UssdClient
from cicscenario.transport.traffic import Latencies, Meter, Repeat, Traffic
from tests.support.saying_server import SayingServer, http_reply, postgres_error, redis_error, rpc_error

SECONDS = st.floats(1e-6, 5000, allow_nan=False)
SHARE = st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 1.0])


def latencies(durations: list[float]) -> Latencies:
    made = Latencies()
    for seconds in durations:
        made.add(seconds)
    return made


@given(st.lists(SECONDS, min_size=1, max_size=300), SHARE)
def test_a_percentile_is_the_true_one_or_at_most_a_bucket_more(durations: list[float], share: float) -> None:
    true = sorted(durations)[ceil(share * len(durations)) - 1]
    assert true * (1 - 1e-9) <= latencies(durations).percentile(share) <= true * 1.045


@given(st.lists(SECONDS, max_size=50), st.lists(SECONDS, max_size=50))
def test_two_that_are_added_give_what_all_together_give(some: list[float], others: list[float]) -> None:
    both = latencies(some)
    both.include(latencies(others))
    assert both.document() == pytest.approx(latencies([*some, *others]).document())


def test_many_requests_take_no_more_memory_than_few() -> None:
    many = latencies([1e-6 * 1.0003**number for number in range(80_000)])  # to 26,000 seconds
    assert many.count == 80_000
    assert many.size < 600


def test_no_requests_have_no_time() -> None:
    assert set(Latencies().document().values()) == {0}
    traffic = Traffic()
    traffic.of("meta")
    assert traffic.document() == {}


Ask = Callable[[int, Meter], object]
NOBODY = bytes(32)
CLIENTS: dict[str, tuple[bytes, Ask]] = {
    "chain": (
        http_reply("Busy", status=503),
        lambda port, meter: Rpc(f"http://127.0.0.1:{port}", patience=0.3, meter=meter).call("eth_blockNumber"),
    ),
    "meta": (
        http_reply("Busy", status=500),
        lambda port, meter: MetaClient(f"http://127.0.0.1:{port}", pauses=(0, 0.01), meter=meter).get(NOBODY),
    ),
    "ussd": (
        http_reply("Busy", status=503, Retry_After="0.01"),
        lambda port, meter: UssdClient(f"http://127.0.0.1:{port}", meter=meter).dial("+254711000001"),
    ),
    "custodial": (
        redis_error("LOADING"),
        lambda port, meter: Broker(f"redis://127.0.0.1:{port}/0", "q", patience=0.3, meter=meter).waiting(),
    ),
    "accounts": (
        postgres_error("no"),
        lambda port, meter: AccountsDatabase("127.0.0.1", port, "d", "u", "p", timeout=5, meter=meter).count(),
    ),
}
REPEATED = {
    "chain",
    "meta",
}  # the others are not asked again in this case: it may have been carried out, or it is lasting


@pytest.mark.parametrize("service", CLIENTS)
def test_a_request_that_is_refused_is_counted(service: str) -> None:
    answer, ask = CLIENTS[service]
    repeats: list[Repeat] = []
    traffic = Traffic(repeats.append)
    with SayingServer(answer) as server, pytest.raises(CicScenarioError):
        ask(server.port, traffic.of(service))
    found = traffic.document()[service]
    assert found["requests"] >= 1
    assert found["refused"] + found["unanswered"] == found["requests"]
    assert found["repeated"] == len(repeats)
    assert found["seconds"]["max"] > 0
    if service in REPEATED:
        assert found["refused"] == found["requests"] > 1
        assert repeats
        assert repeats[0].service == service
        assert str(server.port) in repeats[0].why
        assert "Busy" in repeats[0].why


@pytest.mark.parametrize("service", CLIENTS)
def test_a_service_that_is_away_does_not_answer(service: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        traffic = Traffic()
        with pytest.raises(CicScenarioError):
            CLIENTS[service][1](port, traffic.of(service))
    found = traffic.document()[service]
    assert found["unanswered"] == found["requests"] >= 1
    assert found["refused"] == 0


def test_a_request_that_is_answered_is_neither_refused_nor_repeated() -> None:
    traffic = Traffic()
    answered = b'{"jsonrpc": "2.0", "id": 1, "result": "0x10"}'
    with SayingServer(http_reply("OK", answered, 200, Content_Type="application/json")) as server:
        assert Rpc(f"http://127.0.0.1:{server.port}", meter=traffic.of("chain")).call("eth_blockNumber") == "0x10"
    found = traffic.document()["chain"]
    assert (found["requests"], found["repeated"], found["refused"], found["unanswered"]) == (1, 0, 0, 0)


def test_a_rate_limit_in_an_answer_of_the_node_is_a_reason_to_repeat() -> None:
    repeats: list[Repeat] = []
    meter = Meter("chain", repeats.append)
    with SayingServer(rpc_error("rate limit exceeded")) as server, pytest.raises(CicScenarioError):
        Rpc(f"http://127.0.0.1:{server.port}", patience=0.3, meter=meter).call("eth_blockNumber")
    assert repeats
    assert "rate limit exceeded" in meter.last
