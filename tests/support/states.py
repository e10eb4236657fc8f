"""States with rows in every table, what is in them, and every method that writes into one."""

import inspect
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from cicscenario.people.person import Person
from cicscenario.state.rows import CheckRow, LedgerRow, Made, Outcome, PaymentRow, RequestRow
from cicscenario.state.store import Store

PAYER = b"\x01" * 20


def person(number: int, gift: int = 5) -> Person:
    phone = f"+2547{number:08d}"
    document = json.dumps({"vcard": "…", "n": number}, ensure_ascii=False)
    return Person(number, document, phone, "sw", ("individual",), number.to_bytes(20, "big"), gift, None)


def account_of_person(number: int) -> bytes:
    """The account of person ``number`` in ``filled``."""
    return (0xA000 + number).to_bytes(20, "big")


def transaction(nonce: int, *, purpose: str = "gift", who: int = 0, status: str = "signed") -> LedgerRow:
    mark = nonce.to_bytes(32, "big")
    return LedgerRow(purpose, who, PAYER, nonce, mark, b"raw" + mark, 21000, status)


def filled(path: Path, people: int = 4) -> Path:
    """Makes a state with rows in every table; the last person has no account yet."""
    store = Store(path)
    store.set_meta({"scenario": '{"name": "small"}', "lineage": "1f", "chain_id": "8996"})
    store.commit("population", [Outcome(n, ok=True) for n in range(people)], people=[person(n) for n in range(people)])
    done = range(people - 1)
    store.commit("accounts", [Outcome(n, ok=True) for n in done], addresses=[(n, account_of_person(n)) for n in done])
    store.commit("accounts", [Outcome(people - 1, ok=False, detail="no answer")])
    store.add_requests([RequestRow(f"request {n}", n, "channel") for n in range(people)])
    store.answer_requests([RequestRow(f"request {n}", n, "channel", "created", account_of_person(n)) for n in done])
    store.add_transactions([transaction(n, who=n) for n in done])
    store.mark_broadcast([transaction(1).hash])
    store.settle([(transaction(0).hash, "mined", 7, None)])
    store.commit("gift", [Outcome(n, ok=True) for n in range(2)])  # the transaction of person 1 is still open
    store.add_payments([PaymentRow(f"payment {n}", n, 0) for n in range(3)])
    store.answer_payments([PaymentRow("payment 0", 0, 0, "paid", b"p" * 32), PaymentRow("payment 1", 1, 0, "refused")])
    store.begin_findings("balance")
    store.add_findings("balance", 0, {2: ("short", Made.YES)})
    store.record_checks([CheckRow("balance", 1, people, "2%", [{"person": 2, "problem": "short"}])])
    store.close()
    return path


#: Every method of the state that writes, with arguments that change what ``filled`` made.
WRITES: dict[str, Callable[[Store], Any]] = {
    "set_meta": lambda store: store.set_meta({"lineage": "2f", "more": "x" * 5000}),
    "commit": lambda store: store.commit(
        "gift",
        [Outcome(n, ok=n != 2, detail="détail") for n in range(6)],
        people=[person(4), person(5)],
        addresses=[(3, account_of_person(3))],
        spelled={3: "0xA003"},
    ),
    "add_transactions": lambda store: store.add_transactions(
        [transaction(n, purpose="gas", who=n) for n in range(5, 40)]
    ),
    "adopt": lambda store: store.adopt(
        [(transaction(2).hash, "mined", 12, "found")], [], [transaction(9, purpose="gas", status="mined")]
    ),
    "replace_transactions": lambda store: store.replace_transactions(
        [transaction(2).hash], [replace(transaction(2, who=2), hash=b"h" * 32, raw=b"at a higher fee")]
    ),
    "mark_broadcast": lambda store: store.mark_broadcast([transaction(2).hash]),
    "settle": lambda store: store.settle([(transaction(1).hash, "failed", 9, "reverted")]),
    "reopen": lambda store: store.reopen([transaction(0).hash]),
    "set_trace": lambda store: store.set_trace({7: "0x07", 8: "0x08"}),
    "withdraw": lambda store: store.withdraw(["accounts"]),
    "withdraw_unproved": lambda store: store.withdraw_unproved(),
    "add_requests": lambda store: store.add_requests([RequestRow(f"new {n}", 3, "channel") for n in range(30)]),
    "answer_requests": lambda store: store.answer_requests([RequestRow("request 3", 3, "", "failed", None, "refused")]),
    "add_payments": lambda store: store.add_payments([PaymentRow(f"more {n}", n, 1) for n in range(3, 30)]),
    "answer_payments": lambda store: store.answer_payments([PaymentRow("payment 2", 2, 0, "paid", b"q" * 32)]),
    "record_checks": lambda store: store.record_checks([CheckRow("gas", 0, 4, None, [])]),
    "forget_checks": lambda store: store.forget_checks(),
}


def writers() -> set[str]:
    """The names of the public methods that write, by themselves or through others, found in the code."""
    code = {name: inspect.getsource(method) for name, method in inspect.getmembers(Store, inspect.isfunction)}
    writing = {"_write"}
    while more := {name for name, text in code.items() if any(f"self.{one}(" in text for one in writing)} - writing:
        writing |= more
    return {name for name in writing if not name.startswith("_")}


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, in order, read by SQLite alone."""
    with closing(sqlite3.connect(path)) as db:
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        return {name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr) for (name,) in names}


def alter(path: Path, table: str, where: str, column: str, value: Any) -> None:
    """Changes a value of one row below its digest, as damage of the disk does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        ((digest,),) = db.execute(f"SELECT digest FROM {table} WHERE {where}").fetchall()
        db.create_function("row_digest", -1, lambda *_: digest, deterministic=True)
        assert db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value,)).rowcount == 1


def everything(store: Store) -> list[Any]:
    """All that the methods of a state tell."""
    people = list(range(store.end()))
    steps = sorted(store.counts())
    rows = list(store.transactions())
    return [
        store.meta(),
        list(store.all_people()),
        [(step, store.done(step, 0, store.end()), store.failures(step, 99)) for step in steps],
        rows,
        [store.outstanding(PAYER), store.settled_from(PAYER, 0), store.last_nonce(PAYER), store.height()],
        [store.live_transactions("gift", people), store.failed_transactions("gift", people)],
        [store.requests(people), store.last_request(), store.orphans(), store.checks()],
        [store.payments([0, 1, 2]), store.payments_by(people), store.open_payments(), store.payments_done()],
        list(store.failed(list(store.checks()))),
    ]


def damage_rows(path: Path) -> None:
    """Damages a row of each table that can be made again for certain. A log beside the state stays as it is, as after a kill."""
    log = path.with_name(f"{path.name}-wal")
    with closing(sqlite3.connect(path)) as held:  # while this is open, the log is not written back
        held.execute("SELECT count(*) FROM meta").fetchone()
        alter(path, "people", "id = (SELECT max(id) FROM people)", "phone", "+254700000000")
        alter(path, "meta", "key = 'genesis'", "value", "0" * 64)
        for table, key in (("outcomes", "step || person"), ("ledger", "id")):
            if held.execute(f"SELECT count(*) FROM {table}").fetchone()[0]:
                alter(path, table, f"{key} = (SELECT max({key}) FROM {table})", "detail", "damaged")
        kept = {part: part.read_bytes() for part in (path, log)}
    for part, content_ in kept.items():
        part.write_bytes(content_)


def in_format(path: Path, version: int, golden: Path) -> None:
    """Makes a state again in an earlier format, with the tables of ``golden``, a state of that format."""
    old = path.with_name("old.sqlite")
    with (
        closing(sqlite3.connect(golden)) as kept,
        closing(sqlite3.connect(old)) as made,
        closing(sqlite3.connect(path)) as db,
    ):
        made.executescript(
            ";".join(
                sql
                for (sql,) in kept.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL")
                if "sqlite_seq" not in sql
            )
        )
        for (table,) in kept.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            names = ", ".join(row[1] for row in kept.execute(f"PRAGMA table_info({table})") if row[1] != "digest")
            for row in db.execute(f"SELECT {names} FROM {table}"):
                made.execute(f"INSERT INTO {table} ({names}) VALUES ({','.join('?' * len(row))})", row)
        made.execute(f"PRAGMA user_version={version}")
        made.commit()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    old.rename(path)
