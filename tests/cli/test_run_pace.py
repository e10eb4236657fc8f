"""``cicscenario run --pace real``: a run meets the waits of a real stack, and is told when the sandbox has another pace."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import cicscenario
from cicscenario.api import workspace
from cicscenario.api.runplace import SandboxChoice
from cicscenario.errors import ExitCode, InvalidError, StateRefusedError
from cicscenario.people import pointer
from cicscenario.people.person import Person
from cicscenario.plan.compile import compile_plan
from cicscenario.sandbox import stack
from cicscenario.sandbox.pace import FIGURES, Work
from cicscenario.vocabulary import load_scenario
from tests.support.phone_world import PhoneWorld
from tests.support.scenarios import written
from tests.support.waiting import eventually

ENVIRONMENT = """\
version: 1
name: staging
chain:
  rpc: http://127.0.0.1:1
  spec: evm:byzantium:8996:bloxberg
  registry: "0x0000000000000000000000000000000000000001"
  signer:
    private_key: "{{ env.CIC_KEY }}"
"""


def test_the_pace_of_an_environment_that_is_no_sandboxs_is_not_ours_to_choose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIC_KEY", "0x" + "12" * 32)
    place = tmp_path / "staging.yaml"
    place.write_text(ENVIRONMENT)
    plan = compile_plan(load_scenario(written(tmp_path, backend="eth", environment=str(place))))
    for pace, told in (("real", "is not of a sandbox that has services with a pace"), ("slow", "unknown pace: slow")):
        opened = workspace.environment(plan, None, SandboxChoice(pace=pace))
        with pytest.raises(InvalidError, match=told), opened:
            pass
    with workspace.environment(plan, None, SandboxChoice()) as found:
        assert found.pace is None


def test_from_python_it_is_an_exception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIC_KEY", "0x" + "12" * 32)
    place = tmp_path / "staging.yaml"
    place.write_text(ENVIRONMENT)
    scenario = cicscenario.load(
        written(tmp_path, backend="eth", environment=str(place)), directory=tmp_path / "run", pace="real"
    )
    with pytest.raises(InvalidError, match="is not of a sandbox that has services with a pace"):
        scenario.run()


def test_a_sandbox_that_is_named_by_its_file_must_have_the_pace_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIC_KEY", "0x" + "12" * 32)
    monkeypatch.setattr(workspace, "pace_of", lambda path: "fast")
    place = tmp_path / "staging.yaml"
    place.write_text(ENVIRONMENT)
    plan = compile_plan(load_scenario(written(tmp_path, backend="eth", environment=str(place))))
    with workspace.environment(plan, None, SandboxChoice(pace="fast")) as found:
        assert found.pace == "fast"
    opened = workspace.environment(plan, None, SandboxChoice(pace="real"))
    with pytest.raises(StateRefusedError, match="is up with --pace fast, not real"), opened:
        pass


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhoneWorld]:
    """A sandbox at the real pace, in which five people have begun to join by phone."""
    made = PhoneWorld(tmp_path_factory.mktemp("real"), pace="real")
    try:
        done = made.command("run", str(made.scenario(size=5)), "--pace", "real", "--until", "accounts")
        assert done.returncode == ExitCode.OK, done.stdout + done.stderr
        assert "the sandbox keeps the real services' pace" in done.stdout + done.stderr
        eventually(lambda: len(made_at(made)) == 3 * 5)  # the run does not wait for the last tags
        yield made
    finally:
        made.close()


def made_at(world: PhoneWorld) -> dict[str, int]:
    """When each document of the metadata store was begun, in seconds since 1970, by its pointer."""
    database = sqlite3.connect(world.home / "sandbox" / "meta" / "meta.sqlite", timeout=10)
    with closing(database):
        rows = database.execute("SELECT pointer, content FROM entries").fetchall()
    found = {key: re.search(rb'timestamp\\?",\\?"value\\?",(\d{10})', content) for key, content in rows}
    return {key: int(match[1]) for key, match in found.items() if match}


def entries_of(person: Person) -> list[str]:
    """The pointers of a person, in the order in which the phone interface writes them."""
    assert person.address
    places = pointer.preferences(person.address), pointer.phone(person.phone), pointer.custom(person.address)
    return [place.hex() for place in places]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_one_writer_writes_the_entries_of_all_people_one_after_the_other(world: PhoneWorld) -> None:
    made = made_at(world)
    people = sorted((entries_of(person) for person in world.people()), key=lambda keys: made[keys[0]])
    moments = [made[key] for keys in people for key in keys]
    assert len(moments) == 3 * 5
    assert moments == sorted(moments), "all of a person, then all of the next"
    assert moments[-1] - moments[0] >= int(14 * FIGURES[Work.ENTRY].seconds)
    assert max(moments.count(moment) for moment in moments) <= 2, "more do not fit in a second"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_everybody_arrives_and_the_report_says_how(world: PhoneWorld) -> None:
    scenario = world.home / "phones.yaml"
    refused = world.command("run", str(scenario), "--pace", "fast")
    assert refused.returncode == ExitCode.STATE_REFUSED
    assert "is up with --pace real, not fast" in refused.stderr
    assert "cicscenario stack up --pace fast" in refused.stderr
    done = world.command("run", str(scenario))
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    assert world.report()["pace"] == "real"
    details = {service.name: service.detail for service in stack.status(world.home)}
    assert [name for name, detail in details.items() if "--pace real" in detail] == ["meta", "custodial", "ussd"]
    told = json.loads(world.command("stack", "env", "--format", "json").stdout)
    assert told["CIC_PACE"] == "real"
