"""Ports that the user chooses: a taken one is told by name, before anything is started or stopped."""

import contextlib
import os
import re
import socket
from pathlib import Path

import pytest

from cicscenario.errors import StateRefusedError, UnavailableError
from cicscenario.sandbox import ports, stack
from cicscenario.sandbox.ports import UPSTREAM, free_port, from_base, require_free

DOCS = Path(__file__).parents[2] / "docs"


def port_of(home: Path) -> int:
    return int(stack.status(home)[0].address.rpartition(":")[2])


def test_the_upstream_ports_are_those_of_the_page_about_docker_compose() -> None:
    page = (DOCS / "docker-compose.md").read_text("utf-8")
    sections = {"node": "chain", "redis": "custodial", "postgres": "accounts", "meta": "meta", "ussd": "ussd"}
    said = {row[1]: int(row[2]) for row in re.finditer(r"^\| `(\w+)` \|[^|]+\| (\d+) \|", page, re.MULTILINE)}
    assert {name: said[section] for name, section in sections.items()} == UPSTREAM


def test_each_service_that_listens_has_a_port_of_its_own() -> None:
    assert list(from_base(20_000).values()) == list(range(20_000, 20_000 + len(UPSTREAM)))
    assert from_base(20_000).keys() == UPSTREAM.keys()


def test_a_taken_port_is_told_with_the_service_and_with_who_holds_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_server(("127.0.0.1", 0)) as other:
        first, second = listening.getsockname()[1], other.getsockname()[1]
        mine = f"{Path('/proc/self/comm').read_text().strip()}, process {os.getpid()}"
        with pytest.raises(UnavailableError) as taken:
            require_free({"redis": first, "node": free_port(), "meta": second})
        assert f"{first} for redis (by {mine}), {second} for meta (by {mine}); nothing was" in taken.value.message
        assert "node" not in taken.value.message
        require_free({"redis": first}, leaving=[first])
    require_free({"redis": first, "meta": second})


def test_no_outgoing_connection_takes_a_port_that_was_found_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(20_000 <= free_port() < outgoing for _ in range(100))
    monkeypatch.setattr(ports, "_OUTGOING", setting := tmp_path / "range")
    setting.write_text("20500\t60999\n")
    assert all(20_000 <= free_port() < 20_500 for _ in range(100))
    for few in ("1024\t65535\n", "20010\t60999\n"):
        setting.write_text(few)
        assert free_port() > 0, "any, when the kernel leaves none to choose from"


def test_a_port_that_is_taken_is_not_found_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as listening:
        drawn = iter([listening.getsockname()[1] - 20_000, 7_000])
        monkeypatch.setattr(ports.secrets, "randbelow", lambda end: next(drawn))
        assert free_port() == 27_000


class PortThief:
    """Gives ports of which others take the first ``times`` before the service that is to have it starts."""

    def __init__(self, times: int) -> None:
        self.taken = [socket.socket() for _ in range(times)]
        for holding in self.taken:
            holding.bind(("127.0.0.1", free_port()))
        self.given = [holding.getsockname()[1] for holding in self.taken]

    def __call__(self) -> int:
        return self.given.pop(0) if self.given else free_port()


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_a_port_that_is_taken_before_its_service_starts_is_replaced(
    home: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    thief = PortThief(times)
    monkeypatch.setattr(stack, "free_port", thief)
    with contextlib.ExitStack() as held:
        for holding in thief.taken:
            held.enter_context(holding)
        if times == 4:  # every time
            with pytest.raises(UnavailableError, match="node ended with 3 when it was started"):
                stack.up(home)
            assert not thief.given
        else:
            assert stack.up(home).started
            assert port_of(home) not in [holding.getsockname()[1] for holding in thief.taken]


def test_a_port_whose_holder_nobody_tells_is_told_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_sockets_at", lambda port: iter(()))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"{port} for redis; nothing"):
            require_free({"redis": port})


@pytest.mark.slow
def test_a_running_sandbox_moves_and_keeps_its_ports_until_any_will_do(home: Path) -> None:
    stack.up(home)
    chosen = free_port()
    with stack.sandbox(home, user="somebody"), pytest.raises(StateRefusedError, match="somebody"):
        stack.up(home, ports={"node": chosen})
    before = stack.status(home)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with pytest.raises(UnavailableError, match="for node"):
            stack.up(home, ports={"node": listening.getsockname()[1]})
        assert stack.status(home) == before, "it goes on as it was"
    assert stack.up(home, ports={"node": chosen}).started
    assert port_of(home) == chosen
    assert not stack.up(home).started
    stack.down(home)
    with socket.create_server(("127.0.0.1", chosen)):
        with pytest.raises(UnavailableError, match=f"{chosen} for node"):
            stack.up(home)
        stack.up(home, ports={})
        assert port_of(home) != chosen
    assert not stack.up(home).started
