"""``cicscenario state``: what a state holds, whether it is sound, and its repair, of sound and of damaged states."""

import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from cicscenario.boundaries import observe
from cicscenario.chain.filler import PURPOSE
from cicscenario.cli.state import StatePlace, repair, show, verify
from cicscenario.errors import (
    ChecksFailedError,
    ExitCode,
    InvalidError,
    ReconcileError,
    StateRefusedError,
    UnavailableError,
)
from cicscenario.plan.compile import compile_plan
from cicscenario.state.rows import LedgerRow, Outcome, RequestRow
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenario
from tests.support.failing_disk import FULL, failing_disk
from tests.support.states import PAYER, alter, everything

SCENARIO = """
version: 1
name: small
population: {size: 8, seed: 3}
gift: {threshold: 200}
backend: KIND
environment: sandbox
"""
_CHAIN = ("chain_id", "genesis", "registry", "spec", "token", "decimals", "signer")
IDENTITY = {"lineage": "1f", "digest": "2f", "since": "5", "nonces": "7"} | dict.fromkeys(_CHAIN, "0x01")


def paid(person: int) -> LedgerRow:
    raw = b"signed for %d" % person
    return LedgerRow("gift", person, PAYER, 7 + person, keccak(raw), raw, 21000, "mined", 9)


def ran(folder: Path, kind: str = "eth") -> StatePlace:
    """A scenario of 8 people; 6 of them are made and have accounts, and 5 have their gifts."""
    path = folder / "small.yaml"
    path.write_text(SCENARIO.replace("KIND", kind))
    scenario = load_scenario(path)
    people = compile_plan(scenario).population
    (folder / "run").mkdir()
    store = Store(folder / "run" / STATE)
    made = [people.person(number) for number in range(6)]
    store.commit("population", [Outcome(one.id, ok=True) for one in made], people=made)
    store.commit(
        "accounts",
        [Outcome(one.id, ok=True) for one in made],
        addresses=[(one.id, b"a" * 19 + bytes([one.id])) for one in made],
    )
    if kind != "eth":
        store.add_requests([RequestRow(f"request {one.id}", one.id, "") for one in made])
    store.add_transactions([replace(paid(number), status="signed", block=None) for number in range(5)])
    store.settle([(paid(number).hash, "mined", 9, None) for number in range(5)])
    store.commit("gift", [Outcome(number, ok=True) for number in range(5)])
    store.set_meta({**IDENTITY, "scenario": json.dumps(scenario.canonical(), sort_keys=True)})
    store.close()
    return StatePlace(path, (), None, folder / "run")


def state_of(place: StatePlace) -> Path:
    assert place.directory
    return place.directory / STATE


def content(place: StatePlace) -> list[object]:
    store = Store(state_of(place))
    found = everything(store)
    store.close()
    return found


def test_a_sound_state_is_shown_and_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ran(tmp_path)
    assert show(place, "text") is ExitCode.OK
    shown = capsys.readouterr().out
    assert re.search(r"step gift +5 ok +0 failed", shown)
    assert f"signer 0x{PAYER.hex()}: nonces 7 to 11\n" in shown
    assert "lineage       1f\n" in shown
    assert "damaged" not in shown
    assert show(place, "json") is ExitCode.OK
    assert json.loads(capsys.readouterr().out)["rows"]["people"] == 6
    assert verify(place, services=False) is ExitCode.OK
    assert "rows are sound" in capsys.readouterr().out
    assert repair(place) is ExitCode.OK
    assert "nothing was changed" in capsys.readouterr().out


def test_a_run_directory_is_as_good_as_its_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ran(tmp_path)
    assert place.directory
    alter(state_of(place), "people", "id = 2", "gift", 10**6)
    assert repair(StatePlace(place.directory, ())) is ExitCode.OK
    assert verify(StatePlace(place.directory, ()), services=False) is ExitCode.OK
    assert "1 person (2) made again" in capsys.readouterr().out


#: Damage, what is told of it, and what of the state is new after the repair.
DAMAGE: dict[str, tuple[tuple[str, str, str, object], str]] = {
    "address": (("people", "id = 2", "address", b"\x07" * 20), "people: id 2"),
    "outcome": (("outcomes", "step = 'gift' AND person = 5 - 1", "ok", 0), "outcomes: step 'gift', person 4"),
    "account done": (("outcomes", "step = 'accounts' AND person = 1", "ok", 0), "outcomes: step 'accounts', person 1"),
    "transaction": (("ledger", "id = 3", "block", 8), "ledger: id 3, purpose 'gift', person 2"),
}


@pytest.mark.parametrize(("damage", "told"), DAMAGE.values(), ids=DAMAGE)
def test_what_is_sound_is_kept_and_the_rest_is_left_to_the_run(
    tmp_path: Path, damage: tuple[str, str, str, object], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ran(tmp_path)
    before = Store(state_of(place))
    people, transactions = before.people(0, 9), list(before.transactions())
    before.close()
    alter(state_of(place), *damage)
    raw = state_of(place).read_bytes()
    with pytest.raises(StateRefusedError, match=told):
        verify(place, services=False)
    assert show(place, "text") is ExitCode.OK
    assert f"damaged: {told}" in capsys.readouterr().out
    assert repair(place) is ExitCode.OK
    (kept,) = state_of(place).parent.glob(f"{STATE}.damaged-*")
    assert kept.read_bytes() == raw
    store = Store(state_of(place))
    table = damage[0]
    expected = [replace(one, address=None) if one.id == 2 and table == "people" else one for one in people]
    assert store.people(0, 9) == expected
    assert list(store.transactions()) == [row for row in transactions if table != "ledger" or row.person != 2]
    assert store.done("accounts", 0, 9) == {number for number in range(6) if table != "people" or number != 2}
    assert store.done("gift", 0, 9) == set(range(5)) - (
        {2} if table == "people" else {4} if told.endswith("4") else set()
    )
    assert store.meta()["nonces"] == "7", "what the signer has sent is looked up from the first transaction on"
    store.close()


def test_a_transaction_that_is_gone_is_looked_up_from_the_first_nonce_on(tmp_path: Path) -> None:
    place = ran(tmp_path)
    alter(state_of(place), "ledger", "id = 1", "gas", 8)
    repair(place)
    store = Store(state_of(place))
    assert store.meta()["nonces"] == "0"
    store.close()


def test_what_no_service_can_prove_is_named_and_left_out(tmp_path: Path) -> None:
    """The custodial engine does not tell for whom it made an account; only the record of the request does."""
    place = ran(tmp_path, "cic_eth")
    alter(state_of(place), "requests", "person = 3", "detail", "x")
    alter(state_of(place), "people", "id = 3", "phone", "+254700000000")
    with pytest.raises(ReconcileError, match=r"people \(3, 6, 7\) may have been asked for") as told:
        repair(place)
    assert told.value.exit_code == ExitCode.RECONCILE
    store = Store(state_of(place))
    assert store.population() == 6
    assert sorted(store.requests(range(9))) == [0, 1, 2, 4, 5]
    store.close()


def test_a_phone_pointer_proves_whose_account_it_is(tmp_path: Path) -> None:
    place = ran(tmp_path, "cic_ussd")
    alter(state_of(place), "requests", "person = 3", "detail", "x")
    alter(state_of(place), "people", "id = 3", "phone", "+254700000000")
    assert repair(place) is ExitCode.OK
    store = Store(state_of(place))
    assert [row.status for row in store.requests([3])[3]] == ["asked"], "so its pointer is not taken for another run's"
    store.close()


def test_people_of_another_scenario_are_not_mixed_in(tmp_path: Path) -> None:
    place = ran(tmp_path)
    alter(state_of(place), "people", "id = 2", "gift", 10**6)
    alter(state_of(place), "meta", "key = 'scenario'", "value", "{}")
    raw = state_of(place).read_bytes()
    place.path.write_text(place.path.read_text().replace("seed: 3", "seed: 4"))
    with pytest.raises(StateRefusedError, match="is not person 0 of"):
        repair(place)
    assert state_of(place).read_bytes() == raw
    assert [path.name for path in state_of(place).parent.iterdir() if path.name != "lock"] == [STATE]


def test_a_state_whose_scenario_is_lost_wants_it_named(tmp_path: Path) -> None:
    place = ran(tmp_path)
    assert place.directory
    alter(state_of(place), "meta", "key = 'scenario'", "value", "{}")
    with pytest.raises(InvalidError, match="does not tell its scenario") as told:
        repair(StatePlace(place.directory, ()))
    assert told.value.hint
    assert f"state repair SCENARIO --dir {place.directory}" in told.value.hint


def test_a_repair_that_was_killed_between_its_renames_is_done_again(tmp_path: Path) -> None:
    place = ran(tmp_path)
    alter(state_of(place), "people", "id = 2", "gift", 10**6)
    state_of(place).rename(state_of(place).with_name(f"{STATE}.damaged-20260101T000000000000"))
    assert repair(place) is ExitCode.OK
    assert verify(place, services=False) is ExitCode.OK


def test_what_uses_up_a_nonce_is_kept_whatever_its_nonce(tmp_path: Path) -> None:
    """Such a transaction has its nonce in the place of a person, and a signer may have sent thousands before this run."""
    place = ran(tmp_path)
    store = Store(state_of(place))
    store.add_transactions([
        replace(paid(0), purpose=PURPOSE, person=nonce, nonce=nonce, hash=nonce.to_bytes(32, "big"), status="signed", block=None)
        for nonce in (5, 5000)
    ])  # fmt: skip
    store.close()
    alter(state_of(place), "people", "id = 2", "gift", 10**6)
    assert repair(place) is ExitCode.OK
    store = Store(state_of(place))
    assert [row.nonce for row in store.transactions() if row.purpose == PURPOSE] == [5, 5000]
    assert store.population() == 6, "nobody is made for a nonce"
    store.close()


def test_a_request_proves_whose_account_it_is(tmp_path: Path) -> None:
    """Unless there are two, since either may be the one that was paid."""
    place = ran(tmp_path, "cic_eth")
    account = {number: b"a" * 19 + bytes([number]) for number in (2, 3)}
    store = Store(state_of(place))
    store.answer_requests([RequestRow(f"request {n}", n, "", "created", one) for n, one in account.items()])
    store.add_requests([RequestRow("another", 3, "")])
    store.answer_requests([RequestRow("another", 3, "", "created", b"b" * 20)])
    store.close()
    for number in account:
        alter(state_of(place), "people", f"id = {number}", "gift", 10**6)
    assert repair(place) is ExitCode.OK
    store = Store(state_of(place))
    assert [person.address for person in store.people(2, 4)] == [account[2], None]
    assert store.done("accounts", 2, 4) == set(), "the step looks again"
    store.close()


@pytest.mark.parametrize("number", range(1, 7))
def test_a_repair_that_is_killed_among_its_renames_loses_no_row_of_the_log(tmp_path: Path, number: int) -> None:
    """The log of a state that was not closed has rows of its own. The repair ends at the n-th change of a name, for every n."""
    place = ran(tmp_path)
    path = state_of(place)
    with closing(sqlite3.connect(path)) as held:
        held.execute("SELECT 1 FROM meta").fetchone()
        store = Store(path)
        store.add_transactions([replace(paid(5), status="signed", block=None)])
        store.close()
        alter(path, "people", "id = 2", "gift", 10**6)
        kept = {part: part.read_bytes() for part in path.parent.glob(f"{STATE}*")}
    for part, data in kept.items():
        part.write_bytes(data)
    assert len(kept) == 3
    passed: list[str] = []

    def end(name: str, side: str) -> None:
        passed.append(side)
        if name in ("state.set_aside", "state.in_place") and side == "after" and passed.count("renamed") < number:
            passed.append("renamed")
            if passed.count("renamed") == number:
                raise ZeroDivisionError

    observe(end)
    try:
        with suppress(ZeroDivisionError):
            repair(place)
    finally:
        observe(None)
    assert repair(place) is ExitCode.OK
    assert {one.name for one in path.parent.iterdir() if ".damaged-" not in one.name} == {STATE, "lock"}
    store = Store(path)
    assert [row.nonce for row in store.transactions()] == [paid(n).nonce for n in range(6)]
    store.close()


def test_contradictions_between_sound_rows_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ran(tmp_path)
    store = Store(state_of(place))
    store.commit("gift", [Outcome(77, ok=True)])
    store.reopen([paid(1).hash])
    store.commit("gift", [Outcome(1, ok=True)])
    store.add_transactions([replace(paid(5), raw=b"other bytes")])
    store.close()
    with pytest.raises(ChecksFailedError, match="3 contradictions"):
        verify(place, services=False)
    said = capsys.readouterr().out
    assert "person 77 is not among the people" in said
    assert "gift of person 1 is done, and its transaction is broadcast" in said
    assert "has other bytes than its hash says" in said


def test_a_full_disk_during_a_repair_leaves_the_damaged_state(tmp_path: Path) -> None:
    place = ran(tmp_path)
    alter(state_of(place), "people", "id = 2", "gift", 10**6)
    raw = state_of(place).read_bytes()
    with failing_disk() as disk:
        for number in range(1, 1000, 5):
            disk.fail(number, code=FULL, torn=True)
            try:
                repair(place)
            except UnavailableError:
                assert state_of(place).read_bytes() == raw
                assert [path.name for path in state_of(place).parent.iterdir() if path.name != "lock"] == [STATE]
            else:
                break
    assert number > 10
    assert len(content(place)[1]) == 6  # type: ignore[arg-type]


# --- other things in the place of a state -------------------------------------------------------------------------


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(("spoil", "said"), [(folder, "a folder is in the place"), (emptied, "state repair")])
def test_what_is_no_state_is_refused_by_name(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    place = ran(tmp_path)
    spoil(state_of(place))
    with pytest.raises((StateRefusedError, UnavailableError)) as refused:
        Store(state_of(place))
    assert said in (refused.value.hint or "")
    assert str(state_of(place)) in refused.value.message


def test_an_empty_file_is_repaired_as_far_as_the_scenario_goes(tmp_path: Path) -> None:
    """Its identity would be asked of the services; without them nothing is changed."""
    place = ran(tmp_path)
    emptied(state_of(place))
    nowhere = tmp_path / "nowhere.yaml"
    with pytest.raises(InvalidError):
        repair(replace(place, env=str(nowhere)))
    assert state_of(place).read_bytes() == b""


def test_a_shared_memory_file_that_was_left_does_no_harm(tmp_path: Path) -> None:
    place = ran(tmp_path)
    before = content(place)
    state_of(place).with_name(f"{STATE}-shm").write_bytes(b"\xff" * 32768)
    assert content(place) == before


def test_a_state_that_lost_its_log_is_an_earlier_one(tmp_path: Path) -> None:
    """SQLite cannot notice it. The ledger does: the chain has transactions that it does not know."""
    place = ran(tmp_path)
    store = Store(state_of(place))
    store.add_transactions([replace(paid(5), status="signed", block=None)])
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(state_of(place), alone / STATE)
    store.close()
    earlier = Store(alone / STATE)
    assert earlier.last_nonce(PAYER) == 11
    earlier.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_shown_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ran(tmp_path)
    state_of(place).chmod(0o400)
    state_of(place).parent.chmod(0o500)
    try:
        with pytest.raises(UnavailableError) as told:
            Store(state_of(place))
        assert "chmod u+w" in (told.value.hint or "")
        assert show(place, "text") is ExitCode.OK
        assert verify(place, services=False) is ExitCode.OK
    finally:
        state_of(place).parent.chmod(0o700)
