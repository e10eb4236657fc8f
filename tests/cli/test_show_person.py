"""``cicscenario show SCENARIO PERSON``: one person, found by whatever names them, with everything that the state has."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rlp

from cicscenario.api.runplace import RunPlace
from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import TRANSFER
from cicscenario.cli.person import person
from cicscenario.cli.rungroup import show
from cicscenario.engine.who import who
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.people.person import checksum
from cicscenario.people.vcard import Contact, encode
from cicscenario.state import writes
from cicscenario.state.rows import LedgerRow, RequestRow
from tests.support.commands import cicscenario
from tests.support.failing_states import FailingRun, failing_run

TOKEN, SIGNER = b"\x70" * 20, b"\x51" * 20
HASH = bytes(range(32))
WHY = "the custodial engine made 0x" + "ab" * 20 + ", but its report is lost"
POINTER = "c0ffee" * 10 + "0000"


def sent(number: int, digest: bytes, units: int, status: str) -> LedgerRow:
    data = pack(TRANSFER, b"\x01" * 20, units)
    raw = rlp.encode([number, 1, 100_000, TOKEN, 0, data, 27, 1, 1])
    return LedgerRow("gift", 4, SIGNER, number, digest, raw, 100_000, status)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FailingRun]:
    """Person 2 has no account; person 4 has a gift and a request, and does not pass a check."""
    made = failing_run(tmp_path_factory.mktemp("people"), size=8)
    made.make(without_account={2: WHY})
    for check in made.plan.checks:
        made.fail_check(check.name, {4: f"no entry at {POINTER}"} if check.name == "metadata" else {})
    made.store.set_meta({"token": "0x" + TOKEN.hex(), "decimals": "6", "symbol": "SHILLING"})
    made.store.add_transactions([sent(7, HASH, 41_500_000, "signed")])
    made.store.settle([(HASH, "failed", 12, "reverted")])
    made.store.add_transactions([sent(8, HASH[::-1], 41_000_000, "signed")])
    made.store.settle([(HASH[::-1], "mined", 13, None)])
    made.store.add_requests([RequestRow("5e9d-task", 4, "calls-4")])
    made.store.answer_requests([RequestRow("5e9d-task", 4, "calls-4", "created", b"\xcc" * 20)])
    card = encode(Contact("Ána-Mária", "Çelik \x1b[2J", None, "+254711000001"))
    with made.store._write(writes.OUTCOMES) as db:
        db.execute("UPDATE people SET document = ? WHERE id = 4", (json.dumps({"vcard": card}),))
    yield made
    made.store.close()


def shown(run: FailingRun, text: str, capsys: pytest.CaptureFixture[str], fmt: str = "text") -> str:
    place = RunPlace(run.path, directory=run.directory)
    assert person(place, text, offline=True, fmt=fmt) is ExitCode.OK
    return capsys.readouterr().out


def test_what_the_state_has_is_there_before_any_service_is_asked(run, capsys, monkeypatch) -> None:
    before: list[str] = []
    monkeypatch.setattr("cicscenario.cli.person._ask", lambda *_: before.append(capsys.readouterr().out) or [])
    person(RunPlace(run.path, directory=run.directory), "4", offline=False, fmt="text")
    assert "transactions of the run:" in before[0]


def document(run: FailingRun, text: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shown(run, text, capsys, "json"))
    return found


def spellings(run: FailingRun) -> list[str]:
    """What means person 4."""
    phone = run.store.people(4, 5)[0].phone
    national = "0" + phone.removeprefix("+254")
    old = run.store.people(4, 5)[0].old_address
    account = run.address(4)
    return [
        "4", phone, phone.removeprefix("+"), "00" + phone.removeprefix("+"), national,
        f"{national[:4]} {national[4:7]}-{national[7:]}", f"+254 (0) {phone[4:]}", f"tel:{phone}",
        account.hex(), checksum(account), "0X" + account.hex().upper(), checksum(old), "0x" + "cc" * 20,
        "0x" + HASH.hex(), HASH[::-1].hex(), "5e9d-task", POINTER, POINTER.upper(),
        "ana", "ÁNA-MÁRIA", "celik ana", " Çelik ",
    ]  # fmt: skip


def test_a_person_is_found_by_whatever_names_them(run: FailingRun) -> None:
    names = [check.name for check in run.plan.checks]
    found = {text: who(run.store, text, "KE", names) for text in spellings(run)}
    assert found == {text: [4] for text in spellings(run)}


@pytest.mark.parametrize(
    "text", ["8", "-1", "+254700000000", "0x" + "dd" * 20, "ee" * 32, "nobody at all", "", " ", "4.0"]
)
def test_who_is_nobody_is_said(run: FailingRun, text: str) -> None:
    assert who(run.store, text, "KE") == []
    with pytest.raises(InvalidError, match="nobody in the 8 people"):
        person(RunPlace(run.path, directory=run.directory), text, offline=True, fmt="text")


def test_an_account_that_belongs_to_nobody_leads_to_whom_it_was_made_for(run: FailingRun) -> None:
    assert who(run.store, "0x" + "ab" * 20, "KE") == [2]


def test_several_are_listed_and_none_is_chosen(run: FailingRun, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(run, "a", capsys)
    found = document(run, "a", capsys)
    people = {one.id: one for one in run.store.all_people()}
    meant = [number for number, one in people.items() if "a" in one.name.lower() or number == 4]
    assert [one["index"] for one in found["matches"]] == meant
    assert found["number"] == len(meant)
    assert text.startswith(f"{len(meant)} people are meant")
    assert all(people[number].phone in text for number in meant)


def test_everything_that_the_state_has_is_shown(run: FailingRun, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(run, "4", capsys)
    one = run.store.people(4, 5)[0]
    assert (found["index"], found["phone"], found["account"]) == (4, one.phone, checksum(run.address(4)))
    assert [step["name"] for step in found["steps"]] == [step.name for step in run.plan.steps]
    assert {step["result"] for step in found["steps"]} == {"done"}
    checks = {check["name"]: check for check in found["checks"]}
    assert list(checks) == [check.name for check in run.plan.checks]
    assert checks["metadata"]["result"] == "not passed"
    assert checks["metadata"]["detail"] == f"no entry at {POINTER}"
    assert {check["result"] for name, check in checks.items() if name != "metadata"} == {"passed"}
    for end in (*found["steps"], *found["checks"]):
        assert end["at"].startswith("20"), "each has its time"
        assert end["at"].endswith("Z")
    first, second = found["transactions"]
    assert (first["nonce"], first["hash"], first["status"], first["block"]) == (7, "0x" + HASH.hex(), "failed", 12)
    assert (first["tokens"], first["base_units"], first["detail"]) == ("41.5", 41_500_000, "reverted")
    assert (second["status"], second["block"], second["tokens"]) == ("mined", 13, "41")
    (asked,) = found["requests"]
    assert asked == {
        "id": "5e9d-task", "status": "created", "channel": "calls-4", "account": checksum(b"\xcc" * 20), "detail": None,
    }  # fmt: skip
    assert "services" not in found, "none was asked"


def test_who_has_no_account_is_pending_and_was_not_asked_about(
    run: FailingRun, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(run, "2", capsys)
    results = {step["name"]: step["result"] for step in found["steps"]}
    assert results.pop("population") == "done"
    assert results.pop("accounts") == "failed"
    assert set(results.values()) == {"pending"}
    assert {step["at"] for step in found["steps"] if step["result"] == "pending"} == {None}
    assert {check["result"] for check in found["checks"]} == {"not made"}
    assert found["account"] is None


def test_the_text_says_the_same_and_moves_no_cursor(run: FailingRun, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(run, "4", capsys)
    assert "\x1b" not in text
    assert "person 4 of 8" in text
    assert "gift: nonce 7, failed in block 12, 41.5 SHILLING, 41500000 base units" in text
    assert f"no entry at {POINTER}" in text
    assert "5e9d-task: created" in text
    assert "in the services now" not in text


def test_a_check_of_which_only_the_first_are_known_is_not_said_to_be_passed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A state that was converted from an earlier format."""
    made = failing_run(tmp_path, size=30)
    made.make(without_account={})
    made.fail_check("balance", dict.fromkeys(range(25), "too little"))
    with made.store._write(writes.CHECKS) as db:
        db.execute("DELETE FROM findings")
    results = {}
    for number in (3, 27):
        checks = {one["name"]: one for one in document(made, str(number), capsys)["checks"]}
        results[number] = (checks["balance"]["result"], checks["gas"]["result"])
    made.store.close()
    assert results == {3: ("not passed", "not made yet"), 27: ("not known", "not made yet")}


def test_the_command_asks_for_what_it_needs(run: FailingRun, tmp_path: Path) -> None:
    done = cicscenario(tmp_path, "show", str(run.path), "2", "--offline", "--dir", str(run.directory))
    assert done.returncode == 0, done.stderr
    assert "accounts" in done.stdout
    with pytest.raises(InvalidError, match="PERSON and --pins are two questions"):
        show(run.path, "2", pins=True)
