"""Scenarios from Python: loaded, planned, run and verified, without a word on the terminal and without an exit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import cicscenario
from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import TRANSFER
from cicscenario.chain.signer import address_of
from cicscenario.engine.events import CommandEnded, RunStarted, StepProgressed
from cicscenario.errors import (
    ChecksFailedError,
    CicScenarioError,
    DeadlineError,
    ExitCode,
    InvalidError,
    StateRefusedError,
)
from cicscenario.people.person import parse_address
from cicscenario.people.pins import Pins
from tests.support.failing_states import failing_run
from tests.support.sandboxes import Sandbox, send_from

ROOT = Path(__file__).parents[2]


def test_a_scenario_is_planned_run_and_verified(
    sandbox: Sandbox, scenario: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    one = cicscenario.load(scenario, set={"population.size": 4}, environment=sandbox.environment, home=home)
    assert one.directory == home / "runs" / "small"
    plan = one.plan()
    assert plan.met
    assert plan.population == 4
    assert {step.to_do for step in plan.steps} == {4}
    with one.start() as running:  # and leaves early
        next(event for event in running if isinstance(event, RunStarted))
    seen = list(running)
    assert seen == []
    with pytest.raises(DeadlineError, match=r"the deadline of this command, 0\.001 s"):
        one.run(deadline=0.001)
    events = []
    result = one.run(events.append)
    assert result.ok, result
    assert {check.total for check in result.checks} == {4}
    assert result.directory == one.directory
    assert (one.directory / "report.html").exists()
    assert any(isinstance(event, StepProgressed) for event in events)
    assert isinstance(events[-1], CommandEnded)
    assert events[-1].verdict == result.verdict
    people = list(one.people())
    assert [person.index for person in people] == [0, 1, 2, 3]
    for person in people:
        assert person.key is not None
        assert address_of(person.key) == parse_address(person.address)
        assert person.key.hex() not in repr(person)
    assert one.plan().document()["totals"]["to_do"] == 0

    assert people[2].key is not None
    session = sandbox.session()
    send_from(session, people[2].key, session.contracts.token.address, pack(TRANSFER, b"\7" * 20, 1))
    wrong = one.verify(include=["balance"])
    assert (wrong.code, wrong.checks[0].errors) == (ExitCode.CHECKS_FAILED, 1)
    with pytest.raises(ChecksFailedError, match="person 2") as caught:
        wrong.require()
    assert f"cicscenario repair {scenario}" in str(caught.value.hint)
    (one.directory / "secret").write_text("0" * 64)
    with pytest.raises(StateRefusedError, match="person 0 was not derived"):
        next(one.people())
    (one.directory / "secret").unlink()
    with pytest.raises(StateRefusedError, match="secret cannot be read: no such file"):
        next(one.people())
    assert not (one.directory / "secret").exists(), "a look makes no other one"
    with pytest.raises(StateRefusedError, match="seed"):
        cicscenario.load(scenario, set={"population.seed": 6}, environment=sandbox.environment, home=home).run()
    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"population.sise": 3}, "population.sise"),
        ({"population.size": "many"}, "population.size"),
        (["population.size"], "population.size"),
    ],
)
def test_errors_are_exceptions_with_what_to_do(
    values: dict[str, object] | list[str], said: str, scenario: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidError, match=said):
        cicscenario.load(scenario, set=values)
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_not_there_and_a_run_that_has_not_begun(tmp_path: Path, scenario: Path) -> None:
    with pytest.raises(CicScenarioError, match=r"none\.yaml"):
        cicscenario.load(tmp_path / "none.yaml")
    one = cicscenario.load(scenario, home=tmp_path / "home")
    for ask in (one.verify, lambda: list(one.people())):
        with pytest.raises(InvalidError, match="nothing has been run") as caught:
            ask()
        assert caught.value.hint == f"cicscenario run {scenario}"
    with pytest.raises(InvalidError, match="no step"):
        one.run(until="dinner")
    assert not (tmp_path / "home" / "runs").exists(), "nothing was begun"


@pytest.mark.parametrize("value", ["0042", "yes", True, None, 3, ["a", "b"], 'a "b": c'])
def test_values_keep_their_types(value: object, tmp_path: Path) -> None:
    """A text stays a text, also one that YAML would read as a number."""
    path = tmp_path / "a.yaml"
    path.write_text("version: 1\nname: a\npopulation: {size: 2}\nbackend: cic_ussd\npins: {}\nenvironment: sandbox\n")
    pins = {"pins.fixed": [value]} if value == "0042" else {"description": value}
    if isinstance(value, str):
        document = cicscenario.load(path, set=pins).document
        assert (document["pins"]["fixed"][0] if value == "0042" else document["description"]) == value
    else:
        with pytest.raises(InvalidError, match="description"):
            cicscenario.load(path, set=pins)


def test_pins_are_those_that_the_run_has_set(tmp_path: Path) -> None:
    made = failing_run(tmp_path, size=3)
    made.make(without_account={1: "no callback"})
    made.fail_step("pins", {2: "locked"})
    made.store.close()
    people = list(cicscenario.load(made.path, directory=made.directory, set={"population.size": 3}).people())
    assert [person.pin for person in people] == [Pins(11).pin(0), None, None]
    assert [person.address is None for person in people] == [False, True, False]
    assert {person.key for person in people} == {None}, "the engine has them"
    assert str(people[0].pin) not in repr(people[0]).replace(people[0].phone, "").replace(str(people[0].address), "")


def test_importing_takes_no_time_until_it_is_used() -> None:
    program = (
        "import json, sys, cicscenario\n"
        "first = sorted(name for name in sys.modules if name.partition('.')[0] == 'cicscenario')\n"
        "cicscenario.load\n"
        "cicscenario.LoadedScenario.people, cicscenario.api.scenario\n"
        "loaded = [name for name in ('api.scenario', 'api.people', 'engine.run') if f'cicscenario.{name}' in sys.modules]\n"
        "print(json.dumps([first, loaded, dir(cicscenario)]))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    first, loaded, names = json.loads(done.stdout)
    assert first == ["cicscenario"]
    assert loaded == ["api.scenario"], "a run or its people are not asked for yet"
    assert {*cicscenario.__all__} <= {*names}
    for name in cicscenario.__all__:
        assert getattr(cicscenario, name)
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = cicscenario.lode


def test_it_says_that_it_has_types() -> None:
    assert (Path(cicscenario.__file__).parent / "py.typed").exists()
