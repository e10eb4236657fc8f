"""The commands beside ``run``: what they print, and the exit codes that scripts rely on."""

import json
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cicscenario.errors import ExitCode
from cicscenario.resources import load_schema
from cicscenario.sandbox import stack
from tests.support.commands import cicscenario
from tests.support.sandboxes import Sandbox, with_keystore

TIME = r"[-\d]{10}T[:\d]{8}\+00:00"
#: An environment whose node is away.
AWAY = """
version: 1
name: away
chain:
  rpc: http://127.0.0.1:{port}
  spec: evm:byzantium:8996:bloxberg
  registry: "0xea6225212005e86a4490018ded4bf37f3e772161"
  signer: {{private_key: "file:key"}}
  timeout: 2
"""


@with_keystore
def test_plan_fits_on_a_screen_and_changes_nothing(sandbox: Sandbox, scenario: Path) -> None:
    done = sandbox.command("plan", str(scenario))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) <= 24
    assert "Plan: 84 to do, 0 done;" in done.stdout
    assert not (sandbox.home / "runs").exists()


def test_plan_says_what_is_done_and_what_is_needed(sandbox: Sandbox, scenario: Path) -> None:
    assert sandbox.command("run", str(scenario)).returncode == 0
    done = sandbox.command("plan", str(scenario), "--set", "population.size=20", "--format", "json")
    plan = json.loads(done.stdout)
    steps = {step["name"]: step for step in plan["steps"]}
    assert (steps["registration"]["to_do"], steps["registration"]["done"]) == (8, 12)
    assert steps["faucet"]["gas"] == 8 * 134_000
    needs = {need["what"]: need for need in plan["needs"]}
    assert needs["native currency"]["ok"]
    assert needs["may write to the accounts index"]["ok"]
    assert plan["services"][0]["ok"]


def plan_of(home: Path, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(cicscenario(home, "plan", *arguments, "--format", "json").stdout)
    return document


@pytest.mark.slow
def test_plan_tells_what_it_can_while_nobody_can_be_asked(sandbox_of: Callable[..., Sandbox], scenario: Path) -> None:
    """The sandbox is down, no environment is named, or the chain does not answer: what is needed is known all the same."""
    box = sandbox_of()
    file = box.environment.read_text()
    asked = {need["what"]: need for need in plan_of(box.home, str(scenario))["needs"]}
    stack.down(box.home)
    down = plan_of(box.home, str(scenario))
    assert [(n["what"], n["ok"], n["asked"]) for n in down["services"]] == [
        ("sandbox", True, True),
        ("chain", True, False),
    ]
    told = {need["what"]: need for need in down["needs"]}
    assert {need["has"] for need in told.values()} == {"not asked"}
    assert int(told["the default token to give"]["needed"]) * 10**6 == int(asked["GFT to give"]["needed"])
    assert int(told["native currency for fees"]["needed"]) == down["totals"]["gas"]

    scenario.write_text(scenario.read_text().replace("environment: sandbox\n", ""))
    nowhere = plan_of(box.home, str(scenario))
    assert [(n["what"], n["ok"]) for n in nowhere["services"]] == [("an environment", False), ("chain", True)]
    assert nowhere["needs"] == down["needs"]

    gone = scenario.with_name("gone.yaml")
    gone.write_text(
        re.sub(r"rpc: \S+", "rpc: http://127.0.0.1:9", file).replace("file:", f"file:{box.environment.parent}/")
    )
    silent = plan_of(box.home, str(scenario), "--env", str(gone))
    assert [(n["what"], n["ok"], n["asked"]) for n in silent["services"]] == [("chain", False, True)]
    assert silent["needs"] == down["needs"]

    shown = box.command("plan", str(scenario), "--env", "sandbox")
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) <= 24
    assert "  -       chain: needs an answer; not asked\n" in shown.stdout


def test_plan_gives_amounts_that_a_program_can_add_up(sandbox: Sandbox, scenario: Path) -> None:
    needs = {need["what"]: need for need in plan_of(sandbox.home, str(scenario))["needs"]}
    native, gift = needs["native currency"], needs["GFT to give"]
    assert native["needs"] == f"{int(native['needed']):,} wei"
    assert native["has"] == f"{int(native['held']):,} wei"
    assert (native["unit"], gift["unit"]) == ("wei", "base units")
    assert int(gift["held"]) == 10**12 * 10**6
    assert needs["may write to the accounts index"]["needed"] is None


def test_plan_says_what_is_missing(sandbox: Sandbox, scenario: Path) -> None:
    refused = sandbox.command("plan", str(scenario), "--set", "gift.threshold=1000000000000")
    assert refused.returncode == 3
    assert "MISSING GFT to give: needs" in refused.stdout
    stopped = sandbox.command("run", str(scenario), "--set", "gift.threshold=1000000000000")
    assert stopped.returncode == 3
    assert "nothing was sent" in stopped.stderr
    assert "GFT to give: needs" in stopped.stderr
    assert sandbox.session().rpc.call("eth_blockNumber") == sandbox.session().rpc.call("eth_blockNumber")


def test_status_needs_no_service(tmp_path: Path, scenario: Path) -> None:
    home = tmp_path / "home"
    assert "nothing has been run" in cicscenario(home, "status", str(scenario)).stdout
    none = json.loads(cicscenario(home, "status", str(scenario), "--format", "json").stdout)
    assert none["population"] == 12
    assert {(step["ok"], step["failed"], step["pending"]) for step in none["steps"]} == {(0, 0, 12)}
    assert not home.exists()
    assert cicscenario(home, "run", str(scenario), "--until", "accounts").returncode == 0
    done = cicscenario(home, "status", str(scenario), "--format", "json")
    steps = {step["name"]: step for step in json.loads(done.stdout)["steps"]}
    assert (steps["accounts"]["ok"], steps["registration"]["pending"]) == (12, 12)


@pytest.mark.slow
@with_keystore
def test_looking_back_needs_no_source_of_people(sandbox: Sandbox, scenario: Path, tmp_path: Path) -> None:
    """Once everybody is in the state, where they came from may be tidied away."""
    first = tmp_path / "first"
    assert sandbox.command("run", str(scenario), "--dir", str(first), "--only", "population").returncode == 0
    scenario.write_text(scenario.read_text().replace("{size: 12, seed: 5}", "{from: first}"))
    assert sandbox.command("run", str(scenario)).returncode == 0
    first.rename(tmp_path / "tidied")
    status = sandbox.command("status", str(scenario))
    assert status.returncode == 0, status.stderr
    assert "small: 12 people" in status.stdout
    verdict = status.stdout.splitlines()[1]
    assert re.fullmatch(
        rf"  Everybody arrived: 12 people, \d+ checks \(run began {TIME}, ended {TIME}, took (.*)\)", verdict
    )
    _, run = sandbox.command("runs").stdout.splitlines()
    assert re.search(rf" run  .* {re.escape(verdict.rpartition(', took ')[2][:-1])}  ", run), (
        "the same time as `status`"
    )
    verified = sandbox.command("verify", str(scenario))
    assert verified.returncode == 0, verified.stderr
    assert "keystore: 0 errors of 12" in verified.stdout
    _, run = sandbox.command("runs").stdout.splitlines()
    told = re.search(r"checks, (.*)\. Report: ", verified.stdout.splitlines()[-1])
    assert told, verified.stdout
    assert re.search(rf" verify  .* {re.escape(told[1])}  ", run), "that of the last command, with its name"


@with_keystore
def test_what_selects_nothing_is_refused(sandbox: Sandbox, scenario: Path) -> None:
    refused = sandbox.command("run", str(scenario), "--until", "population", "--since", "keystore")
    assert refused.returncode == 2
    assert "selects no step" in refused.stderr
    assert sandbox.command("run", str(scenario), "--until", "population").returncode == 0
    refused = sandbox.command("verify", str(scenario), "--include", "gas", "--exclude", "gas")
    assert refused.returncode == 2
    assert "the options leave no check to run" in refused.stderr


@with_keystore
def test_export_writes_the_old_tools_directory(sandbox: Sandbox, scenario: Path, tmp_path: Path) -> None:
    assert sandbox.command("run", str(scenario)).returncode == 0
    done = sandbox.command("export", str(scenario), str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    for folder, count in {"src": 12, "new": 12, "phone": 12, "custom": 12, "keystore": 12}.items():
        files = [path for path in (tmp_path / "out" / folder).glob("*/*/*") if not path.is_symlink()]
        assert len(files) == count, folder
    raw = list((tmp_path / "out" / "tx").glob("*/*/*"))
    assert len(raw) == len(list((sandbox.home / "runs" / "small" / "tx").glob("*/*")))


@with_keystore
def test_events_can_be_read_by_programs(tmp_path: Path, scenario: Path) -> None:
    done = cicscenario(tmp_path / "home", "run", str(scenario), "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    form = Draft202012Validator(load_schema("events-v1"))
    for event in events:
        form.validate(event)
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    assert {"ServiceStarting", "StageStarted", "RunStarted", "StepProgressed"} < {event["event"] for event in events}
    assert (events[-1]["event"], events[-1]["exit_code"], events[-1]["astray"]) == ("CommandEnded", 0, 0)
    assert events[-1]["verdict"].startswith("Everybody arrived: 12 people, ")
    assert {event["name"] for event in events if event["event"] == "CheckFinished"} >= {"balance", "keystore"}


@pytest.mark.slow
def test_an_error_before_a_run_is_an_event_and_the_verdict_comes_after_it(tmp_path: Path, scenario: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = scenario.with_name("away.yaml")
        place.with_name("key").write_text(f"{7:064x}")
        place.write_text(AWAY.format(port=free.getsockname()[1]))
        home = tmp_path / "home"
        done = cicscenario(home, "run", str(scenario), "--env", str(place), "--json")
        told = cicscenario(home, "run", str(scenario), "--env", str(place))
    assert done.returncode == told.returncode == 3
    *_, failed, ended = map(json.loads, done.stdout.splitlines())
    for event in (failed, ended):
        Draft202012Validator(load_schema("events-v1")).validate(event)
    assert failed["event"] == "CommandFailed"
    assert "does not answer" in failed["message"]
    assert (ended["event"], ended["exit_code"], ended["good"]) == ("CommandEnded", 3, False)
    assert told.stdout.splitlines()[-1].startswith(
        "Stopped: a service does not answer, a step failed or a deadline passed, "
    )
    log = (home / "runs" / "small" / "run.log").read_text()
    assert "chain: a request is sent again: chain node " in log
    assert "does not answer" in log.splitlines()[-2]
    assert stat.S_IMODE((home / "runs" / "small" / "run.log").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["run"], 2, "Missing argument"),
        (["frobnicate"], 2, "No such command"),
        (["explain", "gift.treshold"], 2, "gift.threshold"),
        (["stack", "up", "--node", "geth"], 2, "unknown node: geth"),
        (["stack", "up", "--contracts", "newest"], 2, "unknown contract generation: newest"),
    ],
)
def test_mistakes_are_messages_with_exit_code_2(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    done = cicscenario(tmp_path / "home", *arguments)
    assert done.returncode == code
    assert said in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command", [["plan"], ["status"], ["config"], ["report"], ["validate"], ["diff", "a.yaml"], ["stack", "status"]]
)
def test_a_form_of_output_that_there_is_not_is_refused(tmp_path: Path, scenario: Path, command: list[str]) -> None:
    file = [] if command[0] == "stack" else [str(scenario)]
    done = cicscenario(tmp_path / "home", *command, *file, "--format", "xml")
    assert (done.returncode, done.stdout) == (2, "")
    said = "there is no report form `xml`" if command == ["report"] else "'xml' is not one of"
    assert said in done.stderr


def test_help_lists_every_exit_code(tmp_path: Path) -> None:
    shown = cicscenario(tmp_path, "--help").stdout
    for code in ExitCode:
        assert str(int(code)) in shown


def test_help_and_completion_load_no_command() -> None:
    told = "import sys, cicscenario.cli.app; print(*sorted(name for name in sys.modules if 'cicscenario' in name))"
    loaded = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout.split()
    shell = [f"cicscenario.cli.{name}" for name in (
        "app", "boundary", "commandline", "completion", "failpoint", "helpnames", "interrupts", "options", "rungroup",
        "scenariogroup", "serveoption", "stackgroup", "stackseen", "stategroup", "surroundings",
    )]  # fmt: skip
    below = [f"cicscenario.{name}" for name in (
        "address", "api", "api.naming", "boundaries", "errors", "invocation", "printable", "shell",
    )]  # fmt: skip
    assert loaded == sorted(["cicscenario", "cicscenario.cli", *shell, *below])
