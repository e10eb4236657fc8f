"""The client against the sandbox's metadata server, which answers as recordings of the real one do."""

import hashlib
import http.client
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pytest

from cicscenario.errors import CicScenarioError, UnavailableError
from cicscenario.people import pointer
from cicscenario.sandbox.ports import free_port
from cicscenario.services.meta import MetaClient, Wanted
from tests.support.meta_entries import have_all
from tests.support.openpgp_keys import KEYS, PASSPHRASE

if find_spec("cicscenario.sandbox.meta") is None:
    pytest.skip("the sandbox has no metadata server", allow_module_level=True)

ADDRESS = bytes.fromhex("c1912fee45d61c87cc5ea59dae31190fffff232d")
PHONE = pointer.phone("+254711223344")
PERSON = {
    "date_registered": 1600000002,
    "gender": "other",
    "identities": {"evm": {"byzantium": {"8996:bloxberg": [ADDRESS.hex()]}}},
    "location": {"area_name": "Šibenik 😀", "latitude": -1.5, "longitude": 39.25},
    "products": ["fish", "~oil", "^x"],
    "date_of_birth": {"year": 1992},
}
PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2)  # seconds
MODES: list[Literal["one-step", "two-step"]] = ["one-step", "two-step"]


class Server:
    """A server process on a free port, with its keys."""

    def __init__(self, folder: Path, *faults: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        folder.mkdir(exist_ok=True)
        for path in KEYS.glob("writer.*"):  # making a key takes seconds
            shutil.copy2(path, folder)
        (folder / "writer.passphrase").write_text(PASSPHRASE)
        self._arguments = ["--host", "127.0.0.1", "--port", str(port), "--data", str(folder)]
        self._arguments += [part for fault in faults for part in ("--fault", fault)]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "cicscenario.sandbox.meta", *self._arguments])
        deadline = time.monotonic() + 20
        while True:
            try:
                with MetaClient(self.url, timeout=0.5) as client:
                    client.check()
            except UnavailableError:
                assert self.process.poll() is None
                assert time.monotonic() < deadline
            else:
                return

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def client(self, **options: Any) -> MetaClient:
        key = (self.folder / "writer.asc").read_text("ascii")
        passphrase = (self.folder / "writer.passphrase").read_text("ascii").strip()
        return MetaClient(self.url, **{"key": key, "passphrase": passphrase, "pauses": PAUSES} | options)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers with faults."""
    servers: list[Server] = []

    def start(*faults: str) -> Server:
        servers.append(Server(tmp_path / f"meta{len(servers)}", *faults))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("meta"), "strict")
    yield running
    running.stop()


@pytest.fixture(params=MODES)
def client(server: Server, request: pytest.FixtureRequest) -> Iterator[MetaClient]:
    with server.client(mode=request.param) as client:
        yield client


def fresh(name: str, client: MetaClient) -> bytes:
    """A pointer that nobody has used."""
    return pointer.phone(f"{name}{id(client)}{time.time_ns()}")


@pytest.mark.parametrize(
    "value",
    [
        ADDRESS.hex(),
        PERSON,
        {"tags": ["ussd", "individual"]},
        {"preferred_language": "sw"},
        ["é", {"a": [[1, 2.5, True]]}],
    ],
    ids=ascii,
)
def test_what_the_stack_keeps_comes_back(client: MetaClient, value: Any) -> None:
    entry = fresh("value", client)
    assert client.get(entry) is None
    assert client.ensure(Wanted(entry, value)) == "written"
    assert client.get(entry) == value
    assert client.ensure(Wanted(entry, value)) == "present"


def test_one_step_writes_replace_whatever_was_there(server: Server) -> None:
    with server.client() as one, server.client(mode="two-step") as two:
        entry = fresh("replaced", one)
        two.put(entry, {"preferred_language": "en", "more": 1})
        for value in ["text", {"preferred_language": "sw"}, ["list"], 5, "text"]:
            one.put(entry, value)
            assert one.get(entry) == value


def test_two_step_writes_merge(server: Server) -> None:
    with server.client(mode="two-step") as client:
        entry = fresh("merged", client)
        client.put(entry, {"a": 1, "b": {"x": 1, "y": 2}})
        assert client.ensure(Wanted(entry, {"a": 2, "b": {"x": 1}})) == "written"
        client.put(entry, {"a": 1, "b": {"x": 3}, "c": "ü"})
        assert client.get(entry) == {"a": 1, "b": {"x": 3}, "c": "ü"}


def test_many_people_at_a_time(server: Server) -> None:
    with server.client() as client:
        entries = [(pointer.phone(f"+25471122{n:04}"), PERSON | {"n": n}) for n in range(100)]
        assert have_all(client, entries) == ["written"] * 100
        assert client.requests == {"GET": 200, "PUT": 100}
        assert have_all(client, entries) == ["present"] * 100
        assert [value["n"] for value in client.get_many([entry for entry, _ in entries])] == list(range(100))


@pytest.mark.parametrize("fault", ["error-every=3", "drop-every=3", "truncate-non-ascii", "delay=0.02"])
def test_everything_arrives_at_a_server_that_fails(serve: Callable[..., Server], fault: str) -> None:
    server = serve(fault)
    for mode in MODES:
        entries = [(pointer.phone(f"{mode}{n:04}"), PERSON | {"n": n}) for n in range(5)]
        with server.client(mode=mode) as client:
            assert have_all(client, entries, threads=1) == ["written"] * 5  # of several, one could fail five times
            assert [client.get(entry) for entry, _ in entries] == [value for _, value in entries]


def test_another_process_that_writes_at_the_same_time_costs_time_but_no_value(serve: Callable[..., Server]) -> None:
    """cic-ussd's workers write, too: two writers without a common lock, on a server that loses the second of them."""
    server = serve("parallel-put-hang")
    with server.client(timeout=0.3) as client:
        key, passphrase = server.folder / "writer.asc", server.folder / "writer.passphrase"
        program = (
            "import sys; from pathlib import Path; from cicscenario.services.meta import MetaClient, Wanted\n"
            "url, key, passphrase = sys.argv[1:]\n"
            "client = MetaClient(url, key=Path(key).read_text(), passphrase=Path(passphrase).read_text().strip(), timeout=0.3)\n"
            "outcomes = list(dict(client.ensure_many([Wanted(bytes([n]) * 32, n) for n in range(1, 61)])).values())\n"
            "client.close()\n"
            "sys.exit(outcomes != ['written'] * 60)\n"
        )
        other = subprocess.Popen([sys.executable, "-c", program, server.url, str(key), str(passphrase)])
        mine = [(pointer.phone(f"+25471122{n:04}"), n) for n in range(60)]
        try:
            assert have_all(client, mine) == ["written"] * 60
            assert other.wait(60) == 0
        finally:
            other.kill()
            other.wait(10)
        assert client.get_many([entry for entry, _ in mine]) == list(range(60))


def test_a_server_that_lost_its_key_is_an_error(serve: Callable[..., Server]) -> None:
    with serve("expired-key").client(timeout=0.1) as client:
        client.check()
        with pytest.raises(UnavailableError, match="did not store"):
            client.put(PHONE, ADDRESS.hex())


def test_a_server_that_is_killed_and_started_again_has_everything(serve: Callable[..., Server]) -> None:
    server = serve()
    with server.client() as client:
        client.put(PHONE, PERSON)
        server.stop()
        with pytest.raises(UnavailableError, match="does not answer"):
            client.get(PHONE)
        server.start()
        assert client.ensure(Wanted(PHONE, PERSON)) == "present"
        assert client.ensure(Wanted(PHONE, PERSON | {"gender": "male"})) == "written"


@pytest.mark.parametrize("mode", MODES)
def test_a_server_whose_own_keys_have_expired_is_named_as_such(serve: Callable[..., Server], mode: Any) -> None:
    with serve("expired-key").client(mode=mode) as client:
        client.check()
        with pytest.raises(UnavailableError, match="its own OpenPGP keys have expired"):
            client.put(PHONE, PERSON)


@pytest.mark.parametrize("mode", MODES)
def test_an_immutable_entry_at_a_persons_pointer_ends_nobody(serve: Callable[..., Server], mode: Any) -> None:
    """The real server would end when it is written to; it gives its bytes as they are, and no history."""
    server = serve()
    frozen = hashlib.sha256(ADDRESS + b":cic.person").hexdigest()
    with closing(http.client.HTTPConnection(server.url.removeprefix("http://"))) as connection:
        headers = {"X-CIC-AUTOMERGE": "immutable", "Content-Type": "application/octet-stream"}
        connection.request("POST", f"/{frozen}", ADDRESS + b":cic.person", headers)
        assert connection.getresponse().status == 201
    with server.client(mode=mode) as client:
        ends = have_all(client, [(bytes.fromhex(frozen), PERSON), (PHONE, PERSON)])
        assert ends[1] == "written"
        assert isinstance(ends[0], CicScenarioError)
        assert frozen in ends[0].message
        assert server.process.poll() is None
