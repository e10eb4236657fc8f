"""What went wrong is told by problem, root causes first; everybody who failed anything is in ``failing.csv``."""

import csv
import json
import stat
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.engine.causes import Causes, Grouping
from cicscenario.engine.failing import FAILING, HEAD, problems_of, write_failing
from cicscenario.engine.problems import Problem
from cicscenario.people.vcard import Contact, encode
from cicscenario.state import writes
from cicscenario.state.rows import CheckRow, Failure, Made, Outcome
from tests.support.failing_states import FailingRun, failing_run
from tests.support.states import person

LOST = "no callback from the custodial engine within 120 s (task 5e9d8f0a-1111-4222-8333-{:012d})"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[FailingRun]:
    made = failing_run(tmp_path)
    yield made
    made.store.close()


def rows_of(run: FailingRun) -> list[dict[str, str]]:
    with (run.directory / FAILING).open(newline="") as file:
        return list(csv.DictReader(file))


def everything_follows(run: FailingRun, lacking: int = 21) -> None:
    """Some have no account; every check has them, and is not made for them."""
    run.make(without_account={n: LOST.format(n) for n in range(lacking)})
    for check in run.plan.checks:
        run.fail_check(check.name, {})


def test_people_without_an_account_are_one_problem_with_all_that_follows(run: FailingRun) -> None:
    everything_follows(run)
    found = problems_of(run.plan, run.store)
    assert found.people == 21
    (problem,) = found.problems
    number = len(run.plan.checks)
    assert problem.sentence == (
        "21 people have no account: no callback from the custodial engine within 120 s (task …);"
        f" {number} checks were not made for them"
    )
    assert set(problem.unmade) == {check.name for check in run.plan.checks}
    people = run.store.people(0, 5)
    assert [(one.person, one.name) for one in problem.first] == [(p.id, p.name) for p in people]
    assert problem.first[3].reason == LOST.format(3)
    assert problem.more == 16


def test_a_check_that_fails_since_its_step_failed_is_no_problem_of_its_own(run: FailingRun) -> None:
    run.make(without_account={})
    run.fail_step("pins", {4: "the account table has no phone number +254711000004", 9: "the disk is full"})
    run.fail_check("pins", {4: "has no PIN", 9: "has no PIN", 12: "has no PIN"})
    run.fail_check("ussd", {4: "is shown PIN_ENTRY", 20: "is shown PIN_ENTRY"})
    run.fail_check("balance", {4: "GFT balance is 0 base units, expected 7000000"})
    told = [(p.what, p.name, p.people, p.failing) for p in problems_of(run.plan, run.store).problems]
    assert told == [
        ("step", "pins", 1, ("ussd", "pins")),
        ("step", "pins", 1, ("pins",)),
        ("check", "balance", 1, ()),
        ("check", "ussd", 1, ()),
        ("check", "pins", 1, ()),
    ]


def test_a_check_that_looks_at_more_than_another_follows_from_it(run: FailingRun) -> None:
    """The screen of the phone interface depends on the PIN; the faucet's tokens are a part of the balance."""
    run.make(without_account={})
    run.fail_check("ussd", dict.fromkeys((2, 3, 4), "is shown pin_entry"))
    run.fail_check("pins", {3: "has no PIN", 4: "the table has no +254711000004"})
    run.fail_check("ussd_data", {4: "the table has no +254711000004"})
    run.fail_check("balance", {5: "too little"})
    run.fail_check("faucet", {5: "has not used the faucet"})
    told = {(p.name, p.people, p.failing, p.first[0].person) for p in problems_of(run.plan, run.store).problems}
    assert told == {
        ("faucet", 1, ("balance",), 5),
        ("ussd", 1, (), 2),
        ("pins", 1, ("ussd",), 3),
        ("pins", 1, ("ussd", "ussd_data"), 4),
    }


@pytest.mark.parametrize("made", [Made.NOT_ASKED, Made.YES])
def test_not_asked_is_no_failure_and_follows_from_nothing(run: FailingRun, made: Made) -> None:
    run.make(without_account={})
    run.fail_step("ussd_data", {2: "no row"})
    run.fail_check("ussd", {2: "was not dialled"}, made)
    problems = problems_of(run.plan, run.store).problems
    if made is Made.YES:
        assert [one.failing for one in problems] == [("ussd",)]
    else:
        assert [one.sentence for one in problems][1] == "the check ussd could not ask about 1 person: was not dialled"


def test_people_who_were_not_done_yet_are_told_as_such(run: FailingRun) -> None:
    size = run.plan.size
    people = [run.plan.population.person(n) for n in range(size)]
    run.store.commit("population", [Outcome(n, ok=True) for n in range(size)], people=people)
    for check in run.plan.checks[:3]:
        run.fail_check(check.name, {})
    (problem,) = problems_of(run.plan, run.store).problems
    assert problem.sentence == "30 people could not be checked: has no account yet; 3 checks were not made for them"


def test_what_differs_from_person_to_person_is_left_open_and_what_does_not_is_said(run: FailingRun) -> None:
    run.make(without_account={})
    run.fail_check(
        "balance",
        {n: f"GFT balance is {100 + n} base units, expected 7000000" for n in range(6)}
        | {7: "not known: 'no' answer of 0x" + "ab" * 20, 8: "not known: 'yes' answer of 0x" + "cd" * 20},
    )
    reasons = {(p.reason, p.people) for p in problems_of(run.plan, run.store).problems}
    assert reasons == {
        ("GFT balance is … base units, expected 7000000", 6),
        ("not known: … answer of …", 2),
    }


def test_the_number_of_problems_does_not_grow_with_the_number_of_reasons(run: FailingRun) -> None:
    grouping = Grouping(Causes(run.plan))
    words = ["".join(chr(ord("a") + int(digit)) for digit in f"{n:05d}") for n in range(3000)]
    for number, word in enumerate(words):
        grouping.add([Failure(number, "check", "balance", f"it says {word}")])
    found = grouping.result({}, {})
    assert found.people == 3000
    assert len(found.problems) == 101
    assert found.problems[0].reason == "other reasons"
    assert found.problems[0].people == 2900


def test_a_problem_is_the_same_after_it_was_written_down(run: FailingRun) -> None:
    everything_follows(run)
    for problem in problems_of(run.plan, run.store).problems:
        assert Problem.of(json.loads(json.dumps(problem.document()))) == problem


# --- failing.csv ----------------------------------------------------------------------------------------------------


def test_everybody_who_failed_is_in_the_file_and_nobody_else(run: FailingRun) -> None:
    everything_follows(run)
    run.fail_check("balance", {25: "GFT balance is 1 base units, expected 2"})
    assert write_failing(run.plan, run.store, run.directory) == 22
    rows = rows_of(run)
    assert tuple(rows[0]) == HEAD
    assert [row["index"] for row in rows] == [*map(str, range(21)), "25"]
    one = run.store.people(25, 26)[0]
    assert rows[-1] == dict(
        zip(
            HEAD,
            ["25", one.name, one.phone, "0x" + run.address(25).hex(), "check balance",
             "GFT balance is 1 base units, expected 2"],
            strict=True,
        )
    )  # fmt: skip
    assert rows[3]["step or check"] == "step accounts"
    assert rows[3]["address"] == ""
    assert stat.S_IMODE((run.directory / FAILING).stat().st_mode) == 0o600


def test_each_reason_of_a_person_has_a_row(run: FailingRun) -> None:
    run.make(without_account={})
    run.fail_step("pins", {4: "the disk is full"})
    run.fail_check("pins", {4: "has no PIN"})
    run.fail_check("balance", {4: "too little"})
    assert write_failing(run.plan, run.store, run.directory) == 1
    assert [(row["index"], row["step or check"], row["reason"]) for row in rows_of(run)] == [
        ("4", "step pins", "the disk is full"),
        ("4", "check pins", "has no PIN"),
        ("4", "check balance", "too little"),
    ]


def test_the_file_is_gone_when_nobody_fails_any_more(run: FailingRun) -> None:
    run.make(without_account={})
    run.fail_check("balance", {3: "too little"})
    assert write_failing(run.plan, run.store, run.directory) == 1
    run.fail_check("balance", {})
    assert write_failing(run.plan, run.store, run.directory) == 0
    assert not (run.directory / FAILING).exists()
    assert write_failing(run.plan, run.store, run.directory) == 0


def test_no_cell_is_a_formula_or_moves_the_cursor(run: FailingRun) -> None:
    run.make(without_account={})
    card = encode(Contact("=HYPERLINK(0)", "\x1b[2J", None, "+254711000001"))
    with run.store._write(writes.OUTCOMES) as db:
        db.execute("UPDATE people SET document = ? WHERE id = 3", (json.dumps({"vcard": card}),))
    run.fail_check("balance", {3: "@SUM(A1)\x1b]0;\x07\nand more"})
    write_failing(run.plan, run.store, run.directory)
    text = (run.directory / FAILING).read_text()
    assert "\x1b" not in text
    assert len(text.splitlines()) == 2
    (row,) = rows_of(run)
    assert row["name"].startswith("'=HYPERLINK")
    assert row["reason"].startswith("'@SUM")
    assert row["phone"].startswith("+254")


def test_a_link_in_the_place_of_the_file_leads_nowhere(run: FailingRun, tmp_path: Path) -> None:
    run.make(without_account={})
    kept = tmp_path / "kept"
    kept.write_text("mine")
    (run.directory / FAILING).symlink_to(kept)
    write_failing(run.plan, run.store, run.directory)
    assert not (run.directory / FAILING).is_symlink()
    assert kept.read_text() == "mine"


def test_memory_does_not_grow_with_the_number_of_people_who_fail(tmp_path: Path) -> None:
    peaks = []
    for size in (1000, 4000):
        (folder := tmp_path / str(size)).mkdir()
        run = failing_run(folder, size)
        run.store.commit("population", [], people=[person(n) for n in range(size)])
        run.store.begin_findings("balance")
        for first in range(0, size, 250):
            reasons = {n: (f"GFT balance is {n} base units, expected 7", Made.YES) for n in range(first, first + 250)}
            run.store.add_findings("balance", first, reasons)
        run.store.record_checks([CheckRow("balance", size, size, None, [])])
        tracemalloc.start()
        assert write_failing(run.plan, run.store, run.directory) == size
        (problem,) = problems_of(run.plan, run.store).problems
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert problem.people == size
        run.store.close()
    assert peaks[1] < 1.5 * peaks[0]
