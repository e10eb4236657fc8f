"""The engine's loop sleeps until PostgreSQL or the node tells it something, and looks by itself while one does not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cicscenario.sandbox.custodial import database
from cicscenario.sandbox.custodial.settings import EngineSettings, read_settings
from cicscenario.sandbox.custodial.wakeup import Wakeup
from cicscenario.sandbox.ports import free_port
from tests.support.postgres import PASSWORD, USER, Postgres
from tests.support.running_node import RunningNode
from tests.support.waiting import PATIENCE, eventually

pytestmark = pytest.mark.slow

_INSERT = (
    "INSERT INTO otx (purpose, account, sender, nonce, tx_hash, signed_tx, status)"
    " VALUES ('gas', %s, %s, 0, %s, '00', %s) RETURNING id"
)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        server.execute("CREATE DATABASE cic_eth")
        server.execute((Path(database.__file__).parent / "schema.sql").read_text("utf-8"), database="cic_eth")
        yield server


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    running = RunningNode("embedded", tmp_path).start()
    yield running
    running.stop()


@pytest.fixture
def settings(tmp_path: Path, postgres: Postgres, node: RunningNode) -> EngineSettings:
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "key").write_text("11" * 32)
    values = {
        "--broker": "redis://127.0.0.1:1/0", "--database": f"postgresql://{USER}@127.0.0.1:{postgres.port}",
        "--password-file": tmp_path / "password", "--rpc": node.url, "--chain-spec": "evm:byzantium:8996:bloxberg",
        "--registry": "0x" + "22" * 20, "--owner-key": tmp_path / "key", "--data": tmp_path,
    }  # fmt: skip
    return read_settings([str(word) for pair in values.items() for word in pair])


@pytest.fixture
def wakeup(settings: EngineSettings) -> Iterator[Wakeup]:
    made = Wakeup(settings)
    yield made
    made.end()


def fall_asleep(wakeup: Wakeup) -> None:
    """It listens to both, and there is nothing more to tell."""
    wakeup.start()
    eventually(lambda: not wakeup._deaf)
    while wakeup.wait(0.5):
        pass


def insert(postgres: Postgres, number: int, status: str) -> Any:
    (row,) = postgres.execute(_INSERT, "1" * 40, "2" * 40, f"{number:064}", status, database="cic_eth")
    return row[0]


def test_it_is_woken_by_a_ready_transaction_and_by_a_block_and_by_nothing_else(
    postgres: Postgres, node: RunningNode, wakeup: Wakeup
) -> None:
    fall_asleep(wakeup)
    otx = insert(postgres, 1, "pending")
    assert not wakeup.wait(0.5), "one that may not be sent yet is no news"
    postgres.execute("UPDATE otx SET status = 'ready' WHERE id = %s", otx, database="cic_eth")
    assert wakeup.wait(PATIENCE)
    insert(postgres, 2, "ready")
    assert wakeup.wait(PATIENCE)
    postgres.execute("UPDATE otx SET status = 'sent'", database="cic_eth")
    assert not wakeup.wait(0.5)
    node.rpc("evm_mine")
    assert wakeup.wait(PATIENCE)


def test_it_looks_by_itself_while_one_does_not_tell_and_listens_again(node: RunningNode, wakeup: Wakeup) -> None:
    fall_asleep(wakeup)
    node.stop()
    eventually(lambda: bool(wakeup._deaf))
    while wakeup.wait(3600):  # the news that there are none
        pass
    node.start()
    eventually(lambda: not wakeup._deaf)
    while wakeup.wait(0.5):
        pass
    node.rpc("evm_mine")
    assert wakeup.wait(PATIENCE)


def test_without_either_it_looks_by_itself(settings: EngineSettings) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    wakeup = Wakeup(replace(settings, database=f"postgresql://{USER}@{nowhere}", rpc=f"http://{nowhere}"))
    wakeup.start()
    while wakeup.wait(3600):
        pass
    wakeup.end()
