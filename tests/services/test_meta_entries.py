"""One entry that is not as it should be is one person's problem; what is wrong with the server is everybody's, and named."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cicscenario.errors import CicScenarioError, InterruptedRunError, StepFailedError, UnavailableError
from cicscenario.people import pointer
from cicscenario.services.meta import PAUSES, Another, MetaClient, Wanted
from cicscenario.services.metaerrors import StoresNothingError, UnreadableEntryError
from tests.support.fake_server import FakeServer
from tests.support.meta_entries import have, have_all
from tests.support.openpgp_keys import PASSPHRASE, WRITER
from tests.support.stub_meta import StubMeta

PHONES = [pointer.phone(f"+25471122{n:04}") for n in range(40)]
SHORT: dict[str, Any] = {"pauses": (0.0, 0.01, 0.02), "looks": (0.0, 0.02), "timeout": 0.3}
UPPER = "0xC1912FEE45D61C87CC5EA59DAE31190FFFFF232D"
ADDRESS = "c1912fee45d61c87cc5ea59dae31190fffff232d"
OTHER = "d2023fee45d61c87cc5ea59dae31190fffff232e"


class OddMeta(StubMeta):
    """``odd`` answers requests by method and pointer instead; None leaves them to the server."""

    def __init__(self) -> None:
        super().__init__()
        self.odd: Callable[[str, str, str | None], tuple[int, str] | None] = lambda method, pointer, header: None

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str] | None:
        odd = self.odd(method, path[1:], headers.get("X-CIC-AUTOMERGE"))
        return odd or super().answer(method, path, headers, body)


@pytest.fixture
def server() -> Iterator[OddMeta]:
    with OddMeta() as server:
        yield server


@pytest.fixture
def client(server: OddMeta) -> Iterator[MetaClient]:
    with writer(server) as client:
        yield client


def writer(server: FakeServer, **options: Any) -> MetaClient:
    return MetaClient(server.url, **{"key": WRITER, "passphrase": PASSPHRASE} | SHORT | options)


def failing(ends: list[Any]) -> list[int]:
    return [number for number, end in enumerate(ends) if isinstance(end, CicScenarioError)]


# One entry

UNREADABLE = {
    "500": (500, ""),
    "403": (403, ""),
    "not JSON": (200, "<html>sorry</html>"),
    "null": (200, "null"),
    "empty": (200, ""),
    "a page that says 404": (404, "<html>nothing here</html>"),
    "redirect": (302, ""),
}


@pytest.mark.parametrize("answer", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("number", [1, 12])
def test_entries_that_cannot_be_read_fail_alone(
    client: MetaClient, server: OddMeta, answer: tuple[int, str], number: int
) -> None:
    """Also when there are many of them in a row: a look-up of nobody shows that the server itself is well."""
    bad = range(3, 3 + number)
    server.odd = lambda method, entry, header: answer if entry in {PHONES[n].hex() for n in bad} else None
    ends = have_all(client, [(entry, f"{n:040x}") for n, entry in enumerate(PHONES)])
    assert failing(ends) == list(bad)
    assert {PHONES[n].hex() for n in range(40) if n not in bad} == set(server.values), "and no bad one was written to"
    found = client.get_many(PHONES)
    assert failing(found) == list(bad)
    assert all(isinstance(found[n], UnreadableEntryError) for n in bad)
    assert found[0] == f"{0:040x}"


def test_a_server_that_is_not_well_is_not_asked_about_everybody(client: MetaClient, server: OddMeta) -> None:
    server.odd = lambda method, entry, header: (500, "") if method == "GET" else None
    for call in (lambda: client.get_many(PHONES * 10), lambda: have_all(client, [(entry, 1) for entry in PHONES * 10])):
        before = len(server.requests)
        with pytest.raises(UnavailableError, match="500"):
            call()
        assert len(server.requests) - before <= 3 * (8 + 4 + 2)


@pytest.mark.parametrize("number", [1, 3])
def test_a_few_people_do_not_hide_that_the_server_is_gone(server: OddMeta, number: int) -> None:
    """Fewer than the failures in a row after which it would be noticed."""
    with writer(server) as client:
        server.fault = lambda method, count: "drop"
        with pytest.raises(UnavailableError, match="does not answer"):
            client.get_many(PHONES[:number])
        with pytest.raises(UnavailableError, match="does not answer"):
            have_all(client, [(entry, 1) for entry in PHONES[:number]])


def test_outcomes_come_as_they_end_and_before_the_error(client: MetaClient, server: OddMeta) -> None:
    """What was written before the server went away counts."""
    server.fault = lambda method, number: "drop" if len(server.values) >= 5 else None
    ends: list[Any] = []
    with pytest.raises(UnavailableError):
        ends.extend(client.ensure_many([Wanted(entry, 1) for entry in PHONES * 5], threads=1))
    assert [end for _, end in ends if end == "written"] == ["written"] * 4
    assert len(server.values) == 5


def test_no_entry_begins_after_the_stop(server: OddMeta) -> None:
    stopping = threading.Event()
    ends: list[Any] = []

    def write(client: MetaClient) -> None:
        for end in client.ensure_many([Wanted(entry, 1) for entry in PHONES], threads=2):
            ends.append(end)
            if len(ends) == 5:
                stopping.set()

    with writer(server, stopping=stopping) as client, pytest.raises(InterruptedRunError):
        write(client)
    assert 5 <= len(ends) == len(server.values) <= 9, "what had begun was written, and its outcome is known"


# An entry with another value


@pytest.mark.parametrize("mode", ["one-step", "two-step"])
@pytest.mark.parametrize("present", [UPPER, UPPER.removeprefix("0x"), f"0x{ADDRESS}", ADDRESS, ADDRESS.capitalize()])
def test_an_address_is_the_same_in_any_spelling(server: OddMeta, mode: Any, present: str) -> None:
    server.values[PHONES[0].hex()] = ("", present)
    with writer(server, mode=mode) as client:
        assert have(client, PHONES[0], ADDRESS) == "present"
    assert server.bodies("PUT") == server.bodies("POST") == []


@pytest.mark.parametrize("present", ["C1", UPPER + "00", "zz" + ADDRESS[2:], ADDRESS.replace("c", "d")])
def test_other_text_is_another_value(client: MetaClient, server: OddMeta, present: str) -> None:
    server.values[PHONES[0].hex()] = ("", present)
    assert have(client, PHONES[0], ADDRESS) == "written"
    assert client.get(PHONES[0]) == ADDRESS


def test_text_that_is_no_address_has_a_case(client: MetaClient) -> None:
    assert have(client, PHONES[1], "Sarafu") == "written"
    assert have(client, PHONES[1], "sarafu") == "written"


def test_another_value_is_kept_and_given_when_that_is_asked(client: MetaClient, server: OddMeta) -> None:
    server.values[PHONES[0].hex()] = ("", OTHER)
    wanted = [Wanted(entry, ADDRESS, keeps=True) for entry in PHONES[:2]]
    assert [client.ensure(one) for one in wanted] == [Another(OTHER), "written"]
    assert client.get(PHONES[0]) == OTHER
    assert client.ensure(Wanted(PHONES[0], ADDRESS, present=OTHER)) == "written"
    assert [client.ensure(one) for one in wanted] == ["present", "present"]


@pytest.mark.parametrize("mode", ["one-step", "two-step"])
def test_each_write_is_within_its_turn_and_nothing_else_is(server: OddMeta, mode: Any) -> None:
    """What refuses the turn ends the rest, as a stop does."""
    turns: list[int] = []

    @contextmanager
    def turn() -> Iterator[None]:
        if len(turns) == 3:
            raise InterruptedRunError("nobody waits for it any more")
        turns.append(len(server.bodies("PUT")))
        yield
        turns[-1] += len(server.bodies("PUT")) << 8

    with writer(server, mode=mode) as client:
        ends = client.ensure_many([Wanted(entry, {"a": 1}, turn=turn) for entry in PHONES[:6]], threads=3)
        assert next(ends)[1] == "written"
        with pytest.raises(InterruptedRunError, match="nobody waits"):
            list(ends)
    assert turns == [0 + (1 << 8), 1 + (2 << 8), 2 + (3 << 8)]
    assert len(server.bodies("PUT")) == 3


@pytest.mark.parametrize("present", [{"a": 1, "b": 2, "z": 3}, {"a": 1, "z": 3}, {"a": 2, "b": 2, "y": 1, "z": 3}])
def test_keys_that_a_merge_keeps_are_told(server: OddMeta, present: Any) -> None:
    """The comparison is that of the checks: an entry with more keys is another one. One step replaces it."""
    server.values[PHONES[0].hex()] = ("", present)
    more = ", ".join(sorted(present.keys() - {"a", "b"}))
    with writer(server, mode="two-step") as client:
        for _ in range(2):
            with pytest.raises(StepFailedError, match=rf"more keys than expected \({more}\).*`meta.write: one-step`"):
                have(client, PHONES[0], {"a": 1, "b": 2})
        assert client.get(PHONES[0]) == present | {"a": 1, "b": 2}
        assert len(server.bodies("PUT")) <= 1, "it is not written again and again"
    with writer(server) as client:
        assert have(client, PHONES[0], {"a": 1, "b": 2}) == "written"
        assert client.get(PHONES[0]) == {"a": 1, "b": 2}


@pytest.mark.parametrize("mode", ["one-step", "two-step"])
def test_an_immutable_entry_is_never_written_to(server: OddMeta, mode: Any) -> None:
    """The real server ends when it is."""
    frozen = PHONES[7].hex()
    server.values[frozen] = ("", {"a": 0})
    server.odd = lambda method, entry, header: (500, "") if entry == frozen and header == "client" else None
    with writer(server, mode=mode) as client:
        ends = have_all(client, [(entry, {"a": 1}) for entry in PHONES[:10]])
        assert failing(ends) == [7]
        assert "immutable" in ends[7].message
        assert frozen in ends[7].message
        assert have(client, PHONES[7], {"a": 0}) == "present"
    assert not any(path[1:] == frozen for method, path, *_ in server.requests if method in ("PUT", "POST"))


# What is known already


def test_what_is_known_is_not_looked_up(client: MetaClient, server: OddMeta) -> None:
    client.ensure(Wanted(PHONES[0], ADDRESS, present=None))
    assert client.requests == {"PUT": 1, "GET": 1}
    assert client.ensure(Wanted(PHONES[0], ADDRESS, present=UPPER)) == "present"
    assert client.requests == {"PUT": 1, "GET": 1}
    client.ensure(Wanted(PHONES[0], OTHER, present=ADDRESS))
    assert client.get(PHONES[0]) == OTHER


# The server's own keys


def test_a_server_that_says_200_and_stores_nothing_has_expired_keys(client: MetaClient, server: OddMeta) -> None:
    server.fault = lambda method, number: "lose" if method == "PUT" else None
    with pytest.raises(StoresNothingError, match="its own OpenPGP keys have expired") as caught:
        have_all(client, [(entry, 1) for entry in PHONES * 10])
    assert "PGP_EXPORTS_DIR" in str(caught.value.hint)
    assert "`meta.key` is not the cause" in str(caught.value.hint)
    assert len(server.bodies("PUT")) <= 3 * 8, "everybody has this problem: few are tried"


def test_a_server_that_ends_after_a_write_in_two_steps_has_expired_keys(server: OddMeta) -> None:
    server.fault = lambda method, number: "drop" if method == "GET" and server.bodies("PUT") else None
    with (
        writer(server, mode="two-step") as client,
        pytest.raises(StoresNothingError, match="own OpenPGP keys have expired"),
    ):
        have_all(client, [(entry, 1) for entry in PHONES * 10])


def test_a_write_that_gets_lost_after_others_were_stored_says_nothing_about_keys(
    client: MetaClient, server: OddMeta
) -> None:
    have(client, PHONES[0], 1)
    server.fault = lambda method, number: "lose" if method == "PUT" else None
    with pytest.raises(
        UnavailableError, match="in 3 attempts: it answered 200 OK, and the value was not there"
    ) as caught:
        have(client, PHONES[1], 1)
    assert not isinstance(caught.value, StoresNothingError)


@pytest.mark.parametrize("faults", [("lose", "500", "lose"), ("drop", "drop", "lose"), ("500", "500", "500")])
def test_a_write_that_is_not_always_taken_says_nothing_about_keys(
    client: MetaClient, server: OddMeta, faults: tuple[str, ...]
) -> None:
    server.fault = lambda method, number: faults[number - 1] if method == "PUT" else None
    with pytest.raises(UnavailableError, match="in 3 attempts") as caught:
        have(client, PHONES[1], 1)
    assert not isinstance(caught.value, StoresNothingError)


def test_what_was_written_and_cannot_be_read_is_named(client: MetaClient, server: OddMeta) -> None:
    """Under Node.js 20 every stored entry is answered with 500."""
    server.odd = lambda method, entry, header: (500, "") if method == "GET" and entry in server.values else None
    with pytest.raises(
        UnavailableError, match=r"answered 200 to the write of .*, but the entry cannot be read"
    ) as caught:
        have(client, PHONES[0], 1)
    assert "Node.js 20" in str(caught.value.hint)
    assert len(server.bodies("PUT")) == 1


# Other servers


class Web(FakeServer):
    """A web server that is not cic-meta; ``page`` answers every request."""

    def __init__(self, page: Callable[[str, str], tuple[int, str]]) -> None:
        super().__init__()
        self.page = page

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str] | None:
        return self.page(method, path)


@pytest.mark.parametrize(
    "page",
    [
        lambda method, path: (404, ""),
        lambda method, path: (404, "<html>not found</html>"),
        lambda method, path: (200, "{}"),
        lambda method, path: (200, "<html>hello</html>"),
        lambda method, path: (200, json.dumps("api")) if path == "/" else (404, ""),
        lambda method, path: (301, ""),
        lambda method, path: (401, ""),
        lambda method, path: (400, ""),
    ],
    ids=["404", "404 page", "200 JSON", "200 page", "an API", "redirect", "401", "400"],
)
def test_another_web_server_is_not_taken_for_cic_meta(page: Callable[[str, str], tuple[int, str]]) -> None:
    with Web(page) as web, writer(web) as client, pytest.raises(UnavailableError) as caught:
        client.check()
    assert web.url in caught.value.message
    assert "`meta.url`" in str(caught.value.hint)


def test_a_proxy_that_answers_options_itself_is_no_obstacle(server: OddMeta) -> None:
    server.odd = lambda method, entry, header: (204, "") if method == "OPTIONS" else None
    with writer(server) as client:
        client.check()
    assert server.bodies("PUT") == server.bodies("POST") == []


def test_the_patience_is_longer_than_the_servers_start() -> None:
    assert sum(PAUSES) > 1.5 * 3.3


def test_a_server_that_is_starting_is_waited_for() -> None:
    with StubMeta() as server, MetaClient(server.url) as client:
        began = time.monotonic()
        server.fault = lambda method, number: "drop" if time.monotonic() - began < 3.5 else None
        client.check()
