"""A big state is inspected beside its use: what is damaged is named and ends the use, and leads to nothing before that."""

import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cicscenario.errors import InterruptedRunError, StateRefusedError, UnavailableError
from cicscenario.state import inspection
from cicscenario.state.inspection import InspectBeside
from cicscenario.state.rows import Outcome, PaymentRow, RequestRow
from cicscenario.state.store import Store
from tests.support.states import PAYER, WRITES, alter, content, person, transaction

NEW = 4  #: the first person of whom ``filled`` has nothing


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def beside(path: Path, stopping: threading.Event) -> Iterator[Callable[..., Store]]:
    """Opens the state as if it were a big one: its inspection has only begun then."""
    opened = []

    def of(patience: float = 0.0) -> Store:
        opened.append(Store(path, beside=InspectBeside(stopping, small=0, patience=patience)))
        return opened[-1]

    yield of
    for store in opened:
        store.close()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    """Inspections wait until the function is called."""
    go, script = tmp_path / "go", tmp_path / "slow.py"
    script.write_text(
        "import pathlib, sys, time\n"
        f"while not pathlib.Path({str(go)!r}).exists():\n    time.sleep(0.01)\n"
        "from cicscenario.state import inspection\ninspection.main(pathlib.Path(sys.argv[1]))\n"
    )
    monkeypatch.setattr(inspection, "COMMAND", (sys.executable, str(script)))
    return go.touch


def damage_index(path: Path, name: str) -> None:
    """Changes the payer, or the purpose, in an index."""
    with closing(sqlite3.connect(path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    raw = bytearray(path.read_bytes())
    for mark in (PAYER, b"gift"):
        at = raw.find(mark, (page - 1) * size, page * size)
        if at >= 0:
            raw[at] ^= 1
            path.write_bytes(raw)
            return
    raise AssertionError(f"nothing in {name} can be damaged")


def test_a_sound_state_is_used_at_once_and_is_certain_afterwards(beside: Callable[..., Store]) -> None:
    store = beside()
    assert store.population() == 4
    store.await_check()
    assert store.live_transactions("gas", [0]) == {}


def test_a_state_that_is_inspected_in_time_is_refused_at_its_opening(path: Path, beside: Callable[..., Store]) -> None:
    alter(path, "people", "id = 1", "address", b"\x07" * 20)
    with pytest.raises(StateRefusedError, match="people: id 1") as refused:
        beside(patience=60.0)
    assert "state repair" in (refused.value.hint or "")


def test_damage_that_is_found_ends_every_use(
    path: Path, beside: Callable[..., Store], slow: Callable[[], None]
) -> None:
    alter(path, "people", "id = 1", "address", b"\x07" * 20)
    store = beside()
    before = content(path)
    slow()
    with pytest.raises(StateRefusedError, match="people: id 1"):
        store.await_check()
    for write in WRITES.values():
        with pytest.raises(StateRefusedError, match="people: id 1"):
            write(store)
    with pytest.raises(StateRefusedError, match="people: id 1"):
        store.counts()
    store.close()
    assert content(path) == before


@pytest.mark.parametrize("index", ["one_live_transaction", "outstanding", "nonces"])
def test_an_index_that_hides_a_transaction_does_not_say_that_none_was_sent(
    path: Path, beside: Callable[..., Store], slow: Callable[[], None], index: str
) -> None:
    damage_index(path, index)
    store = beside()
    answer: list[object] = []

    def ask() -> None:
        try:
            answer.append(store.live_transactions("gift", [0, 1, 2]))
        except StateRefusedError as error:
            answer.append(error.message)

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join(0.3)
    assert asking.is_alive()
    slow()
    asking.join(60)
    assert index in str(answer[0])
    with pytest.raises(StateRefusedError):
        store.add_transactions([transaction(50, who=0)])


def test_new_people_do_not_wait(beside: Callable[..., Store], slow: Callable[[], None]) -> None:
    store = beside()
    assert store.live_transactions("gift", [NEW, NEW + 1]) == {}
    assert store.requests([NEW]) == {}
    assert [store.awaits_check(who) for who in ([NEW, NEW + 1], [NEW - 1, NEW], None)] == [False, True, True]
    slow()
    store.await_check()
    assert not store.awaits_check([0])


@pytest.mark.parametrize("table", ["people", "outcomes", "ledger", "requests", "payments"])
def test_nobody_is_new_of_whom_any_table_has_something(
    path: Path, stopping: threading.Event, beside: Callable[..., Store], slow: Callable[[], None], table: str
) -> None:
    store = Store(path)
    who = NEW + 3
    {
        "people": lambda: store.commit("population", [], people=[person(who)]),
        "outcomes": lambda: store.commit("gift", [Outcome(who, ok=False)]),
        "ledger": lambda: store.add_transactions([transaction(60, who=who)]),
        "requests": lambda: store.add_requests([RequestRow("late", who, "channel")]),
        "payments": lambda: store.add_payments([PaymentRow("late", 99, who)]),
    }[table]()
    store.close()
    store = beside()
    stopping.set()
    with pytest.raises(InterruptedRunError):
        store.live_transactions("gas", [who])
    assert store.live_transactions("gas", [who + 1]) == {}
    slow()


def test_payments_wait_for_the_end(
    stopping: threading.Event, beside: Callable[..., Store], slow: Callable[[], None]
) -> None:
    store = beside()
    stopping.set()
    for ask in (
        lambda: store.payments([99]),
        lambda: store.payments_by([99]),
        store.open_payments,
        store.payments_done,
        lambda: store.parts_sent(["traffic/99"]),
    ):
        with pytest.raises(InterruptedRunError):
            ask()
    slow()


@pytest.mark.parametrize(
    ("table", "where", "column", "value", "write"),
    [
        ("ledger", "id = 2", "person", 3, "settle"),
        ("ledger", "id = 1", "gas", 9, "reopen"),
        ("ledger", "id = 3", "nonce", 9, "mark_broadcast"),
        ("outcomes", "step = 'gift' AND person = 1", "at", 9, "withdraw_unproved"),
        ("outcomes", "step = 'gift' AND person = 1", "ok", 0, "commit"),
        ("people", "id = 3", "gift", 6, "commit"),
        ("requests", "sequence = 4", "person", 2, "answer_requests"),
        ("payments", "sequence = 3", "number", 5, "answer_payments"),
        ("meta", "key = 'lineage'", "value", "2", "set_meta"),
        ("checks", "name = 'balance'", "errors", 0, "forget_checks"),
    ],
)
def test_a_damaged_row_gets_no_new_digest(
    path: Path,
    beside: Callable[..., Store],
    slow: Callable[[], None],
    table: str,
    where: str,
    column: str,
    value: object,
    write: str,
) -> None:
    alter(path, table, where, column, value)
    store = beside()
    before = content(path)
    with pytest.raises(StateRefusedError, match=f"{table}: "):
        WRITES[write](store)
    with pytest.raises(StateRefusedError, match=f"{table}: "):
        store.population()
    store.close()
    assert content(path) == before
    slow()


@pytest.mark.parametrize("name", WRITES)
def test_every_write_is_as_without_an_inspection(
    base: Path, tmp_path: Path, stopping: threading.Event, slow: Callable[[], None], name: str
) -> None:
    made = []
    for how in (None, InspectBeside(stopping, small=0, patience=0.0)):
        path = Path(shutil.copy(base, tmp_path / f"{len(made)}.sqlite"))
        store = Store(path, beside=how)
        store.now = lambda: 7  # type: ignore[method-assign]
        WRITES[name](store)
        store.close()
        made.append(content(path))
    assert made[0] == made[1]


def test_what_is_written_meanwhile_is_no_damage(beside: Callable[..., Store], slow: Callable[[], None]) -> None:
    store = beside()
    for first in range(NEW, 2000, 100):
        people = range(first, first + 100)
        store.commit("population", [Outcome(n, ok=True) for n in people], people=[person(n) for n in people])
        store.add_transactions([transaction(100 + n, who=n) for n in people])
        if first == 504:
            slow()
    store.await_check()


def test_an_inspection_that_is_killed_says_nothing_about_the_state(
    beside: Callable[..., Store], slow: Callable[[], None]
) -> None:
    store = beside()
    assert store._inspection
    store._inspection._process.kill()
    with pytest.raises(UnavailableError, match="nothing is known to be damaged"):
        store.await_check()


def test_its_process_ends_with_the_state(beside: Callable[..., Store], slow: Callable[[], None]) -> None:
    store = beside()
    assert store._inspection
    process = store._inspection._process
    began = time.monotonic()
    store.close()
    assert process.returncode is not None
    assert time.monotonic() - began < 5
