"""``limits.retries`` of each service: how often a request without an answer is sent again, and what is never sent twice."""

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from cicscenario.connections import Connections, Service
from cicscenario.errors import CicScenarioError, UnavailableError
from cicscenario.language import load_environment
from cicscenario.people import pointer
from tests.support.openpgp_keys import PASSPHRASE, WRITER
from tests.support.raw_servers import Serve, at, never_answers, raw_server
from tests.support.saying_server import http_reply, postgres_error, redis_error
from tests.support.scripted_server import CLOSED, SILENT, ScriptedServer, answer, screen

NOWHERE = 9  # a port where nobody listens
ASKED = 7.0  # seconds that a Retry-After asks for
PHONE = "+254711223344"
HTTP = (Service.CHAIN, Service.USSD, Service.META)
_PLACES = {
    Service.CHAIN: (
        "chain: {{rpc: 'http://127.0.0.1:{port}', spec: 'evm:byzantium:8996:bloxberg',"
        " registry: '0x{zeros}', signer: {{private_key: 'file:key'}}, timeout: 0.3, {limits}}}\n"
    ),
    Service.CUSTODIAL: (
        "spec: evm:byzantium:8996:bloxberg\ncustodial: {{broker: 'redis://127.0.0.1:{port}/0', timeout: 0.3, {limits}}}\n"
    ),
    Service.USSD: "ussd: {{url: 'http://127.0.0.1:{port}', timeout: 0.3, {limits}}}\n",
    Service.META: (
        "meta: {{url: 'http://127.0.0.1:{port}', key: 'file:writer.asc', passphrase: 'file:passphrase', timeout: 0.3,"
        " {limits}}}\n"
    ),
    Service.ACCOUNTS: (
        "accounts: {{host: 127.0.0.1, port: {port}, database: cic_ussd, user: somebody, password: 'file:password',"
        " require_auth: none, timeout: 1, {limits}}}\n"
    ),
}


def place(folder: Path, service: Service, port: int, retries: int | None) -> Connections:
    """The services of an environment that has only this one, at a port of this machine."""
    for name, text in (("writer.asc", WRITER), ("passphrase", PASSPHRASE), ("password", "secret"), ("key", "11" * 32)):
        (folder / name).write_text(text)
    limits = f"limits: {{retries: {retries}}}" if retries is not None else "limits: {}"
    path = folder / "place.yaml"
    path.write_text(f"version: 1\nname: place\n{_PLACES[service].format(port=port, zeros='0' * 40, limits=limits)}")
    return Connections(load_environment(path), token=None, dialect="current", stopping=threading.Event())


class Counted:
    """Serves each connection as it is told, and counts them: a client that was not answered opens another one."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.connections = 0

    def __call__(self, connection: Any, over: threading.Event) -> None:
        self.connections += 1
        self._serve(connection, over)


def saying(reply: bytes) -> Serve:
    """Says this to whatever comes, and ends the connection."""

    def serve(connection: Any, over: threading.Event) -> None:
        data = connection.recv(65536)
        if data[4:8] == struct.pack("!I", 80877103):  # PostgreSQL: libpq asks for TLS first
            connection.sendall(b"N")
            connection.recv(65536)
        connection.sendall(reply)
        connection.shutdown(1)

    return serve


def of_http(reply: bytes) -> dict[Service, Serve]:
    return {service: saying(reply) for service in HTTP}


#: How each service fails. Redis and PostgreSQL have their own words for what HTTP says with 503 and 429.
FAILURES: dict[str, dict[Service, Serve]] = {
    "no answer": dict.fromkeys(Service, never_answers),
    "503": of_http(http_reply("Service Unavailable", status=503))
    | {
        Service.CUSTODIAL: saying(b"-LOADING Redis is loading the dataset in memory\r\n" * 9),
        Service.ACCOUNTS: saying(postgres_error("the database system is starting up")),
    },
    "429": of_http(http_reply("Too Many Requests", status=429, Retry_After=f"{ASKED:g}"))
    | {
        Service.CUSTODIAL: saying(redis_error("max number of clients reached") * 9),
        Service.ACCOUNTS: saying(postgres_error("sorry, too many clients already")),
    },
    "garbage": of_http(http_reply("OK", b"garbage", status=200))
    | {Service.CUSTODIAL: saying(b"garbage\r\n" * 9), Service.ACCOUNTS: saying(b"garbage\r\n" * 9)},
}
#: Answers that the next attempt would get as well, because it is no such service: they end it at once, as ever.
LASTING = {("garbage", Service.USSD), ("garbage", Service.CUSTODIAL)}


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that are waited between attempts; nobody really waits."""
    found: list[float] = []
    monkeypatch.setattr("cicscenario.retry.pause", lambda seconds, _: found.append(seconds))
    return found


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("service", list(Service))
@pytest.mark.parametrize("failure", list(FAILURES))
def test_a_request_is_sent_again_as_often_as_the_environment_says(
    tmp_path: Path, pauses: list[float], failure: str, service: Service, retries: int
) -> None:
    serve = Counted(FAILURES[failure][service])
    with raw_server(serve) as port:
        services = place(tmp_path, service, port, retries)
        with pytest.raises(UnavailableError):
            services.ask(service)
        assert serve.connections == (1 if (failure, service) in LASTING else retries + 1)
    if failure == "429" and service in HTTP:
        assert [seconds for seconds in pauses if seconds] == [ASKED] * retries


@pytest.mark.parametrize("retries", [0, 2, 7])
@pytest.mark.parametrize("service", list(Service))
def test_where_nobody_listens_it_is_tried_as_often(
    tmp_path: Path, pauses: list[float], service: Service, retries: int
) -> None:
    services = place(tmp_path, service, NOWHERE, retries)
    with pytest.raises(UnavailableError):
        services.ask(service)
    figures = services.traffic.document()[service]
    assert (figures["requests"], figures["repeated"]) == (retries + 1, retries)
    assert sorted(pauses) == pauses  # they grow


@pytest.mark.parametrize("service", [Service.CUSTODIAL, Service.USSD, Service.ACCOUNTS])
def test_without_a_number_a_service_that_is_away_before_the_run_is_told_at_once(
    tmp_path: Path, service: Service
) -> None:
    services = place(tmp_path, service, NOWHERE, None)
    with pytest.raises(UnavailableError):
        services.ask(service)
    assert services.traffic.document()[service]["requests"] == 1


def test_one_of_the_attempts_is_enough(tmp_path: Path, pauses: list[float]) -> None:
    busy = answer(503, "Service Unavailable")
    server = ScriptedServer([busy, CLOSED, answer(400, "Invalid phone number format")])
    place(tmp_path, Service.USSD, int(server.url.rpartition(":")[2]), 2).ussd.check()
    assert server.answers == []
    assert len(pauses) == 2
    server.close()


# --- what is never sent twice ------------------------------------------------------------------------------------------

MENU = screen("CON Welcome to Sarafu Network!\n1. English\n2. Kiswahili\n3. Kamba\n11. Next\n00. Exit")


@pytest.mark.parametrize(
    ("answers", "sent"),
    [([SILENT], 1), ([CLOSED], 1), ([answer(503, "Service Unavailable")], 1), ([answer(429, "Too Many")] * 4, 4)],
    ids=["no answer", "closed", "503", "429"],
)
def test_a_choice_that_may_have_been_taken_is_sent_once(
    tmp_path: Path, pauses: list[float], answers: list[bytes | None], sent: int
) -> None:
    server = ScriptedServer([MENU, *answers])
    client = place(tmp_path, Service.USSD, int(server.url.rpartition(":")[2]), 3).ussd
    with pytest.raises(UnavailableError):
        client.choose_language(PHONE, "en")
    assert server.texts()[1:] == ["1"] * sent
    server.close()


def test_tasks_of_the_engine_are_sent_once(tmp_path: Path, pauses: list[float]) -> None:
    serve = Counted(saying(b"-LOADING Redis is loading the dataset in memory\r\n" * 9))
    with raw_server(serve) as port:
        with pytest.raises(UnavailableError):
            place(tmp_path, Service.CUSTODIAL, port, 3).custodial.gift([bytes(20)])
        assert serve.connections == 1


def change_pins(services: Connections) -> None:
    services.accounts.set_pins([(PHONE, "hash")])


@pytest.mark.parametrize(
    ("serve", "begun"),
    [(saying(postgres_error("the database system is starting up")), 3), (at(b"UPDATE", never_answers), 1)],
    ids=["refused login", "no answer to the change"],
)
def test_a_change_of_the_table_is_begun_again_only_when_nobody_was_let_in(
    tmp_path: Path, pauses: list[float], serve: Serve, begun: int
) -> None:
    counted = Counted(serve)
    with raw_server(counted) as port:
        with pytest.raises(UnavailableError):
            change_pins(place(tmp_path, Service.ACCOUNTS, port, 2))
        # a query that takes too long is cancelled by another connection
        assert counted.connections - (1 if begun == 1 else 0) == begun


def test_a_password_that_is_refused_is_not_tried_again(tmp_path: Path, pauses: list[float]) -> None:
    serve = Counted(saying(postgres_error('password authentication failed for user "somebody"')))
    with raw_server(serve) as port:
        with pytest.raises(UnavailableError, match="password authentication failed"):
            place(tmp_path, Service.ACCOUNTS, port, 3).accounts.count()
        assert serve.connections == 1


def test_an_entry_is_the_same_however_often_it_is_written(tmp_path: Path, pauses: list[float]) -> None:
    serve = Counted(saying(http_reply("Too Many Requests", status=429)))
    with raw_server(serve) as port:
        with pytest.raises(UnavailableError, match="in 3 attempts"):
            place(tmp_path, Service.META, port, 2).meta.put(pointer.person(bytes(20)), {"a": 1})
        assert serve.connections == 3


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("retries", [0, 3])
def test_a_transaction_is_sent_once_and_reads_say_when_the_node_is_given_up(
    opened: ExitStack, pauses: list[float], retries: int
) -> None:
    from cicscenario.chain.answers import UnansweredError, unless_given_up
    from cicscenario.chain.rpc import Rpc
    from cicscenario.transport.traffic import Meter

    serve = Counted(saying(http_reply("Service Unavailable", status=503)))
    meter = Meter()
    meter.retries = retries
    rpc = Rpc(f"http://127.0.0.1:{opened.enter_context(raw_server(serve))}", meter=meter)

    def failing(call: Callable[[], object]) -> UnansweredError:
        with pytest.raises(UnansweredError) as caught:
            call()
        return caught.value

    write = failing(lambda: rpc.call("eth_sendRawTransaction", "0x00"))
    assert serve.connections == 1
    assert unless_given_up(write) is write  # the ledger sends the same bytes again, by its own rule
    read = failing(lambda: rpc.call("eth_blockNumber"))
    assert serve.connections == 2 + retries
    with pytest.raises(CicScenarioError):
        unless_given_up(read)
