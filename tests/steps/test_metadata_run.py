"""People's metadata as a whole: what it costs, what is told, and what is kept when it is stopped or killed."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cicscenario.errors import InterruptedRunError
from cicscenario.people import pointer
from cicscenario.state.store import STATE, Store
from tests.support.metadata_run import KINDS, MetadataRun
from tests.support.stub_meta import StubMeta

SIZE = 25
SHORT: dict[str, Any] = {"pauses": (0.0, 0.01, 0.02), "looks": (0.0, 0.02), "timeout": 2}
OTHER = "d2023fee45d61c87cc5ea59dae31190fffff232e"


class SlowMeta(StubMeta):
    """Each PUT takes ``seconds``."""

    seconds = 0.0

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str] | None:
        if method == "PUT":
            time.sleep(self.seconds)
        return super().answer(method, path, headers, body)


@pytest.fixture
def server() -> Iterator[SlowMeta]:
    with SlowMeta() as server:
        yield server


def errors(run: MetadataRun, *, again: bool = True) -> dict[str, int]:
    return {row.name: row.errors for row in run.checks(again=again)}


# What it costs


def test_a_new_person_costs_nine_requests(server: SlowMeta, tmp_path: Path) -> None:
    """A write and a look for each of the four entries, and a look where the phone number led before.

    At the end one person in ten is looked up again, for a store may have lost what it had.
    """
    with MetadataRun(tmp_path, server.url, SIZE, **SHORT) as run:
        run.steps()
        rows = run.checks()
        assert run.meta.requests == {"PUT": 4 * SIZE, "GET": 5 * SIZE + 4 * ((SIZE + 9) // 10)}
        assert [(row.errors, row.read_back) for row in rows] == [(0, SIZE)] * 4


def test_a_store_that_has_lost_everything_since_is_found(server: SlowMeta, tmp_path: Path) -> None:
    with MetadataRun(tmp_path, server.url, SIZE, **SHORT) as run:
        run.steps()
        server.values.clear()
        rows = run.checks()
        assert [(row.errors, row.read_back) for row in rows] == [(SIZE, 0)] * 4


def test_a_server_that_was_away_is_asked_about_everybody_again(server: SlowMeta, tmp_path: Path) -> None:
    """It may have been started again with less than it had: here one entry is gone, which no sample shows."""
    with MetadataRun(tmp_path, server.url, SIZE, **SHORT) as run:
        run.steps()
        _, unasked, *_ = run.store.all_people()
        del server.values[pointer.person(unasked.account).hex()]
        assert not run.meta.was_away
        dropped = iter(["drop"])
        server.fault = lambda method, number: next(dropped, None)
        assert run.meta.get(bytes(32)) is None
        rows = run.checks()
        assert run.meta.was_away
        assert sum(row.errors for row in rows) == 1
        assert [row.read_back for row in rows if row.errors == 1] == [0]


def test_who_asks_again_is_answered_by_the_server(server: SlowMeta, tmp_path: Path) -> None:
    with MetadataRun(tmp_path, server.url, SIZE, **SHORT) as run:
        run.steps()
        server.values.clear()
        rows = run.checks(again=True)
        assert [(row.errors, row.read_back) for row in rows] == [(SIZE, 0)] * 4


def test_another_process_knows_nothing_of_what_was_read_back(server: SlowMeta, tmp_path: Path) -> None:
    with MetadataRun(tmp_path, server.url, SIZE, **SHORT) as run:
        run.steps()
    with MetadataRun(tmp_path, server.url, SIZE, **SHORT) as run:
        run.steps()
        assert {row.read_back for row in run.checks()} == {0}
        assert run.meta.requests == {"GET": 4 * SIZE}


def test_accounts_of_an_earlier_process_are_looked_up_first(server: SlowMeta, tmp_path: Path) -> None:
    """Somebody may have written their entries since, even an immutable one."""
    with MetadataRun(tmp_path, server.url, SIZE, **SHORT) as run:
        run.steps("population", "accounts")
    with MetadataRun(tmp_path, server.url, SIZE, **SHORT) as run:
        run.steps()
        assert run.meta.requests == {"PUT": 4 * SIZE, "GET": 8 * SIZE}


# One comparison, and what is told


@pytest.mark.parametrize("mode", ["one-step", "two-step"])
def test_step_and_check_agree_on_every_entry(server: SlowMeta, tmp_path: Path, mode: Any) -> None:
    with MetadataRun(tmp_path, server.url, 6, mode=mode, **SHORT) as run:
        run.steps("population", "accounts")
        people = run.store.people(0, 6)
        phones = [pointer.phone(person.phone).hex() for person in people]
        preferences = [pointer.preferences(person.account).hex() for person in people]
        server.values[phones[0]] = ("", people[0].account.hex().upper())
        server.values[phones[1]] = ("", f"0x{people[1].account.hex()}")
        server.values[preferences[2]] = ("", {"preferred_language": people[2].language, "more": 1})
        server.values[preferences[3]] = ("", {"preferred_language": "xx", "more": 1})
        run.steps()
        counts = run.store.counts()
        found = errors(run)
    merged = 2 if mode == "two-step" else 0
    assert {name: counts[name][1] for name in KINDS} == dict.fromkeys(KINDS, 0) | {"metadata_preferences": merged}
    assert found == dict.fromkeys(KINDS, 0) | {"metadata_preferences": merged}


def test_what_a_merge_keeps_is_mended_by_one_step_in_the_next_run(server: SlowMeta, tmp_path: Path) -> None:
    with MetadataRun(tmp_path, server.url, 3, mode="two-step", **SHORT) as run:
        run.steps("population", "accounts")
        entry = pointer.preferences(run.store.people(1, 2)[0].account).hex()
        server.values[entry] = ("", {"preferred_language": "xx", "more": 1})
        run.steps()
        (failure,) = run.store.failures("metadata_preferences", 5)
        (row,) = [row for row in run.checks(again=True) if row.errors]
        assert failure.detail == row.failing[0]["problem"]
        assert "`meta.write: one-step`" in str(failure.detail)
    with MetadataRun(tmp_path, server.url, 3, **SHORT) as run:
        run.steps()
        assert run.store.failures("metadata_preferences", 5) == []
        assert set(errors(run).values()) == {0}


def test_a_phone_pointer_that_leads_elsewhere_is_told_with_both_accounts(server: SlowMeta, tmp_path: Path) -> None:
    with MetadataRun(tmp_path, server.url, 5, **SHORT) as run:
        run.steps("population", "accounts")
        people = run.store.people(0, 5)
        for person in people[1:3]:
            server.values[pointer.phone(person.phone).hex()] = ("", OTHER.upper())
        run.steps()
        assert len(run.told) == 2
        for person in people[1:3]:
            (line,) = (line for line in run.told if person.phone in line)
            assert f"0x{OTHER}" in line
            assert f"0x{person.account.hex()}" in line
        assert "(2 replaced in this run)" in run.told[-1]
        assert set(errors(run).values()) == {0}


def test_one_unreadable_entry_is_that_persons_problem(server: SlowMeta, tmp_path: Path) -> None:
    with MetadataRun(tmp_path, server.url, 5, **SHORT) as run:
        run.steps("population", "accounts")
        bad = pointer.phone(run.store.people(3, 4)[0].phone).hex()
        answer = server.answer

        def failing(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str] | None:
            return (500, "") if path[1:] == bad else answer(method, path, headers, body)

        server.answer = failing  # type: ignore[method-assign]
        run.steps()
        assert run.store.counts()["metadata_phone"] == (4, 1)
        rows = {row.name: row for row in run.checks(again=True)}
        assert rows["metadata_phone"].errors == 1
        assert "500" in str(rows["metadata_phone"].failing[0]["problem"])
        assert sum(row.errors for row in rows.values()) == 1


# Stopped, and killed


@pytest.mark.parametrize("mode", ["one-step", "two-step"])
def test_a_stop_ends_within_about_a_second_and_keeps_what_was_done(server: SlowMeta, tmp_path: Path, mode: Any) -> None:
    server.seconds = 0.02
    with MetadataRun(tmp_path, server.url, 400, mode=mode) as run:
        stopped: list[float] = []

        def stop() -> None:
            stopped.append(time.monotonic())
            run.stopping.set()

        threading.Timer(2, stop).start()
        with pytest.raises(InterruptedRunError):
            run.steps()
        assert time.monotonic() - stopped[0] < 3
        done = sum(run.store.counts().get(kind, (0, 0))[0] for kind in KINDS)
        failed = sum(run.store.counts().get(kind, (0, 0))[1] for kind in KINDS)
    assert failed == 0
    assert 10 < done < 800
    assert len(server.values) - done <= 40, "an entry that was written, but not yet read back, for each open batch"


@pytest.mark.slow
def test_every_kill_leaves_progress(server: SlowMeta, tmp_path: Path) -> None:
    """Each process lives for less time than one batch takes."""
    server.seconds = 0.02
    before, seen = 0, []
    for _ in range(4):
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.metadata_run", tmp_path / "run", server.url, "300"], stderr=log
            )
        putting = len(server.bodies("PUT"))
        deadline = time.monotonic() + 30
        while len(server.bodies("PUT")) < putting + 60 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
        process.wait(10)
        store = Store(tmp_path / "run" / STATE)
        done = sum(store.counts().get(kind, (0, 0))[0] for kind in KINDS)
        store.close()
        seen.append(done - before)
        before = done
    assert min(seen) >= 10, (tmp_path / "log").read_text()
