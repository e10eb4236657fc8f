"""The pace of the sandbox: figures in one table, waits that are counted, and one pace for all services that are up."""

import json
import re
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import celery
import pytest

from cicscenario.api import snapshots
from cicscenario.errors import InvalidError, StateRefusedError
from cicscenario.sandbox import seen, stack
from cicscenario.sandbox.custodial import names, taskworker
from cicscenario.sandbox.custodial.worker import EngineTask
from cicscenario.sandbox.pace import FAST, FIGURES, PACES, REAL, Work, WorkPace
from cicscenario.sandbox.pacing import paced, settle
from cicscenario.sandbox.record import RECORD, Record, read_record, write_record
from cicscenario.sandbox.services import SERVICES
from cicscenario.sandbox.services.base import Site
from cicscenario.sandbox.stack import sandbox
from cicscenario.sandbox.ussd.conversation import UssdRequest
from cicscenario.sandbox.ussd.menus import CURRENT, Menus
from cicscenario.sandbox.ussd.metadata import MetadataWriter, QueuedEntry
from cicscenario.sandbox.ussd.web import UssdApplication
from tests.support.handclock import HandClock

PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"


class Sleeper:
    """A clock that stands still but for waits, which are counted. Two waits at once fail the test that asks for ``alone``."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.waits: list[float] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        self._pause = threading.Event()

    def __call__(self, seconds: float) -> None:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self._pause.wait(0.01)  # others have the time to come in between
        with self._lock:
            self.waits.append(round(seconds, 6))
            self.clock.now += seconds
            self.at_once -= 1

    def pace(self, name: str = REAL) -> WorkPace:
        return WorkPace(name, clock=self.clock, sleep=self)


def test_the_figures_are_of_every_kind_of_work_and_of_services_that_have_a_pace() -> None:
    assert FIGURES.keys() == set(Work)
    assert {work.partition(".")[0] for work in Work} == set(paced(SERVICES)) == {"custodial", "meta", "ussd"}
    assert all(figure.seconds > 0 and figure.source for figure in FIGURES.values())


def test_the_page_has_the_figures_of_the_code() -> None:
    rows = re.findall(r"^\| `([a-z]+\.[a-z]+)` \| ([^|]+) \| ([0-9.]+) (ms|s) \| ([0-9]+) \|", PAGE.read_text(), re.M)
    told = {
        name: (work, float(number) / (1000 if unit == "ms" else 1), int(most))
        for name, work, number, unit, most in rows
    }
    assert {name: (work, pytest.approx(seconds), most) for name, (work, seconds, most) in told.items()} == {
        work.value: (figure.work, figure.seconds, figure.at_once) for work, figure in FIGURES.items()
    }


@pytest.mark.parametrize("work", Work)
def test_work_takes_its_time_and_what_it_took_by_itself_counts(work: Work) -> None:
    sleeper = Sleeper()
    with sleeper.pace().taking(work):
        sleeper.clock.now += FIGURES[work].seconds / 4
    assert sleeper.clock.now == pytest.approx(100 + FIGURES[work].seconds)
    with sleeper.pace().taking(work):
        sleeper.clock.now += 60
    assert len(sleeper.waits) == 1, "what took longer does not wait"


def test_work_that_fails_takes_its_time_too() -> None:
    sleeper = Sleeper()
    with pytest.raises(ValueError, match="wrong"), sleeper.pace().taking(Work.POST):
        raise ValueError("wrong")
    assert sleeper.waits == [FIGURES[Work.POST].seconds]


def test_at_the_fast_pace_nothing_waits() -> None:
    sleeper = Sleeper()
    for work in Work:
        sleeper.pace(FAST).wait(work)
        with WorkPace(clock=sleeper.clock, sleep=sleeper).taking(work):
            pass
    assert sleeper.waits == []
    assert sleeper.pace().left(None, 0) == 0, "nor does work that has no figure"


def application(pace: WorkPace) -> UssdApplication:
    return UssdApplication(CURRENT, Menus(CURRENT, "sw"), lambda call: f"END {call.phone}", 0, pace)


def dial(front: UssdApplication, phone: str) -> Any:
    form = f"sessionId=s{phone}&serviceCode=%2A483%2A46%23&phoneNumber=%2B{phone}&text="
    return front.reply("POST", "/", "application/x-www-form-urlencoded", form.encode())


def test_two_phones_at_once_wait_for_each_other() -> None:
    sleeper = Sleeper()
    front = application(sleeper.pace())
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda phone: dial(front, phone), ("254711000001", "254711000002")))
    assert sleeper.clock.now == pytest.approx(100 + 2 * FIGURES[Work.POST].seconds)
    assert sleeper.most_at_once == FIGURES[Work.POST].at_once == 1
    fast = application(WorkPace())
    assert answers == [dial(fast, "254711000001"), dial(fast, "254711000002")]


def test_a_request_that_the_phone_interface_fails_for_takes_its_time() -> None:
    sleeper = Sleeper()

    def fail(call: UssdRequest) -> str:
        raise LookupError(call.phone)

    front = UssdApplication(CURRENT, Menus(CURRENT, "sw"), fail, 0, sleeper.pace())
    assert dial(front, "254711000001").status == 500
    assert sleeper.waits == [FIGURES[Work.POST].seconds]
    assert front.reply("GET", "/health-check", None, b"").body == "healthy"
    assert len(sleeper.waits) == 1, "a look whether it is up waits for nothing"


class Written:
    """Keeps what is written, with the time."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.entries: list[tuple[str, float]] = []

    def put(self, key: str, value: Any) -> None:
        self.entries.append((key, self.clock.now))

    def get(self, key: str) -> Any:
        return None


def write(pace: WorkPace, written: Written, keys: Iterable[str]) -> None:
    writer = MetadataWriter(written, threading.Event(), pace)  # type: ignore[arg-type]
    writer.handle([QueuedEntry(key, {}).dump() for key in keys], False)
    writer.close()


def test_entries_are_written_by_one_writer_in_the_order_of_the_queue() -> None:
    sleeper = Sleeper()
    written = Written(sleeper.clock)
    keys = [f"{number:02}" for number in range(12)]
    write(sleeper.pace(), written, keys)
    entry = FIGURES[Work.ENTRY].seconds
    assert written.entries == [(key, pytest.approx(100 + entry * (n + 1))) for n, key in enumerate(keys)]
    assert sleeper.most_at_once == FIGURES[Work.ENTRY].at_once == 1


class _Uncounted:
    def before_task(self) -> None: ...


class _Faultless:
    class settings:  # noqa: N801
        class faults:  # noqa: N801
            fail_task = ()


@pytest.mark.parametrize("name", ["cic_eth.eth.account.create", names.RESERVE_NONCE, names.REGISTER, names.SET_READY])
def test_a_task_begins_when_its_time_is_over(name: str) -> None:
    sleeper = Sleeper()
    app = celery.Celery("cic-eth", set_as_current=False, task_cls=EngineTask)
    app.engine_context, app.fault_counters, app.pace = _Faultless, _Uncounted(), sleeper.pace()

    def now() -> float:
        return sleeper.clock.now

    task = app.task(now, name=name)
    figure = FIGURES[Work.TRANSACTION if name in names.OF_TRANSACTIONS else Work.TASK]
    assert task() == pytest.approx(100 + figure.seconds)
    assert sleeper.waits == [figure.seconds]
    assert figure.at_once == taskworker._PROCESSES


def test_a_creation_has_as_many_tasks_of_each_kind_as_the_figures_say() -> None:
    """44.1 s for thirty people, with two tasks at a time: 13 of a transaction's, and 6 others."""
    both = 13 * FIGURES[Work.TRANSACTION].seconds + 6 * FIGURES[Work.TASK].seconds
    assert 30 * both / 2 == pytest.approx(44.1, rel=0.02)
    assert 2 / (4 * FIGURES[Work.TASK].seconds) == pytest.approx(8.7, rel=0.01)
    assert {names.REGISTER, names.CHECK_GAS, names.SET_READY} < names.OF_TRANSACTIONS
    assert names.RESERVE_NONCE not in names.OF_TRANSACTIONS


# Which pace a sandbox has


def refuse() -> None:
    raise StateRefusedError("in use")


UP = ["node", "meta", "ussd"]


@pytest.mark.parametrize(
    ("has", "asked", "running", "becomes", "again"),
    [
        (FAST, None, [], FAST, []),
        (REAL, None, [], FAST, []),
        (REAL, None, ["node", "redis"], FAST, []),  # none of them has a pace
        (REAL, None, UP, REAL, []),
        (FAST, REAL, [], REAL, []),
        (FAST, REAL, ["node"], REAL, []),
        (REAL, REAL, UP, REAL, []),
        (FAST, REAL, UP, REAL, ["meta", "ussd"]),
        (REAL, FAST, UP, FAST, ["meta", "ussd"]),
    ],
)
def test_the_pace_of_a_start(has: str, asked: str | None, running: list[str], becomes: str, again: list[str]) -> None:
    record = Record("embedded", "classic", pace=has)
    assert settle(record, asked, running, lambda: None, Path("box")) == again
    assert record.pace == becomes


@pytest.mark.parametrize(("has", "asked"), [(FAST, REAL), (REAL, FAST)])
def test_a_run_with_another_pace_is_told_what_to_do(has: str, asked: str) -> None:
    record = Record("embedded", "classic", pace=has)
    with pytest.raises(StateRefusedError, match=f"the sandbox in box is up with --pace {has}, not {asked}") as refused:
        settle(record, asked, UP, None, Path("box"))
    assert f"`cicscenario stack up --pace {asked}` starts its services again" in str(refused.value.hint)
    with pytest.raises(StateRefusedError, match="in use"):
        settle(record, asked, UP, refuse, Path("box"))
    assert record.pace == has


def test_an_unknown_pace_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="unknown pace: slow") as refused:
        stack.up(tmp_path / "home", pace="slow")
    assert refused.value.hint == f"--pace is one of: {', '.join(PACES)}"
    assert not (tmp_path / "home" / "sandbox").exists()


def test_a_record_from_before_there_were_paces_is_fast(tmp_path: Path) -> None:
    write_record(tmp_path / RECORD, Record("embedded", "classic", pace=REAL))
    document = json.loads((tmp_path / RECORD).read_text())
    del document["pace"]
    (tmp_path / RECORD).write_text(json.dumps(document))
    record = read_record(tmp_path / RECORD)
    assert record is not None
    assert record.pace == FAST


@pytest.mark.parametrize("name", SERVICES)
def test_the_command_and_the_last_column_of_status_say_it(tmp_path: Path, name: str) -> None:
    ports = {other: 10_000 + number for number, other in enumerate(SERVICES)}
    fast, real = (
        Site(tmp_path, Record("embedded", "classic", registry=f"0x{'ab' * 20}", ports=ports, pace=pace))
        for pace in PACES
    )
    service = SERVICES[name]
    more = service.command(real).command[len(service.command(fast).command) :]
    assert more == (["--pace", "real"] if service.has_pace else [])
    assert ("--pace real" in service.detail(real)) == service.has_pace
    assert "--pace" not in service.detail(fast)


def test_others_see_the_pace_of_services_that_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "sandbox" / "environment.yaml"
    place.parent.mkdir()
    running = {"node"}
    monkeypatch.setattr(seen, "pid_of", lambda folder, name: 1 if name in running else None)
    assert seen.pace_of(place) is None
    write_record(place.parent / RECORD, Record("embedded", "classic", "0xab", pace=REAL))
    assert seen.pace_of(place) is None, "no service with a pace is up"
    running.add("meta")
    assert seen.pace_of(place) == REAL
    assert seen.pace_of(place.with_name("staging.yaml")) is None
    running.clear()
    assert seen.pace_of(place) is None


@pytest.mark.slow
def test_the_pace_of_a_sandbox_that_is_up(home: Path) -> None:
    def pids() -> dict[str, int | None]:
        return {service.name: service.pid for service in stack.status(home)}

    stack.up(home, services=["node", "meta"])
    before = pids()
    with pytest.raises(StateRefusedError, match="is up with --pace fast, not real"), sandbox(home, pace=REAL):
        pass
    assert pids() == before
    with sandbox(home, user="a run"), pytest.raises(StateRefusedError, match="in use by a run"):
        stack.up(home, pace=REAL)
    assert pids() == before, "nothing was changed"
    stack.up(home, pace=REAL)
    assert {name for name, pid in pids().items() if pid != before[name]} == {"meta"}
    assert {service.name: service.detail for service in stack.status(home)}["meta"] == "--pace real"
    assert seen.variables(home)["CIC_PACE"] == REAL
    before = pids()
    with sandbox(home, services=["meta"]) as info:
        assert seen.pace_of(info.environment) == REAL, "without a word on it, it stays"
    stack.up(home, services=["meta"], pace=REAL)
    assert pids() == before
    snapshots.saved(home / "a.zst", home)
    assert {service.name: service.detail for service in stack.status(home)}["meta"] == "--pace real", "as it was before"
    stack.down(home)
    stack.up(home, services=["meta"])
    assert seen.variables(home)["CIC_PACE"] == FAST, "a start has the fast one, unless it asks for another"
