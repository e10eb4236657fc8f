"""State files of earlier versions are opened, keep what they hold, and are as one that is made today."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cicscenario.errors import StateRefusedError, UnavailableError
from cicscenario.people.person import Person
from cicscenario.state.migrations import MIGRATIONS, SCHEMA_VERSION
from cicscenario.state.rows import LedgerRow, Outcome, RequestRow
from cicscenario.state.salvage import salvaged
from cicscenario.state.store import Store
from tests.support.failing_disk import BROKEN, FULL, failing_disk
from tests.support.states import WRITES, account_of_person, alter

#: To the letter: files with this are on people's disks.
VERSION_1 = """
-- The state of one run. One writer (store.py); WAL; the ledger commits with synchronous=FULL.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE people (
  id INTEGER PRIMARY KEY,        -- index in the population, from 0
  document TEXT NOT NULL,        -- JSON, as generated; the new address is added when it is written out
  phone TEXT NOT NULL UNIQUE,    -- E.164
  language TEXT NOT NULL,
  tags TEXT NOT NULL,            -- JSON list
  old_address BLOB NOT NULL,
  gift INTEGER NOT NULL,         -- whole tokens
  address BLOB UNIQUE            -- the account, once there is one
);

CREATE TABLE outcomes (
  step TEXT NOT NULL,
  person INTEGER NOT NULL REFERENCES people (id),
  ok INTEGER NOT NULL,           -- 1 done, 0 failed (tried again by the next run)
  detail TEXT,
  PRIMARY KEY (step, person)
) WITHOUT ROWID;

CREATE TABLE ledger (
  id INTEGER PRIMARY KEY,
  purpose TEXT NOT NULL,
  person INTEGER NOT NULL REFERENCES people (id),
  signer BLOB NOT NULL,
  nonce INTEGER NOT NULL,
  hash BLOB NOT NULL UNIQUE,
  raw BLOB NOT NULL,
  gas INTEGER NOT NULL,          -- gas limit
  status TEXT NOT NULL CHECK (status IN ('signed', 'broadcast', 'mined', 'failed')),
  block INTEGER,
  detail TEXT,
  UNIQUE (signer, nonce)
);
-- A failed transaction is proved to have done nothing, so it alone may be followed by another for the same purpose.
CREATE UNIQUE INDEX one_live_transaction ON ledger (purpose, person) WHERE status <> 'failed';
CREATE INDEX failed ON ledger (purpose, person) WHERE status = 'failed';
CREATE INDEX outstanding ON ledger (signer, nonce) WHERE status IN ('signed', 'broadcast');

-- What was asked of a service that holds the keys itself; written before it is asked.
CREATE TABLE requests (
  id TEXT PRIMARY KEY,           -- as the service knows it: the root task's id, or the session's
  person INTEGER NOT NULL REFERENCES people (id),
  channel TEXT NOT NULL,         -- where the answer is published, if anywhere
  status TEXT NOT NULL CHECK (status IN ('asked', 'created', 'failed')),
  address BLOB,                  -- the account that was created
  detail TEXT
) WITHOUT ROWID;
CREATE INDEX requests_of_person ON requests (person);

CREATE TABLE checks (
  name TEXT PRIMARY KEY,
  errors INTEGER NOT NULL,
  total INTEGER NOT NULL,
  allowed TEXT,                  -- what a bounded comparison allowed
  failing TEXT NOT NULL          -- JSON list of the first failing people
) WITHOUT ROWID;
"""

#: Rows of every table.
ROWS = (
    "INSERT INTO meta VALUES ('scenario', 'version: 1')",
    (
        "INSERT INTO people VALUES (0, '{\"n\": 0}', '+254711000001', 'sw', '[\"ussd\"]', x'01', 7, x'aa'),"
        " (1, '{\"n\": 1}', '+254711000002', 'en', '[]', x'02', 0, NULL)"
    ),
    "INSERT INTO outcomes VALUES ('accounts', 0, 1, NULL), ('accounts', 1, 0, 'no answer')",
    "INSERT INTO ledger VALUES (5, 'gift', 0, x'05', 3, x'06', x'07', 21000, 'mined', 12, NULL)",
    (
        "INSERT INTO requests VALUES ('b', 0, 'channel', 'failed', NULL, 'refused'), ('a', 0, 'channel', 'created', x'aa', NULL),"
        " ('c', 1, '', 'asked', NULL, NULL)"
    ),
    "INSERT INTO checks VALUES ('balance', 1, 2, '2%', '[{\"person\": 1}]')",
)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A state of version 1."""
    path = tmp_path / "state.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(f"BEGIN;{VERSION_1};PRAGMA user_version=1;COMMIT;")
        for row in ROWS:
            db.execute(row)
    return path


@pytest.fixture
def store(old: Path) -> Iterator[Store]:
    opened = Store(old)
    yield opened
    opened.close()


def shape(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Columns, indexes and references of each table."""
    with closing(sqlite3.connect(path)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {
            name: [
                row
                for what in ("table_info", "index_list", "foreign_key_list")
                for row in sorted(db.execute(f"PRAGMA {what}({name})").fetchall(), key=str)
            ]
            for name in names
        }


def test_everything_is_still_there(store: Store) -> None:
    assert store.meta() == {"scenario": "version: 1"}
    assert store.people(0, 9) == [
        Person(0, '{"n": 0}', "+254711000001", "sw", ("ussd",), b"\x01", 7, b"\xaa"),
        Person(1, '{"n": 1}', "+254711000002", "en", (), b"\x02", 0, None),
    ]
    assert store.counts() == {"accounts": (1, 1)}
    assert store.failures("accounts", 9) == [Outcome(1, ok=False, detail="no answer")]
    assert list(store.transactions()) == [LedgerRow("gift", 0, b"\x05", 3, b"\x06", b"\x07", 21000, "mined", 12, None)]
    assert store.requests([0, 1]) == {
        0: [
            RequestRow("b", 0, "channel", "failed", None, "refused"),
            RequestRow("a", 0, "channel", "created", b"\xaa", None),
        ],
        1: [RequestRow("c", 1, "", "asked", None, None)],
    }
    assert store.checks()["balance"].failing == [{"person": 1}]


def test_it_goes_on_as_one_that_is_made_today(tmp_path: Path, store: Store) -> None:
    Store(tmp_path / "new.sqlite").close()
    assert shape(store.path) == shape(tmp_path / "new.sqlite")
    store.add_requests([RequestRow("0", 0, "later")])
    assert [row.id for row in store.requests([0])[0]] == ["b", "a", "0"]


def test_it_is_migrated_once(old: Path) -> None:
    for _ in range(3):
        Store(old).close()
    with closing(sqlite3.connect(old)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


@pytest.mark.parametrize("table", ["requests_new", "ledger_new"])  # of the first statement, and of one after others
def test_a_migration_that_fails_changes_nothing(old: Path, table: str) -> None:
    with closing(sqlite3.connect(old, isolation_level=None)) as db:
        db.execute(f"CREATE TABLE {table} (x)")
    before = shape(old)
    with pytest.raises(UnavailableError, match=f"{table} already exists"):
        Store(old)
    assert shape(old) == before
    with closing(sqlite3.connect(old)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM requests").fetchone() == (3,)


def test_a_later_version_is_refused(old: Path) -> None:
    with closing(sqlite3.connect(old, isolation_level=None)) as db:
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    with pytest.raises(StateRefusedError, match=f"state format {SCHEMA_VERSION + 1}; .* reads up to {SCHEMA_VERSION}"):
        Store(old)


def test_there_is_a_migration_from_every_version() -> None:
    assert [version for version, _ in MIGRATIONS] == list(range(1, SCHEMA_VERSION))


# --- files of every version, kept from the code of their time -----------------------------------------------------

GOLDEN = sorted((Path(__file__).parents[1] / "golden" / "state").glob("v*.sqlite"))


@pytest.mark.parametrize("kept", GOLDEN, ids=lambda kept: kept.stem)
def test_a_state_of_every_version_goes_on(tmp_path: Path, kept: Path) -> None:
    path = Path(shutil.copy(kept, tmp_path / "state.sqlite"))
    store = Store(path)
    assert store.meta() == {"scenario": '{"name": "small"}', "lineage": "1f", "chain_id": "8996"}
    made = store.people(0, 9)
    assert [(one.id, one.phone, one.document) for one in made] == [
        (n, f"+2547{n:08d}", {"vcard": "…", "n": n}) for n in range(4)
    ]
    assert [one.address for one in made] == [*map(account_of_person, range(3)), None]
    assert store.counts() == {"population": (4, 0), "accounts": (3, 1)}
    assert [(row.nonce, row.status) for row in store.transactions()] == [(0, "mined"), (1, "broadcast"), (2, "signed")]
    assert {who: [row.status for row in rows] for who, rows in store.requests([0, 1, 2, 3]).items()} == {
        0: ["created"], 1: ["created"], 2: ["created"], 3: ["asked"],
    }  # fmt: skip
    assert store.checks()["balance"].failing == [{"person": 2, "problem": "short"}]
    for name in ("commit", "settle", "answer_requests"):
        WRITES[name](store)
    store.close()
    Store(path).close()


@pytest.mark.parametrize("kept", [path for path in GOLDEN if path.stem >= "v5"], ids=lambda kept: kept.stem)
def test_damage_gets_no_new_digest_when_a_state_is_converted(tmp_path: Path, kept: Path) -> None:
    path = Path(shutil.copy(kept, tmp_path / "state.sqlite"))
    alter(path, "outcomes", "step = 'accounts' AND person = 1", "ok", 0)
    for _ in range(2):
        with pytest.raises(StateRefusedError, match="outcomes: step 'accounts', person 1"):
            Store(path, rows=False) if kept.stem == "v5" else Store(path)
    with salvaged(path) as found:
        assert [str(one).partition(" is not")[0] for one in found.damage] == ["outcomes: step 'accounts', person 1"]
        assert len(list(found.sound("outcomes"))) == 7
        assert {len(row) for row in found.sound("outcomes")} == {5}


def test_a_file_of_every_version_is_kept() -> None:
    assert [path.stem for path in GOLDEN] == [f"v{version}" for version in range(1, SCHEMA_VERSION + 1)], (
        "keep a state of this version from now on: tests/support/states.py makes one"
    )


@pytest.mark.parametrize(
    "how", [{"code": FULL, "torn": True}, {"code": BROKEN, "times": 1}], ids=["full", "broken once"]
)
@pytest.mark.parametrize("kept", [GOLDEN[0], GOLDEN[-2]], ids=lambda kept: kept.stem)
def test_a_disk_that_fails_while_a_state_is_converted_leaves_the_old_one(
    tmp_path: Path, kept: Path, how: dict[str, Any]
) -> None:
    with failing_disk() as disk:
        for number in range(1, 1000):
            path = Path(shutil.copy(kept, tmp_path / f"{number}.sqlite"))
            disk.fail(number, **how)
            with contextlib.suppress(UnavailableError):
                Store(path).close()
            failed = disk.failed
            disk.mend()
            store = Store(path)
            assert store.population() == 4
            assert len(list(store.transactions())) == 3
            store.close()
            if not failed:
                assert number > 20
                return
    raise AssertionError("it never came to an end")
