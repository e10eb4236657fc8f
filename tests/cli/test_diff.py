"""``cicscenario diff`` as a reviewer sees it: in files, folders and git revisions."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from cicscenario.cli.diff import diff
from cicscenario.errors import ExitCode, InvalidError

SCENARIO = """\
version: 1
name: a
population: {size: 1000, seed: 7}
gift: {threshold: 200}
"""


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(name: str, text: str) -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return name


def shown(capsys: pytest.CaptureFixture[str], before: str, after: str, fmt: str = "text") -> str:
    assert diff(before, after, fmt) is ExitCode.CHECKS_FAILED
    return capsys.readouterr().out


def git(*arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments], check=True, capture_output=True
    )


def committed() -> None:
    git("init", "--quiet", "--initial-branch=main")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")


def test_a_larger_population_is_people_transactions_and_gas(capsys: pytest.CaptureFixture[str]) -> None:
    """4,000 registrations, faucet uses and gas gifts, and a gift for all but the few who drew a zero."""
    out = shown(capsys, written("a.yaml", SCENARIO), written("b.yaml", SCENARIO.replace("1000", "5000")))
    head, change = out.splitlines()
    assert head == "a.yaml -> b.yaml"
    assert change.startswith("  population 1000 -> 5000: +4,000 people, +15,98")
    assert " transactions, +1.21 G gas, about +39" in change


def test_a_check_that_goes_is_weaker(capsys: pytest.CaptureFixture[str]) -> None:
    before = written("a.yaml", SCENARIO)
    after = written("b.yaml", SCENARIO + "checks: {exclude: [faucet]}\n")
    assert shown(capsys, before, after) == (
        "a.yaml -> b.yaml\n  checks.exclude +faucet: check `faucet` removed - weaker\n"
    )
    assert "- checks.exclude +faucet: check `faucet` removed - **weaker**" in shown(capsys, before, after, "markdown")
    assert "— **verification becomes weaker**" in shown(capsys, before, after, "markdown")
    [entry] = json.loads(shown(capsys, before, after, "json"))
    assert entry["weaker"] is True
    assert entry["changes"][0]["consequence"]["checks_removed"] == ["faucet"]
    assert "weaker" not in shown(capsys, after, before)


def test_a_step_that_goes_takes_its_check_along(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, written("a.yaml", SCENARIO), written("b.yaml", SCENARIO + "faucet: false\n"))
    assert out.splitlines()[1] == (
        "  faucet true -> false: -1,000 transactions, -134 M gas, step `faucet` removed, check `faucet` removed - weaker"
    )


def test_metadata_that_is_no_longer_written_is_no_longer_checked(capsys: pytest.CaptureFixture[str]) -> None:
    before = written("a.yaml", SCENARIO + "metadata: [person, phone]\n")
    out = shown(capsys, before, written("b.yaml", SCENARIO + "metadata: [person]\n"))
    assert out.splitlines()[1] == (
        "  metadata -phone: step `metadata_phone` removed, check `metadata_phone` removed - weaker"
    )
    assert diff(before, written("c.yaml", SCENARIO + "metadata: [phone, person]\n"), "text") is ExitCode.OK


def test_people_who_are_in_files_that_are_not_here_do_not_hide_the_change(capsys: pytest.CaptureFixture[str]) -> None:
    gone = "version: 1\nname: a\npopulation: {from: nowhere}\nbackend: existing\n"
    before = written("a.yaml", gone + "metadata: [person]\n")
    after = written("b.yaml", gone)
    assert "metadata -person: step `metadata` removed, check `metadata` removed - weaker" in shown(
        capsys, before, after
    )


def test_another_backend_is_other_steps_and_checks(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, written("a.yaml", SCENARIO), written("b.yaml", SCENARIO + "backend: cic_eth\n"))
    assert "backend.kind eth -> cic_eth:" in out
    assert "check `custodial_key` added" in out
    assert "check `keystore` removed - weaker" in out


def test_a_wider_bound_is_weaker_and_a_narrower_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    exact = written("a.yaml", SCENARIO)
    two = written("b.yaml", SCENARIO + 'checks: {balance_adjust: "-2%"}\n')
    three = written("c.yaml", SCENARIO + 'checks: {balance_adjust: "-3%"}\n')
    assert "balance_adjust none -> -2%: allows more - weaker" in shown(capsys, exact, two)
    assert "weaker" in shown(capsys, two, three)
    assert "weaker" not in shown(capsys, three, two)


@pytest.mark.parametrize(("faucet", "more"), [("true", " (the faucet's come on top)"), ("false", "")])
def test_tokens_are_those_of_gifts_and_whether_there_are_others_is_said(
    capsys: pytest.CaptureFixture[str], faucet: str, more: str
) -> None:
    before = f"{SCENARIO}faucet: {faucet}\n"
    out = shown(capsys, written("a.yaml", before), written("b.yaml", before.replace("1000", "1002")))
    assert re.search(rf", about \+\d+ tokens? in gifts{re.escape(more)}$", out, re.MULTILINE), out


def test_another_seed_makes_other_people(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, written("a.yaml", SCENARIO), written("b.yaml", SCENARIO.replace("seed: 7", "seed: 8")))
    assert "population.seed 7 -> 8:" in out
    assert "all people are different" in out


def test_another_profile_is_told_by_the_shares_that_differ(capsys: pytest.CaptureFixture[str]) -> None:
    written(
        "village.yaml",
        "version: 1\nname: v\nmeasured: 2021-01-31\ngender: {female: 3, male: 1}\nplaces: {a: 1, b: 1}\n",
    )
    written(
        "town.yaml", "version: 1\nname: t\nmeasured: 2021-01-31\ngender: {female: 3, male: 1}\nplaces: {a: 9, b: 1}\n"
    )
    before = written("s/a.yaml", SCENARIO.replace("seed: 7", "seed: 7, profile: ../village.yaml"))
    after = written("s/b.yaml", SCENARIO.replace("seed: 7", "seed: 7, profile: ../town.yaml"))
    out = shown(capsys, before, after)
    assert "place (a 50 % -> 90 %, b 50 % -> 10 %), all people are different" in out
    assert "gender" not in out
    [found] = json.loads(shown(capsys, before, after, "json"))
    assert found["together"]["make_up"] == [
        {"figure": "place", "group": group, "before": 0.5, "after": share} for group, share in (("a", 0.9), ("b", 0.1))
    ]


def test_from_no_profile_to_one_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    before = written("a.yaml", SCENARIO)
    out = shown(capsys, before, written("b.yaml", SCENARIO.replace("seed: 7", "seed: 7, profile: sarafu-2020")))
    assert out.count("gender (other 33 % -> 0.051 %, female 33 % -> 57 %, unknown 0 % -> 6.1 %, and 1 more)") == 1
    out = shown(capsys, before, written("b.yaml", SCENARIO.replace("seed: 7", "seed: 7, gender: {female: 1}")))
    assert "gender (female 33 % -> 100 %, male 33 % -> 0 %, other 33 % -> 0 %)" in out
    assert "language (" not in out


def test_several_changes_have_a_sum(capsys: pytest.CaptureFixture[str]) -> None:
    after = SCENARIO.replace("1000", "1001").replace("name: a", "name: b") + "gas: 0\n"
    out = shown(capsys, written("a.yaml", SCENARIO), written("b.yaml", after)).splitlines()
    assert [row.split()[0] for row in out[1:]] == ["name", "population", "gas", "together:"]
    assert out[-1].startswith("  together: +1 person, -997 transactions")


def test_comments_order_style_and_defaults_do_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    before = written("a.yaml", SCENARIO)
    after = written(
        "b.yaml",
        "# why\ngift:\n  threshold: 2e2\npopulation:\n  seed: 7\n  size: 1_000\nname: a\nfaucet: true\n"
        "backend: {kind: eth}\nversion: 1\n".replace("1_000", "1000"),
    )
    assert diff(before, after, "text") is ExitCode.OK
    assert capsys.readouterr().out == "no difference\n"


def test_what_a_file_extends_and_its_variables_count(capsys: pytest.CaptureFixture[str]) -> None:
    written("base.yaml", SCENARIO)
    before = written("a.yaml", "extends: base.yaml\n")
    same = written("b.yaml", 'extends: base.yaml\nvars: {n: 500}\npopulation: {size: "{{ n * 2 }}"}\n')
    other = written("c.yaml", 'extends: base.yaml\nvars: {n: 501}\npopulation: {size: "{{ n * 2 }}"}\n')
    assert diff(before, same, "text") is ExitCode.OK
    assert "population 1000 -> 1002: +2 people" in shown(capsys, before, other)


def test_a_revision_is_read_with_what_it_extended_then(capsys: pytest.CaptureFixture[str]) -> None:
    written("scenarios/common/base.yaml", SCENARIO)
    written("scenarios/a.yaml", "extends: common/base.yaml\nenvironment: ../staging.yaml\n")
    committed()
    assert diff("HEAD:scenarios/a.yaml", "scenarios/a.yaml", "text") is ExitCode.OK
    written("scenarios/common/base.yaml", SCENARIO.replace("1000", "1200"))
    out = shown(capsys, "HEAD:scenarios/a.yaml", "scenarios/a.yaml")
    assert "population 1000 -> 1200: +200 people" in out
    assert "environment" not in out  # the same file, though it was read in another folder


def test_a_folder_shows_what_is_new_gone_and_changed(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "gone", "same"):
        written(f"scenarios/{name}.yaml", SCENARIO)
    written("scenarios/other.yaml", "stages: [test]\n")  # YAML, but not of this language
    committed()
    written("scenarios/a.yaml", SCENARIO.replace("1000", "1001"))
    Path("scenarios/gone.yaml").unlink()
    written("scenarios/new.yaml", SCENARIO)
    out = shown(capsys, "main:scenarios", "scenarios")
    assert [block.split("\n")[0] for block in out.split("\n\n")] == ["a.yaml", "gone.yaml", "new.yaml"]
    assert "  new: 1,000 people, 3,99" in out
    assert "  removed: it had 1,000 people" in out


def test_a_folder_that_a_revision_did_not_have_is_all_new(capsys: pytest.CaptureFixture[str]) -> None:
    written("readme", "")
    committed()
    written("scenarios/a.yaml", SCENARIO)
    assert "  new: 1,000 people" in shown(capsys, "HEAD:scenarios", "scenarios")


ENVIRONMENT = """\
version: 1
name: e
chain:
  rpc: "http://{{ env.NODE }}:8545"
  spec: evm:byzantium:8996
  registry: "0xea6225212005e86a4490018ded4bf37f3e772161"
  signer: {private_key: "file:key"}
"""


def test_environments_are_compared_without_showing_what_variables_hold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE", "hidden.example.org")
    before = written("a.yaml", ENVIRONMENT)
    out = shown(capsys, before, written("b.yaml", ENVIRONMENT.replace("8545", "8546") + "  confirmations: 3\n"))
    assert out.splitlines()[1:] == [
        "  chain.rpc http://{{ env.NODE }}:8545 -> http://{{ env.NODE }}:8546",
        "  chain.confirmations 0 -> 3",
    ]
    assert diff(before, written("c.yaml", "# why\n" + ENVIRONMENT), "text") is ExitCode.OK


def test_an_invalid_file_is_named_as_it_was_given() -> None:
    written("a.yaml", SCENARIO + "gass: 1\n")
    committed()
    written("a.yaml", SCENARIO)
    with pytest.raises(InvalidError) as caught:
        diff("HEAD:a.yaml", "a.yaml", "text")
    assert "--> HEAD:a.yaml:5:1" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("before", ["nothing.yaml", "HEAD:nothing.yaml", "nowhere:a.yaml", "--help:a.yaml"])
def test_what_is_not_there_is_a_mistake(before: str) -> None:
    written("a.yaml", SCENARIO)
    committed()
    with pytest.raises(InvalidError):
        diff(before, "a.yaml", "text")


def test_a_million_people_are_not_counted_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    before = written("a.yaml", SCENARIO.replace("1000", "1000000"))
    after = written("b.yaml", SCENARIO.replace("1000", "9000000"))
    assert "+8,000,000 people, +31,965,600 transactions, +2.43 T gas" in shown(capsys, before, after)
