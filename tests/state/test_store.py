"""The state: what is written is there after a crash, never twice, and damage is set aside, not deleted."""

import sqlite3
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cicscenario.errors import StateRefusedError, UnavailableError
from cicscenario.people.person import Person
from cicscenario.state import ledgertable
from cicscenario.state.rows import CheckRow, LedgerRow, Outcome, RequestRow
from cicscenario.state.store import Store

SIGNER = b"\x01" * 20


def person(number: int, gift: int = 5) -> Person:
    phone = f"+2547{number:08d}"
    return Person(number, '{"vcard": "…"}', phone, "sw", ("individual",), number.to_bytes(20, "big"), gift, None)


def transaction(nonce: int, *, purpose: str = "gift", who: int = 0, status: str = "signed") -> LedgerRow:
    mark = nonce.to_bytes(32, "big")
    return LedgerRow(purpose, who, SIGNER, nonce, mark, b"raw" + mark, 21000, status)


@pytest.fixture
def store(tmp_path: Path):
    store = Store(tmp_path / "state.sqlite")
    store.commit("population", [Outcome(n, ok=True) for n in range(3)], people=[person(n) for n in range(3)])
    yield store
    store.close()


def test_people_come_back_as_they_went_in(store: Store) -> None:
    assert store.people(0, 3) == [person(n) for n in range(3)]
    assert list(store.all_people()) == store.people(0, 3)


def test_a_batch_is_written_whole_or_not_at_all(store: Store) -> None:
    unfit: Any = object()
    with pytest.raises(sqlite3.ProgrammingError):
        store.commit("accounts", [Outcome(0, ok=True)], addresses=[(0, b"a" * 20), (1, unfit)])
    assert store.done("accounts", 0, 3) == set()
    assert [p.address for p in store.people(0, 3)] == [None, None, None]


def test_an_account_that_another_person_has_is_that_persons_failure_and_nobody_elses(store: Store) -> None:
    store.commit("accounts", [Outcome(0, ok=True)], addresses=[(0, b"a" * 20)])
    outcomes = [Outcome(1, ok=True), Outcome(2, ok=True)]
    written = store.commit("accounts", outcomes, addresses=[(1, b"a" * 20), (2, b"b" * 20)])
    assert written == [
        Outcome(1, ok=False, detail=f"the account 0x{'61' * 20} is that of person 0, too"),
        Outcome(2, ok=True),
    ]
    assert [p.address for p in store.people(0, 3)] == [b"a" * 20, None, b"b" * 20]
    assert store.counts()["accounts"] == (2, 1)


def test_a_phone_number_that_another_person_has_is_that_persons_failure_and_nobody_elses(store: Store) -> None:
    first = store.people(0, 1)[0]
    made = [
        replace(first, id=3),
        replace(first, id=4, phone="+254711999999"),
        replace(first, id=5, phone="+254711999999"),
    ]
    written = store.commit("population", [Outcome(p.id, ok=True) for p in made], people=made)
    assert [(o.person, o.ok, o.detail) for o in written] == [
        (3, False, f"the phone number {first.phone} is that of person 0, too"),
        (4, True, None),
        (5, False, "the phone number +254711999999 is that of person 4, too"),
    ]
    assert store.ids() == [0, 1, 2, 4]
    assert (store.end(), list(store.absent(6))) == (5, [3, 5])
    assert [p.id for p in store.all_people()] == [0, 1, 2, 4], "nobody behind the gap is forgotten"


def test_outcomes_survive_a_crash(store: Store) -> None:
    store.commit("accounts", [Outcome(0, ok=True), Outcome(1, ok=False, detail="no")])
    again = Store(store.path)  # the first was never closed
    assert again.counts() == {"population": (3, 0), "accounts": (1, 1)}
    assert again.failures("accounts", 5) == [Outcome(1, ok=False, detail="no")]
    again.close()


def test_a_failed_outcome_may_become_done(store: Store) -> None:
    store.commit("gift", [Outcome(0, ok=False, detail="no")])
    store.commit("gift", [Outcome(0, ok=True)])
    assert store.counts()["gift"] == (1, 0)


def test_a_purpose_has_one_live_transaction_a_person(store: Store) -> None:
    store.add_transactions([transaction(0)])
    with pytest.raises(StateRefusedError, match="already has a row"):
        store.add_transactions([transaction(1)])
    store.settle([(transaction(0).hash, "mined", 7, None)])
    with pytest.raises(StateRefusedError, match="already has a row"):
        store.add_transactions([transaction(1)])


def test_only_a_failed_transaction_may_be_followed_by_another(store: Store) -> None:
    store.add_transactions([transaction(0)])
    store.settle([(transaction(0).hash, "failed", 7, "reverted")])
    store.add_transactions([transaction(1)])
    assert store.live_transactions("gift", [0])[0].nonce == 1


def test_a_nonce_is_used_once_a_signer(store: Store) -> None:
    store.add_transactions([transaction(0)])
    with pytest.raises(StateRefusedError, match="already has a row"):
        store.add_transactions([transaction(0, purpose="gas")])


def test_of_two_transactions_with_one_nonce_the_mined_one_counts(store: Store) -> None:
    first, second = transaction(0), replace(transaction(0), hash=b"2" * 32)
    store.add_transactions([first])
    store.replace_transactions([first.hash], [second])
    assert [row.hash for row in store.outstanding(SIGNER)] == [second.hash]
    assert [row.hash for row in store.replaced_by([second])] == [first.hash]
    store.settle([(first.hash, "mined", 7, None)])
    assert store.transaction_counts() == {"gift": {"mined": 1, "replaced": 1}}
    assert store.live_transactions("gift", [0])[0].hash == first.hash


def test_what_is_reopened_has_no_outcome_any_more(store: Store) -> None:
    store.add_transactions([transaction(n, who=n) for n in range(2)])
    store.settle((transaction(n).hash, "mined", 7, None) for n in range(2))
    store.commit("gift", [Outcome(n, ok=True) for n in range(2)])
    store.commit("gas", [Outcome(n, ok=True) for n in range(2)])
    store.reopen([transaction(1).hash])
    assert store.done("gift", 0, 3) == {0}
    assert store.done("gas", 0, 3) == {0, 1}
    assert [row.nonce for row in store.outstanding(SIGNER)] == [1]


def test_transactions_are_listed_by_what_became_of_them(store: Store) -> None:
    store.add_transactions([transaction(n, who=n, status="signed") for n in range(3)])
    store.mark_broadcast([transaction(1).hash])
    store.settle([(transaction(2).hash, "mined", 9, None)])
    assert store.transaction_counts() == {"gift": {"signed": 1, "broadcast": 1, "mined": 1}}
    assert [row.nonce for row in store.outstanding(SIGNER)] == [0, 1]
    assert [row.nonce for row in store.transactions()] == [0, 1, 2]
    assert store.last_nonce(SIGNER) == 2
    assert store.last_nonce(b"\x02" * 20) is None


def test_gifts_without_a_step_are_counted(store: Store) -> None:
    store.commit("gift", [Outcome(0, ok=True)])
    assert store.gifts_without("gift") == (2, 10)


def test_gifts_add_up_beyond_what_the_database_can_add(store: Store) -> None:
    huge = 2**62 - 1
    store.commit("population", [], people=[person(number, gift=huge) for number in range(3, 10)])
    assert store.gifts_without("gift") == (10, 7 * huge + 15)


def test_a_gift_that_is_mined_is_given_though_nobody_wrote_down_its_outcome(store: Store) -> None:
    store.add_transactions([transaction(0, who=1), transaction(1, who=2)])
    store.settle([(transaction(0).hash, "mined", 7, None), (transaction(1).hash, "failed", 7, "reverted")])
    assert store.gifts_without("gift") == (2, 10)


def test_checks_are_kept(store: Store) -> None:
    row = CheckRow("balance", 1, 3, None, [{"person": 2, "problem": "short"}], read_back=2)
    store.record_checks([row])
    assert store.checks() == {"balance": row}


@pytest.mark.parametrize(
    "damage", [b"", b"not a database at all, but long enough to look like one" * 40], ids=["emptied", "overwritten"]
)
def test_a_damaged_state_stays_as_it_is(tmp_path: Path, store: Store, damage: bytes) -> None:
    store.close()
    store.path.write_bytes(damage)
    for suffix in ("-wal", "-shm"):
        store.path.with_name(store.path.name + suffix).unlink(missing_ok=True)
    with pytest.raises(StateRefusedError, match="is damaged") as refused:
        Store(store.path)
    assert refused.value.hint
    assert "cicscenario state repair" in refused.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["state.sqlite"]
    assert store.path.read_bytes() == damage


def test_a_sound_state_that_another_program_holds_is_left_alone(store: Store) -> None:
    store.close()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UnavailableError, match="database is locked"):
        Store(store.path)
    other.close()
    assert Store(store.path).population() == 3


def test_a_full_disk_is_a_message_and_the_state_goes_on(store: Store) -> None:
    pages = store._rows("PRAGMA page_count")[0][0]
    store._rows(f"PRAGMA max_page_count={pages}")
    many = [transaction(nonce, who=0, purpose=f"purpose {nonce}") for nonce in range(2000)]
    with pytest.raises(UnavailableError, match=r"cannot use .*full"):
        store.add_transactions(many)
    store._rows("PRAGMA max_page_count=1000000")
    assert store.transaction_counts() == {}
    store.add_transactions(many)
    assert sum(counts["signed"] for counts in store.transaction_counts().values()) == 2000


def test_a_flipped_page_is_noticed(tmp_path: Path, store: Store) -> None:
    store.commit("accounts", [Outcome(n, ok=True) for n in range(3)])
    store.close()
    raw = bytearray(store.path.read_bytes())
    raw[4096 : 4096 + 2000] = b"\xff" * 2000
    store.path.write_bytes(raw)
    with pytest.raises(StateRefusedError, match="damaged"):
        Store(store.path)


def test_a_state_of_another_version_is_refused_and_left_alone(store: Store) -> None:
    store.close()
    db = sqlite3.connect(store.path)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StateRefusedError, match="state format 99"):
        Store(store.path)
    assert store.path.exists()


def test_transactions_are_committed_to_the_disk_itself(store: Store) -> None:
    """Of all that is written, the ledger alone must survive a power cut before anything is sent."""
    seen: list[str] = []
    store._db.set_trace_callback(seen.append)
    store.add_transactions([transaction(0)])
    store.commit("gift", [Outcome(0, ok=True)])
    levels = [text for text in seen if text.startswith(("PRAGMA", "COMMIT"))]
    assert levels == ["PRAGMA synchronous=FULL", "COMMIT", "PRAGMA synchronous=NORMAL", "COMMIT"]


def test_requests_come_in_the_order_in_which_they_were_written_down(store: Store) -> None:
    """Whatever their ids: the last one is the one that counts."""
    ids = ["m", "z", "a", "k", "b"]
    for name in ids:
        store.add_requests([RequestRow(name, 0, "")])
    store.add_requests([RequestRow("0", 1, ""), RequestRow("9", 1, ""), RequestRow("5", 1, "")])
    found = store.requests([1, 0])
    assert [row.id for row in found[0]] == ids
    assert [row.id for row in found[1]] == ["0", "9", "5"]


@pytest.mark.parametrize("missing", [(), (0,), (5, 6, 7, 41), (49,), range(50)])
def test_nonces_that_the_ledger_lacks_are_found_by_counting(
    store: Store, missing: Collection[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgertable, "PAGE", 4)
    rows = [transaction(nonce, purpose=f"traffic/{nonce}") for nonce in range(50) if nonce not in missing]
    store.add_transactions(rows)
    store.add_transactions([replace(transaction(90), signer=b"\x02" * 20, nonce=5)])
    assert list(store.unknown_nonces(SIGNER, 0, 50)) == list(missing)
    assert list(store.unknown_nonces(SIGNER, 40, 50)) == [nonce for nonce in missing if nonce >= 40]
    assert list(store.unknown_nonces(SIGNER, 50, 50)) == []
    assert store.first_nonce(SIGNER) == (min(row.nonce for row in rows) if rows else None)


def test_nonces_without_a_gap_cost_one_count(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: a set of the nonces of a million people takes half a gigabyte."""
    asked: list[str] = []
    rows = Store._rows
    store.add_transactions([transaction(nonce, purpose=f"traffic/{nonce}") for nonce in range(50)])
    monkeypatch.setattr(Store, "_rows", lambda self, sql, values=(): asked.append(sql) or rows(self, sql, values))
    monkeypatch.setattr(ledgertable, "PAGE", 4)
    assert list(store.unknown_nonces(SIGNER, 0, 50)) == []
    assert len(asked) == 1


def test_transactions_come_in_the_order_of_their_hashes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgertable, "PAGE", 3)
    hashes = [bytes([number * 37 % 256]) * 32 for number in range(10)]
    rows = [replace(transaction(nonce, purpose=f"traffic/{nonce}"), hash=one) for nonce, one in enumerate(hashes)]
    store.add_transactions(rows)
    assert list(store.transactions_by_hash()) == sorted(rows, key=lambda row: row.hash)


def test_outcomes_are_counted_in_parts(store: Store) -> None:
    store.commit("population", [Outcome(n, ok=True) for n in range(3, 10)], people=[person(n) for n in range(3, 10)])
    store.commit("accounts", [Outcome(n, ok=n != 6) for n in range(8)])
    assert store.done_in_parts(["population", "accounts"], 0, 10, 4) == {0: 8, 1: 7, 2: 2}
    assert store.done_in_parts(["accounts"], 4, 10, 4) == {0: 3}
    assert store.done_in_parts([], 0, 10, 4) == {}


def test_mined_transactions_are_counted_by_step_whether_it_sends_one_or_many_for_a_person(store: Store) -> None:
    assert store.mined_counts() == {}
    purposes = ["gift", "gift", "gas", "traffic/0", "traffic/1", "traffic"]
    rows = [transaction(n, purpose=purpose, who=n) for n, purpose in enumerate(purposes)]
    store.add_transactions(rows)
    store.settle([(row.hash, "failed" if row.nonce == 2 else "mined", 7, None) for row in rows[1:]])
    mined = {step: statuses.get("mined", 0) for step, statuses in store.transaction_counts().items()}
    assert store.mined_counts() == {step: number for step, number in mined.items() if step != "gas"}
    assert store.mined_counts() == {"gift": 1, "traffic": 3}
