"""Ports that the user chooses: a taken one is told by name, before anything is started or stopped."""

import os
import re
import socket
from pathlib import Path

import pytest

from cicscenario.errors import StateRefusedError, UnavailableError
from cicscenario.sandbox import ports, stack
from cicscenario.sandbox.ports import UPSTREAM, from_base, require_free
from tests.support.processes import free_port

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
