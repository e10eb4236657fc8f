"""No page of a web site can use the sandbox of who looks at it; programs can as ever."""

import json
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from web3 import HTTPProvider, Web3

from cicscenario.chain.rpc import Rpc
from cicscenario.sandbox.ussd.web import UssdReply, UssdServer
from cicscenario.visitors import refusal
from tests.support.running_node import RunningNode
from tests.support.visitors import LOCAL_PAGE, PROGRAMS, STRANGERS, visit, with_port

ASK = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def refused(headers: Mapping[str, str], *, local_pages: bool = False) -> bool:
    given = with_port(headers, 80)
    return refusal(lambda name: [value for key, value in given if key == name], local_pages=local_pages) is not None


@pytest.mark.parametrize("local_pages", [False, True])
def test_whom_a_server_answers(local_pages: bool) -> None:
    assert [who for who in STRANGERS if not refused(STRANGERS[who], local_pages=local_pages)] == []
    assert [who for who in PROGRAMS if refused(PROGRAMS[who], local_pages=local_pages)] == []
    assert refused(LOCAL_PAGE, local_pages=local_pages) is not local_pages
    assert not refused({}, local_pages=local_pages)  # HTTP/1.0


def test_two_names_are_none() -> None:
    values = {"Host": ["localhost", "evil.example"]}
    assert refusal(lambda name: values.get(name, []), local_pages=True)
    assert refusal(lambda name: {"Host": ["localhost"] * 2}.get(name, []), local_pages=True)


# --- the servers themselves; that of the metadata store has its own tests -----------------------------------------


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    running = RunningNode("embedded", tmp_path_factory.mktemp("node")).start()
    yield running
    running.stop()


@pytest.mark.parametrize("who", STRANGERS)
def test_the_node_does_nothing_for_strangers(node: RunningNode, who: str) -> None:
    before = node.rpc("eth_blockNumber")
    mine = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "evm_mine", "params": []}).encode()
    status, text = visit(node.port, "POST", "/", mine, STRANGERS[who], JSON)
    assert status == 403
    assert "does not answer" in text
    assert node.rpc("eth_blockNumber") == before


@pytest.mark.parametrize("who", PROGRAMS)
def test_the_node_answers_programs(node: RunningNode, who: str) -> None:
    status, text = visit(node.port, "POST", "/", ASK, PROGRAMS[who], JSON)
    assert (status, json.loads(text)["result"]) == (200, "0x2324")


def test_the_node_answers_the_libraries_that_people_use(node: RunningNode) -> None:
    assert Rpc(node.url).call("eth_chainId") == "0x2324"
    assert Web3(HTTPProvider(node.url)).eth.chain_id == 8996
    assert requests.post(node.url, data=ASK, timeout=20).json()["result"] == "0x2324"  # no content type at all
    with urllib.request.urlopen(urllib.request.Request(node.url, ASK), timeout=20) as answer:  # as curl -d: a form
        assert json.loads(answer.read())["result"] == "0x2324"


class _Gate:
    """What the phone interface has been asked."""

    def __init__(self) -> None:
        self.asked = 0

    def reply(self, *_: Any) -> UssdReply:
        self.asked += 1
        return UssdReply(200, "OK", "CON welcome")


@pytest.fixture(scope="module")
def gate() -> _Gate:
    return _Gate()


@pytest.fixture(scope="module")
def phone(gate: _Gate) -> Iterator[int]:
    """The port of a phone interface."""
    server = UssdServer("127.0.0.1", 0, gate)  # type: ignore[arg-type]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("who", STRANGERS)
def test_the_phone_interface_does_nothing_for_strangers(phone: int, gate: _Gate, who: str) -> None:
    before = gate.asked
    assert visit(phone, "POST", "/", b"text=1", STRANGERS[who], FORM)[0] == 403
    assert gate.asked == before


@pytest.mark.parametrize("who", PROGRAMS)
def test_the_phone_interface_answers_programs(phone: int, who: str) -> None:
    assert visit(phone, "POST", "/", b"text=1", PROGRAMS[who], FORM) == (200, "CON welcome")


def test_every_http_server_looks() -> None:
    """A new one has to, too: it uses ``listening``, or asks ``refusal`` itself."""
    folder = Path(refusal.__code__.co_filename).parent
    serving = ("web.AppRunner(", "ThreadingHTTPServer)", "HTTPServer)")
    servers = [path for path in folder.rglob("*.py") if any(word in path.read_text("utf-8") for word in serving)]
    assert {path.name for path in servers} == {"listening.py", "web.py", "server.py"}
    assert all("refusal(" in path.read_text("utf-8") for path in servers)
