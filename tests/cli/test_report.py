"""``cicscenario report``: what a run leaves behind, and the same again from its directory alone."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator

from cicscenario.cli.report import report as write_report
from cicscenario.errors import InvalidError
from cicscenario.resources import load_schema
from cicscenario.state.rows import Outcome
from cicscenario.state.store import Store
from tests.support.sandboxes import Sandbox, with_keystore

REPORTS = ("report.html", "junit.xml", "report.md", "metrics.txt")


def valid(place: Path, name: str) -> dict:
    document = json.loads((place / f"{name}.json").read_text())
    Draft202012Validator(load_schema(f"{name}-v1")).validate(document)
    return document


@with_keystore
def test_a_run_writes_its_reports_and_they_can_be_written_again(sandbox: Sandbox, scenario: Path) -> None:
    done = sandbox.command("run", str(scenario))
    place = sandbox.home / "runs" / "small"
    assert done.returncode == 0, done.stderr
    assert f"Report: {place}/report.html" in done.stdout
    report, progress = valid(place, "report"), valid(place, "progress")
    assert report["file"] == str(scenario)
    assert report["environment"]["chain.rpc"].startswith("http://127.0.0.1:")
    assert sum(ok for _, ok, _, _ in progress["timeline"]["tracks"]["gift"]["buckets"]) == 12
    assert progress["steps"]["gift"]["people"] == 12
    before = {name: (place / name).read_text() for name in REPORTS}
    assert ">Everybody arrived<" in before["report.html"]

    for name in (*REPORTS, "state.sqlite"):  # neither the state nor a service is needed
        (place / name).unlink()
    again = sandbox.command("report", str(scenario))
    assert again.returncode == 0, again.stderr
    assert sorted(again.stdout.split()) == sorted(str(place / name) for name in REPORTS)
    assert {name: (place / name).read_text() for name in REPORTS} == before

    shown = sandbox.command("report", str(scenario), "--format", "markdown")
    assert shown.stdout == before["report.md"]
    written = sandbox.command("report", str(scenario), "--output", str(place / "elsewhere.xml"))
    assert (place / "elsewhere.xml").read_text() == before["junit.xml"], written.stderr
    assert json.loads(sandbox.command("report", str(scenario), "--format", "json").stdout) == report
    scenario.unlink()
    gone = sandbox.command("report", str(scenario), "--dir", str(place), "--format", "markdown")
    assert gone.stdout == before["report.md"], gone.stderr


@with_keystore
def test_no_secret_gets_into_a_report(sandbox: Sandbox, scenario: Path) -> None:
    text = scenario.read_text().replace("kdf: light", "kdf: light, password: 'file:hidden-place'")
    scenario.write_text(text)
    (scenario.parent / "hidden-place").write_text("correct horse")
    assert sandbox.command("run", str(scenario)).returncode == 0
    place = sandbox.home / "runs" / "small"
    for name in (*REPORTS, "report.json", "progress.json"):
        held = (place / name).read_text()
        assert "correct horse" not in held
        assert "hidden-place" not in held
        assert (place / "secret").read_text() not in held
        assert (sandbox.home / "sandbox" / "signer.key").read_text().strip() not in held


@with_keystore
def test_a_verification_shows_errors_and_failed_steps_and_keeps_the_progress(sandbox: Sandbox, scenario: Path) -> None:
    assert sandbox.command("run", str(scenario)).returncode == 0
    place = sandbox.home / "runs" / "small"
    progress = (place / "progress.json").read_text()
    next((place / "keystore").iterdir()).unlink()
    store = Store(place / "state.sqlite")
    store.commit("gift", [Outcome(3, ok=False, detail="out of gas")])
    store.close()
    done = sandbox.command("verify", str(scenario), "--dir", str(place))
    assert done.returncode == 1
    first, *_, then, after = done.stderr.splitlines()
    assert first.startswith("error: 1 of 5 checks found errors; first, keystore: 1 error of 12; first: person ")
    assert then.endswith(f"cicscenario run {scenario} --dir {place}"), "a gift is not done, so the run goes on first"
    assert f"made again: cicscenario repair {scenario} --dir {place}" in after
    assert ">Not everybody arrived<" in (place / "report.html").read_text()
    failure = ET.parse(place / "junit.xml").find(".//testcase[@name='check keystore']/failure")
    assert failure.get("message") == "1 error of 12"
    assert "is missing" in failure.text
    [gift] = [step for step in valid(place, "report")["steps"] if step["name"] == "gift"]
    assert gift["failing"] == [{"person": 3, "problem": "out of gas"}]
    assert "1 person has no gift: out of gas" in (place / "report.html").read_text()
    assert "(person 3)" in (place / "report.html").read_text()
    assert (place / "progress.json").read_text() == progress


@pytest.mark.slow
@with_keystore
def test_a_verification_of_one_thing_does_not_undo_the_others(sandbox: Sandbox, scenario: Path) -> None:
    scenario.write_text(scenario.read_text() + "checks: {exclude: [faucet]}\n")
    assert sandbox.command("run", str(scenario)).returncode == 0
    place = sandbox.home / "runs" / "small"
    before = valid(place, "report")["checks"]
    next((place / "keystore").iterdir()).unlink()
    assert sandbox.command("verify", str(scenario), "--include", "keystore").returncode == 1
    after = valid(place, "report")["checks"]
    assert [check["name"] for check in after] == [check["name"] for check in before]
    assert [check["name"] for check in after if check["errors"]] == ["keystore"]
    status = sandbox.command("status", str(scenario), "--format", "json")
    assert json.loads(status.stdout)["checks"] == after

    assert sandbox.command("verify", str(scenario), "--include", "faucet").returncode == 0
    assert [check["name"] for check in valid(place, "report")["checks"]][len(before) :] == ["faucet"]
    assert ">Not everybody arrived<" in (place / "report.html").read_text()


def test_a_run_that_stops_says_why_and_what_is_pending(sandbox: Sandbox, scenario: Path) -> None:
    done = sandbox.command("run", str(scenario), "--set", "gift.threshold=1000000000000")
    assert done.returncode == 3
    report = valid(sandbox.home / "runs" / "small", "report")
    assert "nothing was sent" in report["error"]
    assert {step["name"]: step["pending"] for step in report["steps"]}["gift"] == 12
    page = (sandbox.home / "runs" / "small" / "report.html").read_text()
    assert "Stopped: a service does not answer, a step failed or a deadline passed" in page
    assert "cicscenario run " in page


@pytest.mark.parametrize(
    ("fmt", "output", "said"),
    [
        (None, None, "there is no report in"),
        (None, Path("a.pdf"), "the name a.pdf does not tell the report form"),
    ],
)
def test_mistakes_are_messages(tmp_path: Path, scenario: Path, fmt: str | None, output: Path | None, said: str) -> None:
    with pytest.raises(InvalidError) as caught:
        write_report(scenario, [], tmp_path, fmt, output)
    assert said in caught.value.message
    assert caught.value.hint
