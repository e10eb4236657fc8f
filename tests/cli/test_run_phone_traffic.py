"""People pay each other by their phones: each payment is made once, also by a run whose state has forgotten all of them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.chain.abi import to_hex
from cicscenario.files import own_folder
from cicscenario.people.pins import Pins
from cicscenario.sandbox import stack
from tests.oracle import baseline, judge, place_of
from tests.support.sandboxes import Run, Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SCENARIO = """
version: 1
name: village
population: {size: 8, seed: 5, languages: {en: 3, sw: 3, kik: 1, bor: 1}}
gift: {threshold: 200}
backend: {kind: cic_ussd, patience: 60}
pins: {scheme: bcrypt, cost: 4}
ussd_data: true
environment: sandbox
"""
TRAFFIC = "traffic: {payments: 30, span: 30 days, overdrafts: 10%}\n"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    home = tmp_path / "home"
    own_folder(home)  # as the command line makes it
    up = stack.up(home, services=("node", "custodial", "meta", "ussd"))
    scenario = tmp_path / "village.yaml"
    scenario.write_text(SCENARIO)
    yield Run(Sandbox(home, up.environment), scenario, tmp_path / "run")
    stack.down(home, purge=True)


def test_payments_by_phone_are_made_once_and_those_that_a_copy_of_the_state_lacks_are_found(run: Run) -> None:
    place = place_of(run.box.environment, to_hex(run.box.session().signer.address))
    before = baseline(place)
    assert run.command().returncode == 0
    shutil.copytree(run.place, run.place.with_name("earlier"))
    run.scenario.write_text(SCENARIO + TRAFFIC)
    done = run.command()
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{check}: 0 errors of 8" in done.stdout for check in ("traffic", "balance", "statement", "ussd"))
    assert judge(run.scenario, place, run.place, before).lines() == []
    lines = [line.split(",") for line in (run.place / "payments.csv").read_text().splitlines()[1:]]
    assert [int(line[0]) for line in lines] == list(range(30))
    assert [line[6] for line in lines if line[5] == "refused"] == [""] * 3, "the phone refuses before a transaction"
    pins = Pins(5)
    shown = (run.place / "report.json").read_text() + done.stdout + done.stderr
    assert not any(f" {pins.pin(person)} " in shown for person in range(8))

    shutil.rmtree(run.place)
    run.place.with_name("earlier").rename(run.place)
    again = run.command()
    assert again.returncode == 0, again.stdout + again.stderr
    assert judge(run.scenario, place, run.place, before).lines() == []
    thorough = run.box.command(
        "verify", str(run.scenario), "--dir", str(run.place), "--env", str(run.box.environment), "--thorough"
    )
    assert "statement: 0 errors of 8" in thorough.stdout
