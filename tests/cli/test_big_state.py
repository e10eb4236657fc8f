"""A run that goes on before its state is inspected sends nothing twice because of what is damaged, and concludes nothing."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.commands import command_environment
from tests.support.sandboxes import Run, Sandbox, gifts_since

pytestmark = pytest.mark.slow

#: ``cicscenario`` for which every state is a big one, whose inspection takes a while.
_BIG = """
import sys
from cicscenario.state import inspection
inspection.SMALL, inspection.PATIENCE = 0, 0.0
inspection.COMMAND = (sys.executable, "-c", SLOW)
from cicscenario.cli.app import main
main()
"""
_SLOW = """
import pathlib, sys, time
time.sleep(3)
from cicscenario.state import inspection
inspection.main(pathlib.Path(sys.argv[1]))
"""


def big(run: Run, command: str, *more: str) -> "subprocess.CompletedProcess[str]":
    code = f"SLOW = {_SLOW!r}\n{_BIG}"
    return subprocess.run(
        [sys.executable, "-c", code, command, *run.arguments(*more)[1:]],
        env=command_environment(run.box.home),
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture
def done(sandbox: Sandbox, scenario: Path, tmp_path: Path) -> Run:
    """A run that is done, and has forgotten that the gifts have arrived."""
    run = Run(sandbox, scenario, tmp_path / "run")
    first = run.command()
    assert first.returncode == 0, first.stderr
    with closing(sqlite3.connect(run.place / "state.sqlite", isolation_level=None)) as db:
        db.execute("DELETE FROM outcomes WHERE step = 'gift'")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return run


def hide_a_gift(path: Path) -> None:
    """Changes one entry of the index by which a person's transaction is found."""
    with closing(sqlite3.connect(path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'one_live_transaction'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"gift", (page - 1) * size, page * size)] ^= 1
    path.write_bytes(raw)
    found = "SELECT count(*) FROM ledger {} WHERE purpose = 'gift' AND status NOT IN ('failed', 'replaced')"
    with closing(sqlite3.connect(path)) as db:
        (by_index,) = db.execute(found.format("INDEXED BY one_live_transaction")).fetchone()
        assert (by_index,) < db.execute(found.format("NOT INDEXED")).fetchone()


def damage_row_5(path: Path, column: str, table: str) -> None:
    """Changes a byte of a row that no check looks at."""
    with closing(sqlite3.connect(path)) as db:
        (value,) = db.execute(f"SELECT CAST({column} AS BLOB) FROM {table} WHERE id = 5").fetchone()
    raw = bytearray(path.read_bytes())
    raw[raw.index(value[:60]) + 20] ^= 1
    path.write_bytes(raw)


def test_what_is_damaged_is_named_and_nothing_is_sent_twice(done: Run) -> None:
    before, path = done.box.block(), done.place / "state.sqlite"
    report, sound = (done.place / "report.json").read_bytes(), path.read_bytes()

    def refused(command: str, what: str) -> None:
        again = big(done, command)
        assert again.returncode == 4, again.stdout + again.stderr
        assert "is damaged (" in again.stderr
        assert what in again.stderr
        assert "state repair" in again.stderr
        assert gifts_since(done.box, before) == {}
        assert (done.place / "report.json").read_bytes() == report
        path.write_bytes(sound)
        for beside in ("-wal", "-shm"):
            path.with_name(path.name + beside).unlink(missing_ok=True)

    hide_a_gift(path)
    refused("run", "one_live_transaction")
    damage_row_5(path, "raw", "ledger")
    refused("verify", "ledger: id 5")
    again = big(done, "run")
    assert again.returncode == 0, again.stdout + again.stderr
    assert gifts_since(done.box, before) == {}
    assert done.steps()["gift"] == (12, 0)
