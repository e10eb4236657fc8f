"""One key names the authorities that all connections trust; who is not trusted is told, with that key."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.connections import Connections, Service
from cicscenario.errors import CicScenarioError, InvalidError, UnavailableError
from cicscenario.language import load_environment
from cicscenario.transport import tls
from tests.support.authority import Authority, tls_before
from tests.support.fake_server import FakeServer
from tests.support.hostile_shell import HOSTILE_SHELL
from tests.support.openpgp_keys import PASSPHRASE, WRITER
from tests.support.postgres import PASSWORD, Postgres
from tests.support.valkey import Valkey


class _Servers(FakeServer):
    """A metadata store without entries, and a node of another chain."""

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        if method == "GET":
            return (404 if re.fullmatch("/[0-9a-f]{64}", path) else 400), ""
        asked = json.loads(body)
        block = {"hash": "0x" + "0" * 64, "number": "0x1", "gasLimit": "0x1", "baseFeePerGas": "0x0"}
        found = {"eth_getBlockByNumber": block}
        calls = asked if isinstance(asked, list) else [asked]
        answers = [{"jsonrpc": "2.0", "id": a["id"], "result": found.get(a["method"], "0x7")} for a in calls]
        return 200, json.dumps(answers if isinstance(asked, list) else answers[0])


@pytest.fixture
def http_port() -> Iterator[int]:
    with _Servers() as server:
        yield int(server.url.rpartition(":")[2])


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path) as server:
        yield server


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def services(folder: Path, text: str, ca: str = "ca: ca.pem\n") -> Connections:
    path = folder / "place.yaml"
    path.write_text(f"version: 1\nname: place\nspec: evm:byzantium:8996:bloxberg\n{ca}{text}")
    (folder / "key").write_text("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
    (folder / "writer.asc").write_text(WRITER)
    (folder / "passphrase").write_text(PASSPHRASE)
    (folder / "password").write_text(PASSWORD)
    return Connections(load_environment(path), token=None, dialect="current")


def section(service: Service, port: int) -> str:
    where = f"https://127.0.0.1:{port}"
    return {
        Service.CHAIN: f"chain:\n  rpc: {where}\n  spec: evm:byzantium:8996:bloxberg\n"
        f"  registry: '0x{'00' * 20}'\n  signer: {{private_key: 'file:key'}}\n",
        Service.META: f"meta: {{url: '{where}', key: 'file:writer.asc', passphrase: 'file:passphrase'}}\n",
        Service.USSD: f"ussd: {{url: '{where}'}}\n",
        Service.CUSTODIAL: f"custodial: {{broker: 'rediss://127.0.0.1:{port}/3'}}\n",
        Service.ACCOUNTS: f"accounts: {{host: 127.0.0.1, port: {port}, database: postgres, user: cicscenario,"
        " password: 'file:password', sslmode: verify-full}\n",
    }[service]


#: What each service says when the connection has been made: it is of another kind than the client's.
REACHED = {
    Service.CHAIN: "is chain 7, but the environment's spec is evm:byzantium:8996:bloxberg",
    Service.CUSTODIAL: "no worker takes tasks from the queue 'cic-eth'",
    Service.USSD: "closed the connection without an answer",
    Service.ACCOUNTS: "has no table `account`",
}


def reach(found: Connections, service: Service) -> None:
    if service is Service.CUSTODIAL:
        found.custodial.check(timeout=0.2)
    else:
        found.ask(service)


@pytest.fixture
def inner_port(http_port: int, valkey: Valkey, postgres: Postgres, service: Service) -> int:
    return {Service.CUSTODIAL: valkey.port, Service.ACCOUNTS: postgres.port}.get(service, http_port)


SERVICES = [Service.CHAIN, Service.META, Service.USSD, Service.CUSTODIAL, Service.ACCOUNTS]


@pytest.mark.parametrize("shell", ["as it is", "hostile"])
@pytest.mark.parametrize("service", SERVICES)
def test_a_private_authority_is_trusted_by_every_client(
    tmp_path: Path,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    inner_port: int,
    service: Service,
    shell: str,
) -> None:
    for name, value in HOSTILE_SHELL.items() if shell == "hostile" else ():
        monkeypatch.setenv(name, value)
    with tls_before(inner_port, authority.server(), postgres=service is Service.ACCOUNTS) as port:
        found = services(tmp_path, section(service, port))
        if service is Service.META:
            reach(found, service)
        else:
            with pytest.raises(UnavailableError, match=REACHED[service]):
                reach(found, service)
        found.close()


@pytest.mark.parametrize("fault", ["no ca", "another ca", "another host", "ended"])
@pytest.mark.parametrize("service", SERVICES)
def test_who_is_not_trusted_is_told_with_the_key_that_says_so(
    tmp_path: Path, authority: Authority, inner_port: int, service: Service, fault: str
) -> None:
    Authority(tmp_path, "other")
    shown = authority.server(
        "example.org" if fault == "another host" else "127.0.0.1", days=-1 if fault == "ended" else 1
    )
    ca = {"no ca": "", "another ca": "ca: other.pem\n"}.get(fault, "ca: ca.pem\n")
    with tls_before(inner_port, shown, postgres=service is Service.ACCOUNTS) as port:
        found = services(tmp_path, section(service, port), ca)
        with pytest.raises(UnavailableError) as caught:
            reach(found, service)
        found.close()
    said = f"{caught.value.message} {caught.value.hint}"
    assert f"127.0.0.1:{port}" in said
    assert "certificate" in said
    assert "`ca`" in said
    assert "\n" not in said
    assert PASSWORD not in said


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff\xfe"])
@pytest.mark.parametrize("service", SERVICES)
def test_a_file_without_certificates_is_named(tmp_path: Path, service: Service, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(InvalidError, match=r"ca\.pem") as caught:
        reach(services(tmp_path, section(service, 9)), service)
    assert caught.value.hint


@pytest.mark.slow
def test_variables_of_the_shell_are_no_authority(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(authority.file))
    keys = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    with (
        socket.create_server(("127.0.0.1", 0)) as inner,
        tls_before(inner.getsockname()[1], authority.server()) as port,
    ):
        for service in SERVICES[:4]:
            found = services(tmp_path, section(service, port), "")
            with pytest.raises(CicScenarioError, match="certificate"):
                reach(found, service)
    assert not keys.exists()


def test_public_authorities_are_trusted_beside_a_private_one(authority: Authority) -> None:
    alone, both = tls.context(None).get_ca_certs(), tls.context(authority.file).get_ca_certs()
    assert len(both) == len(alone) + 1
