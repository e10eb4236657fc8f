"""At every boundary that the package declares a process is killed, and the same command goes on from there.

What a plain run, its checks, reports and exports pass is in test_run_killed.py; here is what only happens in a certain
situation. Where no service is touched, the files are judged, else the independent checker judges the run.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cicscenario.chain.abi import pack, selector
from cicscenario.cli.failpoint import names
from cicscenario.cli.schema import FOLDER, NAMES
from cicscenario.sandbox import stack
from tests.oracle import baseline
from tests.support.engine_processes import processes
from tests.support.failing_states import failing_run
from tests.support.killed_runs import KilledRun, KillWorld, kill_world
from tests.support.reached import REACHED, of_situation
from tests.support.running_engine import RunningEngine
from tests.support.sandboxes import Sandbox, send_from
from tests.support.states import content, damage_rows, in_format
from tests.support.zygote import Command, End

GOLDEN = Path(__file__).parents[1] / "golden" / "state"
BACKENDS = ("eth", "cic_eth", "cic_ussd")
slow = pytest.mark.slow
pytestmark = pytest.mark.timeout(900)


def test_there_is_a_situation_for_every_boundary_that_is_declared() -> None:
    reached = set[str]().union(*(found for each in REACHED.values() for found in each.values()))
    assert {name for name in names() if not name.startswith("test.")} == reached


@pytest.fixture(scope="module", params=BACKENDS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillWorld]:
    with kill_world(request.param, tmp_path_factory.mktemp(request.param), size=4) as made:
        yield made


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Other people in each test."""
    return 1 + random.Random(request.node.name).randrange(2**30)


def skip_without(world: KillWorld, situation: str) -> list[str]:
    """The points of a situation that this backend can be in."""
    if world.backend not in REACHED[situation]:
        pytest.skip(f"not with {world.backend}: see tests/support/reached.py")
    return of_situation(situation, world.backend)


def arrived(run: KilledRun) -> bool:
    """Whether the run ended by itself with everybody there once; shows what is wrong."""
    assert not run.by_hand, run.by_hand
    assert not any(end.hung for end in run.ends), [end.said for end in run.ends if end.hung]
    verdict = run.verdict()
    assert verdict.lines() == []
    return True


def killed(run: KilledRun, point: str, command: str = "run", *more: str) -> End:
    end = run.invoke(command, *more, failpoint=f"{point}:1:kill")
    assert end.killed, f"{point} was not passed: {end.code} {end.said}"
    return end


# --- no service is touched ----------------------------------------------------------------------------------------


@slow
def test_a_report_that_is_killed_leaves_the_old_file_or_the_new_one_and_nothing_else(
    world: KillWorld, seed: int, tmp_path: Path
) -> None:
    if world.backend != "eth":
        pytest.skip("it reads the run directory only")
    run = world.run(seed)
    run.finish()
    output = tmp_path / "report.md"
    more = ("--format", "markdown", "--output", str(output))
    run.finish("report", *more)
    whole = output.read_text()
    for point in of_situation("report to a file"):
        output.write_text("old")
        killed(run, point, "report", *more)
        assert output.read_text() == (whole if "after" in point else "old")
        run.finish("report", *more)
        assert output.read_text() == whole
        assert [path.name for path in tmp_path.iterdir()] == [output.name]
    assert not run.by_hand


@slow
@pytest.mark.parametrize("point", of_situation("new scenario"))
def test_a_new_scenario_that_is_killed_is_there_whole_or_not_at_all(
    world: KillWorld, tmp_path: Path, point: str
) -> None:
    if world.backend != "eth":
        pytest.skip("it needs no world")
    path = tmp_path / "scenario.yaml"

    def new(failpoint: str = "") -> End:
        return world.zygote.run(Command(("new", str(path)), str(tmp_path), str(world.home / "said"), failpoint))

    assert new(f"{point}:1:kill").killed
    assert path.exists() == ("after" in point)
    again = new()
    assert again.code == (2 if "after" in point else 0), again.said
    assert "exists already" in again.said or path.exists()
    checked = world.zygote.run(Command(("validate", str(path)), str(tmp_path), str(world.home / "said")))
    assert checked.code == 0, checked.said
    assert sorted(found.name for found in tmp_path.iterdir()) == [path.name, FOLDER]
    assert sorted(found.name for found in (tmp_path / FOLDER).iterdir()) == sorted(NAMES.values())


FAILING = """
import sys
from pathlib import Path
from cicscenario.boundaries import kill_at
from cicscenario.engine.failing import write_failing
from cicscenario.plan.compile import compile_plan
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenario
if sys.argv[3]:
    kill_at(f"{sys.argv[3]}:1:kill")
store = Store(Path(sys.argv[2]) / STATE)
write_failing(compile_plan(load_scenario(sys.argv[1])), store, Path(sys.argv[2]))
"""
HOME = """
import sys
from cicscenario.boundaries import kill_at
from cicscenario.api.home import made_home
if sys.argv[1]:
    kill_at(f"{sys.argv[1]}:1:kill")
made_home()
"""


def ended(script: str, *arguments: str, **more: str) -> int:
    return subprocess.run([sys.executable, "-c", script, *arguments], env=os.environ | more, check=False).returncode


@slow
@pytest.mark.parametrize("point", of_situation("failing list"))
def test_a_list_of_who_fails_that_is_killed_is_the_old_one_or_the_new_one(tmp_path: Path, point: str) -> None:
    run = failing_run(tmp_path, size=3)
    run.make(without_account={})
    if "write" in point:
        run.fail_check("gas", {1: "has none"})
    run.store.close()
    path = run.directory / "failing.csv"
    path.write_text("old")
    assert ended(FAILING, str(run.path), str(run.directory), point) == -signal.SIGKILL
    assert (path.exists() and path.read_text() == "old") == ("before" in point)
    assert ended(FAILING, str(run.path), str(run.directory), "") == 0
    assert path.exists() == ("write" in point)
    assert not path.exists() or "has none" in path.read_text()


@slow
@pytest.mark.parametrize("point", of_situation("home folder"))
def test_a_home_folder_whose_making_is_killed_is_kept_out_of_git_by_the_next_command(
    tmp_path: Path, point: str
) -> None:
    home = tmp_path / ".cicscenario"
    assert ended(HOME, point, CICSCENARIO_HOME=str(home)) == -signal.SIGKILL
    assert ended(HOME, "", CICSCENARIO_HOME=str(home)) == 0
    assert (home / ".gitignore").read_text() == "*\n"


# --- runs ---------------------------------------------------------------------------------------------------------


@slow
def test_a_fresh_run_that_is_killed_keeps_the_earlier_one(world: KillWorld, seed: int) -> None:
    for point in skip_without(world, "fresh"):
        run = world.run(seed)
        run.finish()
        run.since = baseline(world.place)
        before = content(run.state)
        killed(run, point, "run", "--fresh", "--yes")
        assert run.directory.exists() == ("before" in point)
        run.finish("run", "--fresh", "--yes")
        assert arrived(run)
        (kept,) = run.directory.parent.glob(f"{run.name}.*")
        assert content(kept / "state.sqlite") == before
        seed += 1


@slow
@pytest.mark.parametrize("version", [1, 4])
def test_a_state_of_an_older_format_is_converted_or_still_the_old_one(
    world: KillWorld, seed: int, version: int
) -> None:
    run = world.run(seed)
    run.finish("run", "--until", "accounts")
    in_format(run.state, version, GOLDEN / f"v{version}.sqlite")
    before = content(run.state)
    killed(run, "state.convert:before")
    assert content(run.state) == before
    killed(run, "state.convert:after")
    assert content(run.state) != before
    run.finish()
    assert arrived(run)


@slow
def test_metadata_that_is_written_in_two_steps(world: KillWorld, seed: int) -> None:
    run = world.run(seed)
    run.environment = world.environment.with_name("two-step.yaml")
    text = world.environment.read_text()
    assert text.count("\nmeta:\n") == 1
    run.environment.write_text(text.replace("\nmeta:\n", "\nmeta:\n  write: two-step\n"))
    for point in skip_without(world, "metadata in two steps"):
        killed(run, point)
    run.finish()
    assert arrived(run)


# --- an engine that fails -----------------------------------------------------------------------------------------


@contextmanager
def engine_with(world: KillWorld, fault: str) -> Iterator[None]:
    stack.up(world.home, services=["custodial"], faults=[f"custodial.{fault}"])
    try:
        yield
    finally:
        stack.up(world.home, services=["custodial"], faults=[])


@slow
def test_a_registration_that_is_asked_for_again(world: KillWorld, seed: int) -> None:
    points = skip_without(world, "registration reverted")
    run = world.run(seed, patience=4)
    with engine_with(world, "revert-registration"):
        for point in points:
            killed(run, point)
        run.finish()
    assert arrived(run)


@slow
def test_gas_and_faucet_that_are_asked_for_again(world: KillWorld, seed: int) -> None:
    """The faucet is asked for more than it has. The engine gives gas only to those who have none."""
    points = skip_without(world, "faucet refuses")
    run, box = world.run(seed, patience=4), Sandbox(world.home, world.environment)
    faucet = box.session().contracts.faucet
    assert faucet

    def set_amount(amount: int) -> None:
        send_from(box.session(), box.owner, faucet.address, pack(selector("setAmount(uint256)"), amount))

    set_amount(10**30)
    try:
        for point in points:
            killed(run, point)
    finally:
        set_amount(faucet.amount)
    run.finish()
    assert arrived(run)


@slow
def test_questions_to_a_paused_engine_are_taken_back(world: KillWorld, seed: int) -> None:
    points = skip_without(world, "engine paused")
    run = world.run(seed)
    group = list(processes(RunningEngine(world.home)).values())
    for pid in group:
        os.kill(pid, signal.SIGSTOP)
    try:
        for point in points:
            killed(run, point)
    finally:
        for pid in group:
            os.kill(pid, signal.SIGCONT)
    run.finish()
    assert arrived(run)


# --- a damaged state ----------------------------------------------------------------------------------------------


def put(run: KilledRun, kept: Path) -> None:
    shutil.rmtree(run.directory)
    shutil.copytree(kept, run.directory)


@slow
def test_a_repair_that_is_killed_is_repeated_and_reads_the_same_rows(
    world: KillWorld, seed: int, tmp_path: Path
) -> None:
    """The state is one of a run that was killed, so that rows are in its log only.

    The repair is killed at every point, the first and the last time that it passes there.
    """
    required = set(skip_without(world, "repair"))
    run, kept = world.run(seed), tmp_path / "damaged"
    killed(run, "state.signed:after")
    damage_rows(run.state)
    assert run.state.with_name("state.sqlite-wal").stat().st_size
    shutil.copytree(run.directory, kept)
    passed = world.points(run, "state repair")
    assert required <= {point for point, _ in passed}
    repaired = content(run.state)
    for point, most in passed:
        for number in sorted({1, most}):
            put(run, kept)
            end = run.invoke("state repair", failpoint=f"{point}:{number}:kill")
            assert end.killed, (point, number, end.said)
            run.finish("state repair")
            assert not run.by_hand, run.by_hand
            assert content(run.state) == repaired, (point, number)
            logs = {path.name for path in run.directory.glob("state.sqlite-*")}
            assert logs == set(), "a log of the damaged state would belong to the new one"
            assert not list(run.directory.glob(".*")), "nothing is left of what was killed"
    assert run.invoke("state verify").code == 0
    run.finish()
    assert arrived(run)


@slow
def test_a_repair_that_is_killed_at_random_moments(world: KillWorld, seed: int) -> None:
    drawn = random.Random(seed)
    run = world.run(seed)
    killed(run, "state.settled:before")
    damage_rows(run.state)
    for _ in range(5):
        end = run.invoke("state repair", after=drawn.uniform(0.02, 0.6))
        assert end.killed or end.code == 0, end.said
    run.finish("state repair")
    run.finish()
    assert arrived(run)
    damage_rows(run.state)
    run.finish("state repair")
    run.finish()
    assert arrived(run)


@slow
def test_a_run_that_is_killed_while_its_transactions_wait_for_a_block_goes_on(world: KillWorld, seed: int) -> None:
    """They are mined, but with no block on top they have not ended for a run that wants one."""
    points = skip_without(world, "blocks are waited for")
    patient = world.environment.with_name("confirmed.yaml")
    text = world.environment.read_text()
    patient.write_text(text.replace("chain:\n", "chain:\n  confirmations: 1\n", 1))
    for number, point in enumerate(points):
        run = world.run(seed + number)
        run.environment = patient
        killed(run, point)
        run.environment = world.environment
        run.finish()
        assert arrived(run)
