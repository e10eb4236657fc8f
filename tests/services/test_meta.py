"""Values reach the metadata server whole and once, whatever the server does; see stub_meta for what it does."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cicscenario.errors import CicScenarioError, InvalidError, StepFailedError, UnavailableError
from cicscenario.people import pointer
from cicscenario.services.meta import MetaClient
from tests.support.meta_entries import have, have_all
from tests.support.openpgp_keys import KEYS, PASSPHRASE, WRITER
from tests.support.stub_meta import PAUSE, StubMeta, signature_of, valid

ADDRESS = bytes.fromhex("c1912fee45d61c87cc5ea59dae31190fffff232d")
PHONE = pointer.phone("+254711223344")
PERSON = {
    "gender": "other",
    "location": {"area_name": "Šibenik 😀", "latitude": -1.5},
    "products": ["fish", "~oil"],
    "date_of_birth": {"year": 1992},
}
VALUES = [ADDRESS.hex(), PERSON, {"tags": ["ussd", "individual"]}, [], {}, 0, 1.5, False, "", "é", [[1, {"a": [True]}]]]


@pytest.fixture
def stub() -> Iterator[StubMeta]:
    with StubMeta() as server:
        yield server


@pytest.fixture
def client(stub: StubMeta) -> Iterator[MetaClient]:
    client = writer(stub)
    yield client
    client.close()


#: Seconds before attempts, and before looks for what was written.
SHORT = {"pauses": (0.0, 0.02, 0.02, 0.05, 0.05), "looks": (0.0, 0.02, 0.1)}


def writer(stub: StubMeta, **options: Any) -> MetaClient:
    return MetaClient(stub.url, **{"key": WRITER, "passphrase": PASSPHRASE, "timeout": 0.3} | SHORT | options)


@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_a_value_comes_back(client: MetaClient, value: Any) -> None:
    client.put(PHONE, value)
    assert client.get(PHONE) == value


def test_nothing_is_none(client: MetaClient) -> None:
    assert client.get(PHONE) is None


def test_a_write_is_one_signed_request_and_a_look(client: MetaClient, stub: StubMeta) -> None:
    client.put(PHONE, ADDRESS.hex())
    assert client.requests == {"PUT": 1, "GET": 1}
    method, path, header, body = stub.requests[0]
    assert (method, header) == ("PUT", "client")
    assert path == "/b15da5237b9d939c63a954a730feaa2135deaf681d0c723f829dc213f2e625c1"
    assert valid(*signature_of(body.decode()))


def test_the_newest_write_wins(client: MetaClient) -> None:
    for value in ["one", {"two": 2}, ["three"], "one"]:
        client.put(PHONE, value)
        assert client.get(PHONE) == value


def test_what_is_there_is_not_written_again(client: MetaClient, stub: StubMeta) -> None:
    assert have(client, PHONE, PERSON) == "written"
    assert have(client, PHONE, PERSON) == "present"
    assert have(client, PHONE, PERSON | {"gender": "male"}) == "written"
    assert len(stub.bodies("PUT")) == 2
    assert client.get(PHONE) == PERSON | {"gender": "male"}


def test_true_is_not_one(client: MetaClient) -> None:
    client.put(PHONE, {"a": True})
    assert have(client, PHONE, {"a": 1}) == "written"


# Lengths of text that is not ASCII


@pytest.mark.parametrize("value", ["é", "aaaaé", "😀", {"ключ": "значение"}, ["日本", "x"]], ids=ascii)
def test_text_beyond_its_announced_length_is_read_whole(client: MetaClient, value: Any) -> None:
    client.put(PHONE, value)
    client.put(pointer.person(ADDRESS), "plain")
    for _ in range(3):
        assert client.get(PHONE) == value
        assert client.get(pointer.person(ADDRESS)) == "plain"
    assert client.requests["GET"] == 2 + 1 + 3 * (2 + 1)  # each is asked for twice, and nothing is left over


def test_a_client_that_believes_the_length_gets_less(client: MetaClient) -> None:
    client.put(PHONE, "aaaaé")
    assert client._http.request("GET", f"/{PHONE.hex()}").body == '"aaaaé'.encode()


# Writes that get lost


def test_a_write_without_an_answer_is_sent_again_byte_for_byte(client: MetaClient, stub: StubMeta) -> None:
    stub.fault = lambda method, number: "hang" if method == "PUT" and number < 3 else None
    client.put(PHONE, PERSON)
    bodies = stub.bodies("PUT")
    assert len(bodies) == 3
    assert len(set(bodies)) == 1
    assert stub.values[PHONE.hex()][1] == PERSON


@pytest.mark.parametrize("fault", ["drop", "500", "lose"])
def test_a_write_that_fails_is_sent_again(client: MetaClient, stub: StubMeta, fault: str) -> None:
    stub.fault = lambda method, number: fault if method == "PUT" and number < 3 else None
    client.put(PHONE, PERSON)
    assert len(stub.bodies("PUT")) == 3
    assert client.get(PHONE) == PERSON


def test_a_write_that_arrived_without_an_answer_is_not_sent_again(client: MetaClient, stub: StubMeta) -> None:
    stub.fault = lambda method, number: "store and drop" if method == "PUT" else None
    client.put(PHONE, PERSON)
    assert len(stub.bodies("PUT")) == 1


def test_an_answer_before_the_store_is_waited_for(client: MetaClient, stub: StubMeta) -> None:
    stub.fault = lambda method, number: "late" if method == "PUT" else None
    client.put(PHONE, PERSON)
    assert len(stub.bodies("PUT")) == 1
    assert client.requests["GET"] > 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("500", "answered 500 Internal Server Error"),
        ("drop", "the connection was dropped without an answer"),
        ("hang", r"no answer within 0\.1 seconds"),
    ],
)
def test_a_write_that_never_arrives_is_an_error(stub: StubMeta, fault: str, reason: str) -> None:
    client = writer(stub, timeout=0.1)
    stub.fault = lambda method, number: fault if method == "PUT" else None
    with pytest.raises(UnavailableError, match=f"did not store b15da523.* in 5 attempts: .*{reason}") as caught:
        client.put(PHONE, PERSON)
    client.close()
    assert stub.url in caught.value.message
    assert len(stub.bodies("PUT")) == 5


def test_a_value_that_another_writer_keeps_is_an_error(client: MetaClient, stub: StubMeta) -> None:
    stub.values[PHONE.hex()] = ("ffffffff-ffff-ffff-ffff-ffffffffffff", "another")
    with pytest.raises(UnavailableError, match="not there afterwards"):
        client.put(PHONE, "mine")


def test_a_refused_write_is_not_repeated(client: MetaClient, stub: StubMeta) -> None:
    stub.fault = lambda method, number: "403" if method == "PUT" else None
    with pytest.raises(StepFailedError, match=r"refuses to store b15da523.*: 403 Forbidden") as caught:
        client.put(PHONE, PERSON)
    assert "1FA6A900534A5CAAA98579A7EB2E8A2FAA5D7A37" in str(caught.value.hint)
    assert len(stub.bodies("PUT")) == 1


def test_writes_of_all_clients_of_a_server_go_one_by_one(stub: StubMeta) -> None:
    stub.fault = lambda method, number: "slow" if method == "PUT" else None
    with writer(stub, timeout=4) as one, writer(stub, timeout=4) as two, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: (one, two)[n % 2].put(pointer.phone(f"+2547{n}"), n), range(32)))
    assert stub.together == 1
    assert len(stub.values) == 32
    assert len(stub.bodies("PUT")) == 32


def test_without_the_lock_they_would_meet(stub: StubMeta, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.fault = lambda method, number: "slow" if method == "PUT" else None
    with writer(stub, timeout=4) as client, ThreadPoolExecutor(8) as pool:
        monkeypatch.setattr(client, "_writer", threading.Semaphore(8))
        list(pool.map(lambda n: client.put(pointer.phone(f"+2547{n}"), n), range(32)))
    assert stub.together > 1


# What is refused before anything is sent


@pytest.mark.parametrize("value", [None, {"a": None}, {"": 1}, 2**53, float("nan")], ids=ascii)
@pytest.mark.parametrize("mode", ["one-step", "two-step"])
def test_what_would_kill_the_server_is_never_sent(stub: StubMeta, mode: Any, value: Any) -> None:
    client = writer(stub, mode=mode)
    with pytest.raises(InvalidError, match="not to be stored as metadata"):
        client.put(PHONE, value)
    with pytest.raises(InvalidError, match="not to be stored as metadata"):
        have(client, PHONE, value)
    assert stub.requests == []


@pytest.mark.parametrize(
    ("present", "value"),
    [("text", "other"), ("text", {"a": 1}), ("text", {}), ([1], {"a": 1}), (5, "x"), ({"a": 1}, "x"), ({"a": 1}, [1])],
    ids=ascii,
)
def test_two_step_writes_that_would_kill_or_garble_are_never_sent(stub: StubMeta, present: Any, value: Any) -> None:
    client = writer(stub, mode="two-step")
    stub.values[PHONE.hex()] = ("", present)
    with pytest.raises(InvalidError, match="two-step writing cannot replace the value at b15da523"):
        client.put(PHONE, value)
    with pytest.raises(InvalidError, match=r"two-step .* b15da523.*`meta.write: one-step`"):
        have(client, PHONE, value)
    client.close()
    assert {method for method, *_ in stub.requests} == {"GET"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"passphrase": "wrong"}, "the passphrase does not open"),
        ({"key": (KEYS / "expired.asc").read_text()}, "has been expired since 2022-11-01"),
        ({"key": (KEYS / "writer.pub.asc").read_text()}, "is a public key"),
    ],
)
def test_an_unusable_key_is_found_before_the_first_request(
    stub: StubMeta, options: dict[str, str], message: str
) -> None:
    client = writer(stub, **options)
    with pytest.raises(InvalidError, match=message):
        client.check()
    with pytest.raises(InvalidError, match=message):
        client.put(PHONE, 1)
    assert stub.requests == []


def test_without_a_key_one_can_read_but_not_write(stub: StubMeta) -> None:
    client = writer(stub, key=None)
    client.check()
    assert client.get(PHONE) is None
    with pytest.raises(InvalidError, match="cannot be written without a key"):
        client.put(PHONE, 1)
    client.close()
    assert stub.bodies("PUT") == []


# Two steps


def test_two_steps_look_prepare_sign_and_look(stub: StubMeta) -> None:
    client = writer(stub, mode="two-step")
    client.put(PHONE, PERSON)
    assert [(method, header) for method, _, header, _ in stub.requests] == [
        ("GET", None), ("POST", "server"), ("PUT", "server"), ("GET", None), ("GET", None),
    ]  # fmt: skip
    body = json.loads(stub.bodies("PUT")[0])
    assert json.loads(body["m"])["name"] == "cic"
    assert {name: body["s"][name] for name in ("engine", "algo", "digest")} == {
        "engine": "pgp", "algo": "sha256", "digest": "W10=",
    }  # fmt: skip
    assert valid(body["s"]["data"], "W10=")
    assert client.get(PHONE) == PERSON
    client.close()


def test_two_steps_merge_an_object_into_an_object(stub: StubMeta) -> None:
    client = writer(stub, mode="two-step")
    stub.values[PHONE.hex()] = ("", {"preferred_language": "sw", "tags": ["ussd"]})
    client.put(PHONE, {"preferred_language": "en"})
    assert client.get(PHONE) == {"preferred_language": "en", "tags": ["ussd"]}
    assert have(client, PHONE, {"preferred_language": "en", "tags": ["ussd"]}) == "present"
    assert have(client, PHONE, {"preferred_language": "en", "tags": []}) == "written"
    client.close()


def test_a_two_step_write_that_gets_lost_is_sent_again(stub: StubMeta) -> None:
    client = writer(stub, mode="two-step")
    stub.fault = lambda method, number: {"PUT": "hang", "POST": "drop"}.get(method) if number < 3 else None
    client.put(PHONE, "text")
    client.close()
    assert len(stub.bodies("POST")) == 3
    assert len(set(stub.bodies("PUT"))) == 1
    assert client.get(PHONE) == "text"
    client.close()


@pytest.mark.parametrize(("fault", "reason"), [("500", "500 Internal"), ("not JSON", "what is not a document")])
def test_a_server_that_prepares_nothing_is_an_error(stub: StubMeta, fault: str, reason: str) -> None:
    client = writer(stub, mode="two-step")
    stub.fault = lambda method, number: fault if method == "POST" else None
    with pytest.raises(UnavailableError, match=f"does not prepare b15da523.*: {reason}"):
        client.put(PHONE, "text")
    client.close()
    assert stub.bodies("PUT") == []


# Many at a time


def test_many_are_read_in_order(client: MetaClient) -> None:
    pointers = [pointer.phone(f"+25471122{n:04}") for n in range(40)]
    for number, entry in enumerate(pointers[::2]):
        client.put(entry, {"n": number, "text": "é" * (number % 3)})
    found = client.get_many(pointers)
    assert found[1::2] == [None] * 20
    assert [value["n"] for value in found[::2]] == list(range(20))


def test_many_are_written_and_each_has_its_outcome(client: MetaClient, stub: StubMeta) -> None:
    client.put(PHONE, "there")
    entries: list[tuple[bytes, Any]] = [
        (PHONE, "there"),
        (pointer.person(ADDRESS), PERSON),
        (pointer.custom(ADDRESS), None),
    ]
    entries += [(pointer.phone(f"+2547{n}"), n) for n in range(20)]
    outcomes = have_all(client, entries)
    assert outcomes[:2] == ["present", "written"]
    assert isinstance(outcomes[2], CicScenarioError)
    assert outcomes[3:] == ["written"] * 20
    assert stub.together == 1
    assert client.get_many([entry for entry, _ in entries[3:]]) == list(range(20))


def test_a_server_that_takes_nothing_any_more_is_not_asked_for_everything(client: MetaClient, stub: StubMeta) -> None:
    """Dead in the middle: each entry would wait for it as long as the first."""
    client.put(PHONE, "there")
    stub.fault = lambda method, number: "drop"
    before = len(stub.requests)
    with pytest.raises(UnavailableError, match="does not answer: the connection was dropped"):
        have_all(client, ((pointer.phone(f"+2547{n}"), n) for n in range(200)))
    assert len(stub.requests) - before <= 5 * (8 + 4)  # five attempts each, and four entries are under way at a time


def test_entries_that_fail_by_themselves_fail_alone(client: MetaClient, stub: StubMeta) -> None:
    kept = [pointer.phone(f"+2547{n}") for n in range(0, 40, 4)]
    for entry in kept:
        stub.values[entry.hex()] = ("ffffffff-ffff-ffff-ffff-ffffffffffff", "another's")
    ends = have_all(client, [(pointer.phone(f"+2547{n}"), n) for n in range(40)])
    assert [n for n, end in enumerate(ends) if isinstance(end, CicScenarioError)] == list(range(0, 40, 4))


# Servers that are not there, or not well


def test_a_server_that_is_there_is(client: MetaClient, stub: StubMeta) -> None:
    client.check()
    assert {method for method, *_ in stub.requests} <= {"GET", "OPTIONS"}


def test_a_look_up_is_repeated_when_it_fails(client: MetaClient, stub: StubMeta) -> None:
    client.put(PHONE, 5)
    stub.fault = lambda method, number: {1: "drop", 2: "500", 3: "hang"}.get(number - 1)
    assert client.get(PHONE) == 5


@pytest.mark.parametrize("status", ["429", "503"])
@pytest.mark.parametrize(("method", "mode"), [("GET", "one-step"), ("PUT", "one-step"), ("POST", "two-step")])
def test_a_server_that_asks_for_a_pause_gets_it(stub: StubMeta, method: str, mode: Any, status: str) -> None:
    client = writer(stub, mode=mode, timeout=4)
    stub.fault = lambda sent, number: status if sent == method and number == 1 else None
    client.put(PHONE, "text")
    assert client.get(PHONE) == "text"
    client.close()
    first, second = [moment for sent, moment in stub.times if sent == method][:2]
    assert second - first >= PAUSE
    assert len(set(stub.bodies("PUT"))) == 1


def test_a_server_that_asks_for_pauses_without_an_end_is_an_error(stub: StubMeta) -> None:
    client = writer(stub, timeout=4)
    stub.fault = lambda method, number: "429"
    with pytest.raises(UnavailableError, match="429 Too Many Requests"):
        client.get(PHONE)
    client.close()
    assert len(stub.requests) == 5


def test_a_server_that_is_missing_says_where() -> None:
    with pytest.raises(
        UnavailableError, match=r"metadata server http://127\.0\.0\.1:9 does not answer: connection refused"
    ):
        MetaClient("http://127.0.0.1:9/", **SHORT).check()


@pytest.mark.parametrize(
    ("fault", "reason"), [("500", "500 Internal"), ("403", "403 Forbidden"), ("hang", "no answer within")]
)
def test_a_server_that_is_not_well_says_so(stub: StubMeta, fault: str, reason: str) -> None:
    client = writer(stub, timeout=0.1)
    stub.fault = lambda method, number: fault
    with pytest.raises(UnavailableError, match=reason):
        client.check()
    client.close()


@pytest.mark.parametrize(
    ("fault", "hint"), [("500", "does cic-meta reach its database"), ("drop", "is cic-meta running")]
)
def test_the_advice_is_about_what_is_wrong(stub: StubMeta, fault: str, hint: str) -> None:
    client = writer(stub)
    stub.fault = lambda method, number: fault
    with pytest.raises(UnavailableError) as caught:
        client.get(PHONE)
    client.close()
    assert hint in str(caught.value.hint)


def test_an_answer_that_is_not_json_is_an_error(client: MetaClient, stub: StubMeta) -> None:
    stub.fault = lambda method, number: "not JSON"
    with pytest.raises(UnavailableError, match=r"what is not JSON \(application/json\): b'<html>'"):
        client.get(PHONE)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:63380", "ftp://localhost", "http://", "http://h/?q=1", "http://h:x", "http://me:secret@localhost"],
)
def test_a_url_that_is_not_one_is_refused_and_no_password_shown(url: str) -> None:
    with pytest.raises(InvalidError, match="URL") as caught:
        MetaClient(url)
    assert "secret" not in str(caught.value)
    assert "secret" not in str(caught.value.hint)


def test_nothing_secret_is_shown(stub: StubMeta) -> None:
    client = writer(stub)
    assert PASSPHRASE not in repr(client)
    assert "PRIVATE KEY" not in repr(client)
