"""The services of an environment: opened when first asked for, named when missing, and closed when they were opened."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from cicscenario.chain.rpc import Rpc
from cicscenario.connections import Connections, Service
from cicscenario.errors import CicScenarioError, InvalidError, UnavailableError
from cicscenario.language import load_environment
from tests.support.openpgp_keys import PASSPHRASE, WRITER
from tests.support.silent_server import assert_ends_with_the_run, silent_server
from tests.support.valkey import Valkey

NOWHERE = "127.0.0.1:9"
PASSWORD = "a/b:c@d e%"


def connections(folder: Path, text: str, stopping: threading.Event | None = None) -> Connections:
    path = folder / "place.yaml"
    path.write_text(f"version: 1\nname: place\n{text}")
    return Connections(load_environment(path), token=None, dialect="current", stopping=stopping)


def custodial(broker: str) -> str:
    return (
        f"spec: evm:byzantium:8996:bloxberg\ncustodial: {{broker: 'redis://{broker}/0', password: 'file:password'}}\n"
    )


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Valkey]:
    """A Redis with a password that has to be quoted in an address."""
    valkey = Valkey(tmp_path)
    valkey.client.config_set("requirepass", PASSWORD)
    yield valkey
    valkey.client.close()
    valkey.stop()


@pytest.mark.parametrize("service", list(Service))
def test_a_service_that_the_environment_does_not_describe_is_named_with_what_to_add(
    tmp_path: Path, service: Service
) -> None:
    services = connections(tmp_path, "spec: evm:byzantium:8996:bloxberg\n")
    with pytest.raises(InvalidError) as caught:
        services.ask(service)
    assert f"place.yaml does not say where `{service}` is, which this scenario needs" in caught.value.message
    assert caught.value.hint == f"`cicscenario explain environment.{service}` shows what to add"


def test_an_environment_without_a_chain_spec_is_told_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="names no chain spec, which is part of people's identities") as caught:
        _ = connections(tmp_path, "").spec
    assert "spec: evm:byzantium:8996:bloxberg" in str(caught.value.hint)


def test_a_service_is_opened_once_and_not_before_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    services = connections(tmp_path, custodial(NOWHERE) + "ussd: {url: 'http://127.0.0.1:9'}\n")
    assert services.requests() == {}
    services.close()  # there is nothing to close, and nothing is opened for it
    assert services.custodial is services.custodial
    assert services.ussd is services.ussd
    assert services.requests() == {"ussd": 0}


def test_a_password_opens_the_broker_whatever_characters_it_has(tmp_path: Path, guarded: Valkey) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    services = connections(tmp_path, custodial(f"127.0.0.1:{guarded.port}"))
    with pytest.raises(UnavailableError, match="no worker takes tasks from the queue 'cic-eth'"):
        services.custodial.check(timeout=0.2)  # it was let in: only the worker is missing


@pytest.mark.parametrize("place", ["guarded", "nowhere"])
def test_a_password_is_in_no_message(tmp_path: Path, guarded: Valkey, place: str) -> None:
    (tmp_path / "password").write_text(f"not {PASSWORD}")
    services = connections(tmp_path, custodial(f"127.0.0.1:{guarded.port}" if place == "guarded" else NOWHERE))
    with pytest.raises(CicScenarioError) as caught:
        services.ask(Service.CUSTODIAL)
    said = f"{caught.value.message} {caught.value.hint}"
    assert "custodial.broker" in said
    assert ("wants another user name or password" in said) is (place == "guarded")
    assert not any(secret in said for secret in (PASSWORD, quote(PASSWORD, safe=""), "b:c@d"))


def test_each_service_that_is_away_says_which_it_is_and_where(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    services = connections(
        tmp_path,
        custodial(NOWHERE)
        + "ussd: {url: 'http://127.0.0.1:9'}\n"
        + "accounts: {host: 127.0.0.1, port: 9, database: cic_ussd, user: somebody, password: 'file:password'}\n",
    )
    for service in (Service.CUSTODIAL, Service.USSD, Service.ACCOUNTS):
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9") as caught:
            services.ask(service)
        assert caught.value.hint
        assert PASSWORD not in caught.value.message


@pytest.mark.parametrize("service", [service for service in Service if service is not Service.CHAIN])
def test_every_client_ends_with_the_run(tmp_path: Path, service: Service) -> None:
    stopping = threading.Event()
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "writer.asc").write_text(WRITER)
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    with silent_server() as port:
        where = f"127.0.0.1:{port}"
        text = custodial(where) + (
            f"ussd: {{url: 'http://{where}', timeout: 60}}\n"
            f"meta: {{url: 'http://{where}', key: 'file:writer.asc', passphrase: 'file:passphrase', timeout: 60}}\n"
            f"accounts: {{host: 127.0.0.1, port: {port}, database: cic_ussd, user: grassroots, password: 'file:password'}}\n"
        )
        services = connections(tmp_path, text, stopping)
        assert_ends_with_the_run(lambda: services.ask(service), stopping)


def chain_of(tmp_path: Path, silent: tuple[str, ...], *urls: str) -> Connections:
    """Connections whose chain is open already."""
    place = connections(tmp_path, "spec: evm:byzantium:8996:bloxberg\n")
    place.__dict__["chain"] = SimpleNamespace(rpc=Rpc(urls), chain_id=8996, silent=silent)
    return place


def test_each_node_of_a_chain_is_named(tmp_path: Path) -> None:
    one, two = "http://a.example:8545", "https://clerk:hunter2@b.example/key"
    assert chain_of(tmp_path, (), one).ask(Service.CHAIN) == "http://a.example:8545 is chain 8996"
    said = chain_of(tmp_path, (), one, two).ask(Service.CHAIN)
    assert said == "http://a.example:8545, https://b.example are chain 8996"
    left_out = chain_of(tmp_path, ("chain node https://c.example does not answer: refused",), one)
    assert left_out.ask(Service.CHAIN).endswith("; left out: chain node https://c.example does not answer: refused")


ALL = """spec: evm:byzantium:8996:bloxberg
chain:
  rpc: http://127.0.0.1:9
  spec: evm:byzantium:8996:bloxberg
  registry: '0xea6225212005e86a4490018ded4bf37f3e772161'
  signer: {private_key: file:key}
custodial: {broker: redis://127.0.0.1:9/0, timeout: 0.25, limits: {rate: 0.5, concurrency: 2}}
ussd: {url: http://127.0.0.1:9, limits: {concurrency: 3}}
accounts: {host: 127.0.0.1, port: 9, database: cic_ussd, user: grassroots, timeout: 7, limits: {rate: 40, burst: 4}}
meta: {url: http://127.0.0.1:9, key: file:meta.asc}
"""


def test_each_service_has_the_limits_that_the_environment_says(tmp_path: Path) -> None:
    (tmp_path / "meta.asc").write_text(WRITER)
    services = connections(tmp_path, ALL.replace("chain:", "chain:\n  limits: {rate: 9}"))
    for service in (Service.CUSTODIAL, Service.USSD, Service.ACCOUNTS, Service.META):
        assert getattr(services, service)
    with pytest.raises(CicScenarioError):
        _ = services.chain  # there is none at this address
    limits = {service: services.traffic.of(service).limit for service in Service}
    assert {service: (one.rate, one.burst, one.concurrency) for service, one in limits.items() if one} == {
        Service.CHAIN: (9, 9, None),
        Service.CUSTODIAL: (0.5, 1, 2),
        Service.USSD: (None, 1, 3),
        Service.ACCOUNTS: (40, 4, None),
        Service.META: (None, 1, None),
    }
    assert services.custodial._broker._timeout == 0.25
    assert services.accounts._timeout == 7
