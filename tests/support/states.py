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
from cicscenario.state.rows import CheckRow, LedgerRow, Outcome, RequestRow
from cicscenario.state.store import Store

SIGNER = b"\x01" * 20


def person(number: int, gift: int = 5) -> Person:
    phone = f"+2547{number:08d}"
    document = json.dumps({"vcard": "…", "n": number}, ensure_ascii=False)
    return Person(number, document, phone, "sw", ("individual",), number.to_bytes(20, "big"), gift, None)


def account(number: int) -> bytes:
    """The account of person ``number`` in ``filled``."""
    return (0xA000 + number).to_bytes(20, "big")


def transaction(nonce: int, *, purpose: str = "gift", who: int = 0, status: str = "signed") -> LedgerRow:
    mark = nonce.to_bytes(32, "big")
    return LedgerRow(purpose, who, SIGNER, nonce, mark, b"raw" + mark, 21000, status)


def filled(path: Path, people: int = 4) -> Path:
    """Makes a state with rows in every table; the last person has no account yet."""
    store = Store(path)
    store.set_meta({"scenario": '{"name": "small"}', "lineage": "1f", "chain_id": "8996"})
    store.commit("population", [Outcome(n, ok=True) for n in range(people)], people=[person(n) for n in range(people)])
    done = range(people - 1)
    store.commit("accounts", [Outcome(n, ok=True) for n in done], addresses=[(n, account(n)) for n in done])
    store.commit("accounts", [Outcome(people - 1, ok=False, detail="no answer")])
    store.add_requests([RequestRow(f"request {n}", n, "channel") for n in range(people)])
    store.answer_requests([RequestRow(f"request {n}", n, "channel", "created", account(n)) for n in done])
    store.add_transactions([transaction(n, who=n) for n in done])
    store.mark_broadcast([transaction(1).hash])
    store.settle([(transaction(0).hash, "mined", 7, None)])
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
        addresses=[(3, account(3))],
        spelled={3: "0xA003"},
    ),
    "add_transactions": lambda store: store.add_transactions(
        [transaction(n, purpose="gas", who=n) for n in range(5, 40)]
    ),
    "replace": lambda store: store.replace([transaction(2).hash], [replace(transaction(2, who=2), hash=b"\2" * 32)]),
    "mark_broadcast": lambda store: store.mark_broadcast([transaction(2).hash]),
    "settle": lambda store: store.settle([(transaction(1).hash, "failed", 9, "reverted")]),
    "reopen": lambda store: store.reopen([transaction(0).hash]),
    "add_requests": lambda store: store.add_requests([RequestRow(f"new {n}", 3, "channel") for n in range(30)]),
    "answer_requests": lambda store: store.answer_requests([RequestRow("request 3", 3, "", "failed", None, "refused")]),
    "record_checks": lambda store: store.record_checks([CheckRow("gas", 0, 4, None, [])]),
    "forget_checks": lambda store: store.forget_checks(),
}


def writers() -> set[str]:
    """The names of the methods that write, found in the code."""
    methods = inspect.getmembers(Store, inspect.isfunction)
    writing = {name for name, method in methods if "self._write(" in inspect.getsource(method)}
    return {
        name
        for name, method in methods
        if not name.startswith("_") and any(f"self.{one}(" in inspect.getsource(method) for one in {"_write", *writing})
    }


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, in order, read by SQLite alone."""
    with closing(sqlite3.connect(path)) as db:
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        return {name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr) for (name,) in names}
