"""What became of transfers that the engine was asked for: from its results, its queue and its workers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cicscenario.chainspec import ChainSpec
from cicscenario.services.custodial import tasks
from cicscenario.services.custodial.client import CustodialClient
from cicscenario.services.custodial.outcome import Failed, Lost, Trace, Transferred
from cicscenario.services.custodial.results import TaskRecord, transfer_outcome
from cicscenario.services.custodial.transfers import TransferRequest
from tests.support.valkey import Valkey

HASH = "0x" + "5e" * 32
NAMES = (tasks.CHECK_LOCK, tasks.RESERVE_NONCE, tasks.RESOLVE_TOKENS, tasks.TRANSFER)
DONE = {
    "root": TaskRecord("SUCCESS", ["GFT"], ("nonce",)),
    "nonce": TaskRecord("SUCCESS", ["GFT"], ("tokens",)),
    "tokens": TaskRecord("SUCCESS", [{"address": "70" * 20}], ("transfer",)),
    "transfer": TaskRecord("SUCCESS", HASH, ("cache", "gas")),
}
LOCKED = {"exc_type": "LockedError", "exc_message": [16], "exc_module": "cic_eth.error"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    valkey = Valkey(tmp_path_factory.mktemp("valkey"))
    yield valkey
    valkey.close()


@pytest.fixture
def custodial(server: Valkey) -> CustodialClient:
    server.client.flushall()
    return CustodialClient(server.url, ChainSpec.parse("evm:byzantium:8996:bloxberg"))


def test_a_transfer_that_was_signed_has_the_hash_of_its_transaction() -> None:
    assert transfer_outcome("root", DONE) == Transferred(bytes.fromhex(HASH[2:]))


@pytest.mark.parametrize("number", range(4))
def test_a_task_that_failed_is_named(number: int) -> None:
    """With the reason that the engine gives."""
    ids = list(DONE)
    tree = {name: DONE[name] for name in ids[:number]} | {ids[number]: TaskRecord("FAILURE", LOCKED)}
    found = transfer_outcome("root", tree)
    assert isinstance(found, Failed)
    assert (found.task, found.exception) == (NAMES[number], "LockedError")
    assert "locked by QUEUE" in found.meaning


@pytest.mark.parametrize("number", range(4))
def test_a_task_without_a_result_is_not_known_to_have_failed(number: int) -> None:
    ids = list(DONE)
    found = transfer_outcome("root", {name: DONE[name] for name in ids[:number]})
    assert isinstance(found, Lost)
    assert found.task == ids[number]
    assert found.trace is (Trace.RUNNING if number else Trace.UNKNOWN)
    assert number == 0 or NAMES[number] in found.why


@pytest.mark.parametrize("result", [None, "0x12", 7])
def test_an_answer_that_is_no_hash_is_a_failure(result: Any) -> None:
    found = transfer_outcome("root", DONE | {"transfer": TaskRecord("SUCCESS", result)})
    assert isinstance(found, Failed)
    assert "without a transaction" in found.meaning


def test_where_each_is_is_looked_up_for_all_together(server: Valkey, custodial: CustodialClient) -> None:
    transfers = custodial.transfers()
    requests = [TransferRequest(name, b"\x0a" * 20, b"\x0b" * 20, 5, "GFT") for name in ("taken", "root", "queued")]
    transfers.submit(requests)
    server.client.rpop("cic-eth")  # a worker takes the oldest one, and has no result of it yet
    for name, record in DONE.items():
        text = {
            "status": record.status,
            "result": record.result,
            "children": [[[c, None], None] for c in record.children],
        }
        server.client.set(f"celery-task-meta-{name}", json.dumps(text))
    found = transfers.outcomes(["taken", "root", "queued", "nobody"])
    assert found["root"] == Transferred(bytes.fromhex(HASH[2:]))
    places = {name: end.trace for name, end in found.items() if isinstance(end, Lost)}
    assert places == {"taken": Trace.UNKNOWN, "queued": Trace.QUEUED, "nobody": Trace.UNKNOWN}
    assert transfers.outcomes([]) == {}
