"""The result tree says what became of an account when no callback does: recorded trees, put into a real Redis."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cicscenario.services.custodial.broker import Broker
from cicscenario.services.custodial.meaning import explain
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed, Lost, Trace
from cicscenario.services.custodial.pending import PendingTasks, TaskPlace
from cicscenario.services.custodial.results import Results, address_in, outcome, parse
from tests.support.valkey import Valkey

RECORDINGS: dict[str, Any] = json.loads(Path(__file__).with_name("custodial_recordings.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    valkey = Valkey(tmp_path_factory.mktemp("valkey"))
    yield valkey
    valkey.close()


@pytest.fixture
def valkey(server: Valkey) -> Valkey:
    server.client.flushall()
    return server


def replay(valkey: Valkey, name: str, **changes: Any) -> str:
    """Puts a recording's entries into Redis, some changed or (None) left out; returns the root id."""
    recorded = RECORDINGS[name]
    for task_id, entry in recorded["results"].items():
        change = changes.get(task_id[:8], {})
        if change is not None:
            valkey.client.set(f"celery-task-meta-{task_id}", json.dumps({**entry, **change}))
    return str(recorded["root_id"])


def result(valkey: Valkey, root_id: str) -> AccountOutcome:
    return outcome(root_id, Results(Broker(valkey.url, "cic-eth")).trees([root_id]))


def words(found: AccountOutcome) -> tuple[str, str, str, str]:
    assert isinstance(found, Failed), found
    assert found.hint
    return found.task, found.exception, found.message, found.meaning


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("create-account", "205810f67b4a0430b29d73f4eafb227972b81ca4"),
        ("create-account-error-links", "0d7bfe0e546fad8fff767d384433a4edb5324272"),
        ("create-account-no-register", "24fe8657fe14b59678fea91e3e85e97b0035a496"),
        ("create-account-callback-port-closed", "945abec4cf81270b2e8bac5a2ecd02171afa5b5b"),
    ],
)
def test_the_address_is_found_without_a_callback(valkey: Valkey, name: str, address: str) -> None:
    assert result(valkey, replay(valkey, name)) == Created(bytes.fromhex(address))


def test_a_lock_is_told_in_words(valkey: Valkey) -> None:
    found = result(valkey, replay(valkey, "create-account-locked-error-links"))
    assert words(found) == (
        "cic_eth.admin.ctrl.check_lock",
        "LockedError",
        "4",
        "in the custodial engine account creation is locked",
    )
    assert isinstance(found, Failed)
    assert found.hint == "unlock it there with `cic-eth-ctl -i SPEC unlock CREATE`"


def test_a_signer_that_is_down_is_told_in_words(valkey: Valkey) -> None:
    assert words(result(valkey, replay(valkey, "create-account-signer-down-error-links"))) == (
        "cic_eth.eth.account.create",
        "RPCException",
        "URLError(ConnectionRefusedError(111, 'Connection refused'))",
        "the custodial engine cannot reach its signer, which holds the keys",
    )


def test_an_engine_of_another_chain_is_told_in_words(valkey: Valkey) -> None:
    assert words(result(valkey, replay(valkey, "create-account-wrong-chain-error-links"))) == (
        "cic_eth.eth.account.create",
        "KeyError",
        "evm:byzantium:1:bloxberg",
        "the custodial engine does not know the chain evm:byzantium:1:bloxberg: it works on another one",
    )


def test_a_task_that_the_worker_does_not_have_is_told_in_words(valkey: Valkey) -> None:
    recorded = RECORDINGS["unregistered-task"]
    entry = recorded["results"][recorded["root_id"]]
    assert words(explain("cic_eth.no.such.task", entry["result"])) == (
        "cic_eth.no.such.task",
        "NotRegistered",
        "cic_eth.no.such.task",
        "the worker on this queue has no task cic_eth.no.such.task",
    )


def test_a_missing_writer_leaves_an_account_that_will_not_be_registered(valkey: Valkey) -> None:
    failure = {
        "exc_type": "IntegrityError",
        "exc_message": ['"release" called on key None'],
        "exc_module": "cic_eth.error",
    }
    root = replay(valkey, "create-account", **{"62697332": {"status": "FAILURE", "result": failure}})
    found = result(valkey, root)
    assert isinstance(found, Created)
    assert found.address.hex() == "205810f67b4a0430b29d73f4eafb227972b81ca4"
    assert found.unregistered is not None
    assert found.unregistered.task == "cic_eth.eth.account.register"
    assert "no account with the role ACCOUNT_REGISTRY_WRITER" in found.unregistered.meaning


def test_an_exception_that_celery_could_not_carry_is_read_all_the_same() -> None:
    wrapped = {
        "exc_type": "UnpickleableExceptionWrapper",
        "exc_message": ["cic_eth.error", "LockedError", [4], "LockedError(4)"],
        "exc_module": "celery.utils.serialization",
    }
    assert words(explain("cic_eth.admin.ctrl.check_lock", wrapped))[1:3] == ("LockedError", "4")


def test_other_locks_are_named() -> None:
    found = explain("cic_eth.admin.ctrl.check_lock", {"exc_type": "LockedError", "exc_message": [10]}, "evm:a:1:b")
    assert (found.meaning, found.hint) == (
        "in the custodial engine it is locked by INIT, SEND",
        "unlock it there with `cic-eth-ctl -i evm:a:1:b unlock INIT,SEND`",
    )


def test_an_exception_nobody_knows_is_told_as_it_is() -> None:
    found = explain(
        "cic_eth.eth.account.create", {"exc_type": "OddError", "exc_message": ["x" * 1000], "exc_module": "odd"}
    )
    assert (found.exception, len(found.message), found.hint) == ("OddError", 301, None), "an ellipsis at its end"


def test_a_creation_that_goes_on_is_neither_created_nor_failed(valkey: Valkey) -> None:
    going = result(valkey, replay(valkey, "create-account", **{"9a05562f": None}))
    assert isinstance(going, Lost)
    assert going.trace is Trace.RUNNING
    again = result(
        valkey, replay(valkey, "create-account", **{"9a05562f": {"status": "RETRY", "result": {"exc_type": "X"}}})
    )
    assert isinstance(again, Lost)
    assert again.trace is Trace.RUNNING


def test_a_creation_without_a_trace_is_unknown(valkey: Valkey) -> None:
    found = result(valkey, "00000000-0000-0000-0000-000000000000")
    assert isinstance(found, Lost)
    assert found.trace is Trace.UNKNOWN


def test_an_answer_that_is_no_address_is_no_account(valkey: Valkey) -> None:
    root = replay(valkey, "create-account", **{"9a05562f": {"result": "205810f6"}})
    assert words_of_no_address(result(valkey, root)) == "'205810f6'"
    assert address_in("0x205810f67b4a0430b29d73f4eafb227972b81ca4") == address_in(
        "205810F67B4A0430B29D73F4EAFB227972B81CA4"
    )


def words_of_no_address(found: AccountOutcome) -> str:
    assert isinstance(found, Failed)
    assert found.meaning == "the engine answered without an address"
    return found.message


def test_children_of_groups_are_found_in_order() -> None:
    text = {
        "status": "SUCCESS",
        "result": "",
        "children": [
            [["a", None], None],
            [["group", None], [[["b", [["a", None], None]], None], [["inner", None], [[["c", None], None]]]]],
        ],
    }
    entry = parse(json.dumps(text).encode())
    assert entry is not None
    assert entry.children == ("a", "b", "c")


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b'{"status": "SUCCESS", "children": [1]}', b"\xff"])
def test_what_is_no_result_is_left_alone(text: bytes) -> None:
    assert parse(text) is None


def test_a_thousand_trees_are_read_in_a_few_requests(valkey: Valkey) -> None:
    roots = []
    with valkey.client.pipeline() as pipe:
        for number in range(1000):
            root, create = f"root-{number}", f"create-{number}"
            roots.append(root)
            made = {"status": "SUCCESS", "result": "", "children": [[[create, None], None]]}
            pipe.set(f"celery-task-meta-{root}", json.dumps(made))
            pipe.set(f"celery-task-meta-{create}", json.dumps({"status": "SUCCESS", "result": f"{number:040x}"}))
        pipe.execute()
    before = valkey.client.info("commandstats")["cmdstat_mget"]["calls"] if reads(valkey) else 0
    tree = Results(Broker(valkey.url, "cic-eth")).trees(roots)
    assert {outcome(root, tree) for root in roots} == {Created(number.to_bytes(20)) for number in range(1000)}
    assert reads(valkey) - before == 4


def reads(valkey: Valkey) -> int:
    return int(valkey.client.info("commandstats").get("cmdstat_mget", {"calls": 0})["calls"])


class _BusyBroker(Broker):
    """With each look at the queue, others push and take messages."""

    pushed = 0
    taken = 0

    def read(self, command: Callable[[Any], Any]) -> Any:
        found = super().read(command)
        for _ in range(self.pushed):
            super().read(lambda client: client.lpush(self.queue, message("newer")))
        for _ in range(self.taken):
            super().read(lambda client: client.rpop(self.queue))
        return found


def message(task_id: str) -> str:
    return json.dumps({"headers": {"id": task_id}})


@pytest.mark.parametrize(("pushed", "taken"), [(0, 0), (300, 0), (0, 50), (300, 50)])
def test_a_queue_that_grows_and_is_worked_on_is_searched_once(valkey: Valkey, pushed: int, taken: int) -> None:
    """The search has an end, and misses nobody who is there all the time."""
    names = [f"task {number}" for number in range(1000)]
    valkey.client.lpush("cic-eth", *[message(name) for name in names])
    broker = _BusyBroker(valkey.url, "cic-eth")
    broker.pushed, broker.taken = pushed, taken
    kept = set(names[-500:])  # no more than fifty are taken in each of at most eight looks
    assert PendingTasks(broker).find(kept) == dict.fromkeys(kept, TaskPlace(fetched=False))
