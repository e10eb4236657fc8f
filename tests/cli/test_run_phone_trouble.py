"""``cicscenario run`` by phone, in a world in which something went wrong: nobody gets two accounts, and nobody is left behind."""

import csv
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.people.pins import verify
from cicscenario.sandbox.daemon import Daemon
from tests.support.phone_world import ALL_CHECKS, SCENARIO, PhoneWorld
from tests.support.waiting import eventually

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[list[PhoneWorld]]:
    """Worlds that a test makes for itself, ended with it."""
    made: list[PhoneWorld] = []
    yield made
    for one in made:
        one.close()


def test_while_the_engine_is_paused_nobody_chooses_a_language_again(tmp_path: Path, worlds: list[PhoneWorld]) -> None:
    """The pause is longer than the wait after which the choices are looked into, and shorter than the patience."""
    worlds.append(world := PhoneWorld(tmp_path / "home"))
    process = world.start("run", str(world.scenario(name="paused", size=12)))
    eventually(lambda: world.sql("SELECT count(*) FROM task_tracker") > [(2,)], "waited for the first choices", 120)
    engine = Daemon("custodial", world.home / "sandbox").pid()
    assert engine
    group = _with_children(engine)
    for pid in group:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(25)
    for pid in group:
        os.kill(pid, signal.SIGCONT)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert world.sql("SELECT count(*) FROM task_tracker") == [(12,)], "nobody has chosen twice"
    assert world.report("paused")["orphans"] == 0


def _with_children(pid: int) -> list[int]:
    children = [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(one for child in children for one in _with_children(child))]


def test_what_the_tasker_has_lost_is_written_in_the_same_run(tmp_path: Path, worlds: list[PhoneWorld]) -> None:
    worlds.append(world := PhoneWorld(tmp_path / "home", faults=["ussd.lost-metadata=0.3"]))
    scenario = world.scenario(SCENARIO.replace("patience: 40", "patience: 20"), name="lost", size=12)
    done = world.command("run", str(scenario))
    assert done.returncode == 0, done.stdout + done.stderr
    assert {check["name"]: check["errors"] for check in world.report("lost")["checks"]} == dict.fromkeys(ALL_CHECKS, 0)
    assert world.sql("SELECT count(*) FROM task_tracker") == [(12,)], "nobody has chosen twice"
    assert world.report("lost")["orphans"] == 0
    assert "belong to no person" not in done.stdout


def test_accounts_of_which_the_interface_never_heard_are_exact_orphans(
    tmp_path: Path, worlds: list[PhoneWorld]
) -> None:
    """Their reports are lost, every time: nobody chooses more than twice in a run, and what was made is counted."""
    worlds.append(world := PhoneWorld(tmp_path / "home", faults=["ussd.no-callback=0.3"]))
    scenario = world.scenario(SCENARIO.replace("patience: 40", "patience: 12"), name="unheard", size=8)
    done = world.command("run", str(scenario), "--until", "accounts")
    assert done.returncode == 3, done.stdout
    failed = world.report("unheard")["steps"][1]["failed"]
    assert failed > 0
    assert world.sql("SELECT count(*) FROM task_tracker") == [(8 + failed,)]
    assert "cic-ussd's tasker has lost its report" in done.stderr


def test_a_wrong_dialect_is_told_by_plan_and_refused_by_run(tmp_path: Path, worlds: list[PhoneWorld]) -> None:
    worlds.append(world := PhoneWorld(tmp_path / "home", dialect="2021"))
    scenario = str(world.scenario(name="current", size=3))
    planned = world.command("plan", scenario, "--env", str(world.environment))
    assert planned.returncode == 3, planned.stdout
    assert "cic-ussd of 2021" in planned.stdout
    assert "has no column `guardians`" in planned.stdout
    assert "reads fernet only" in planned.stdout
    done = world.command("run", scenario, "--env", str(world.environment))
    assert done.returncode == 3
    assert "nothing was changed" in done.stderr
    assert 'set `dialect: "2021"`' in done.stderr
    assert world.sql("SELECT count(*) FROM account") == [(0,)]
    assert world.sql("SELECT count(*) FROM task_tracker") == [(0,)]
    assert world.people("current") == []


def test_people_without_sessions_are_told_before_and_explained_by_the_check(
    tmp_path: Path, worlds: list[PhoneWorld]
) -> None:
    worlds.append(world := PhoneWorld(tmp_path / "home"))
    earlier = world.scenario(name="earlier", size=4)
    assert world.command("run", str(earlier)).returncode == 0
    silent = [person.phone for person in world.people("earlier")][:2]
    world.sql("DELETE FROM ussd_session WHERE msisdn = ANY(%s)", silent)
    path = world.home / "held.yaml"
    path.write_text(
        f"version: 1\nname: held\npopulation: {{from: {world.home / 'runs' / 'earlier'}}}\nbackend: existing\n"
        "pins: {cost: 4}\nussd_data: true\nenvironment: sandbox\n"
    )
    warning = f"2 ({silent[0]}, {silent[1]}) of 4 people have no row in table `ussd_session`"
    planned = world.command("plan", str(path))
    assert planned.returncode == 0
    assert f"WARNING sessions: needs an earlier dial of each person; has {warning}" in planned.stdout
    done = world.command("run", str(path))
    assert done.returncode == 1
    assert warning in done.stdout
    (check,) = [check for check in world.report("held")["checks"] if check["name"] == "ussd"]
    assert check["errors"] == 2
    assert "there is no row of" in check["failing"][0]["problem"]

    shown = world.command("show", str(path), "--pins")
    assert shown.returncode == 0
    for phone, _, pin in list(csv.reader(shown.stdout.splitlines()))[1:]:
        ((held,),) = world.sql("SELECT password_hash FROM account WHERE phone_number = %s", phone)
        assert verify(held, pin)
