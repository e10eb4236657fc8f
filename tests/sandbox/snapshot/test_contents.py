"""What of a sandbox is in a snapshot, and which names one may have."""

from pathlib import Path

import pytest

from cicscenario.sandbox.services import SERVICES
from cicscenario.sandbox.snapshot.contents import contents, expected

IS_EXPECTED = expected(SERVICES, ["small"])


@pytest.mark.parametrize(
    "name",
    [
        "sandbox/chain", "sandbox/chain/chain.jsonl", "sandbox/signer.key", "sandbox/owner.key", "sandbox/postgres.password",
        "sandbox/postgres/data/base/1/112", "sandbox/postgres/data/base/1/112_fsm",
        "sandbox/redis/appendonlydir/appendonly.aof.manifest",
        "sandbox/meta/writer.asc", "sandbox/custodial/signer.secret", "runs/small", "runs/small/state.sqlite",
        "runs/small/state.sqlite-wal", "runs/small/tx/ab",
    ],
)  # fmt: skip
def test_what_is_kept(name: str) -> None:
    assert IS_EXPECTED(name)


@pytest.mark.parametrize(
    "name",
    [
        "sandbox", "sandbox/stack.json", "sandbox/environment.yaml", "sandbox/node.log", "sandbox/node.lock",
        "sandbox/users/1-ab", "sandbox/meta/meta.sqlite.lock", "sandbox/meta/meta.sqlite-shm", "sandbox/postgres",
        "sandbox/postgres/programs/initdb", "runs", "runs/other", "runs/other/state.sqlite", "runs/small/lock",
        "runs/small/.state.sqlite.abcdefgh.unfinished", "runs/smaller/state.sqlite", "snapshots/a.zst", ".gitignore",
        "sandbox/chainx", "sandbox/signer.key2",
    ],
)  # fmt: skip
def test_what_is_made_anew_or_nobody_knows(name: str) -> None:
    assert not IS_EXPECTED(name)


@pytest.mark.parametrize(
    "name",
    ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf", "recovery.signal", "postmaster.pid"],
)
def test_the_settings_of_a_database_are_never_taken(name: str) -> None:
    """They can name programs to run, and who may log in."""
    assert not IS_EXPECTED(f"sandbox/postgres/data/{name}")


def test_only_the_services_that_it_has_count() -> None:
    assert not expected(["node"], [])("sandbox/meta/writer.asc")


def test_what_is_there_is_listed_and_the_rest_is_not_missed(tmp_path: Path) -> None:
    for name in (
        "sandbox/chain/chain.jsonl",
        "sandbox/signer.key",
        "sandbox/node.log",
        "runs/small/state.sqlite",
        "runs/small/lock",
        "sandbox/postgres/data/base/1/112",
        "sandbox/postgres/data/base/1/112_fsm",
        "sandbox/postgres/data/base/1/112_vm",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = contents(tmp_path / "sandbox", SERVICES, {"small": tmp_path / "runs" / "small"})
    assert [member.name for member in found] == [
        "sandbox/chain", "sandbox/chain/chain.jsonl", "sandbox/signer.key", "sandbox/postgres/data", "sandbox/postgres/data/base",
        "sandbox/postgres/data/base/1", "sandbox/postgres/data/base/1/112", "runs/small", "runs/small/state.sqlite",
    ]  # fmt: skip
