"""People pay each other by the custodial engine: each payment is made, and the independent checker finds it."""

from pathlib import Path

import pytest

from cicscenario.chain.abi import to_hex
from tests.oracle import baseline, judge, place_of
from tests.support.sandboxes import Run, Sandbox

pytestmark = pytest.mark.slow

SCENARIO = """
version: 1
name: paying
population: {size: 12, seed: 5}
gift: {threshold: 200}
backend: {kind: cic_eth, patience: 60}
traffic: {payments: 60, span: 30 days, overdrafts: 10%}
environment: sandbox
"""


@pytest.fixture
def run(engine: Sandbox, tmp_path: Path) -> Run:
    path = tmp_path / "paying.yaml"
    path.write_text(SCENARIO)
    return Run(engine, path, tmp_path / "run")


def test_each_payment_is_made_and_everybody_has_what_the_plan_says(run: Run) -> None:
    place = place_of(run.box.environment, to_hex(run.box.session().signer.address))
    before = baseline(place)
    done = run.command()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "traffic: 0 errors of 12" in done.stdout
    assert "balance: 0 errors of 12" in done.stdout
    assert judge(run.scenario, place, run.place, before).lines() == []
    lines = [line.split(",") for line in (run.place / "payments.csv").read_text().splitlines()[1:]]
    assert [int(line[0]) for line in lines] == list(range(60))
    assert [line[5] for line in lines].count("refused") == 6
    assert len({line[6] for line in lines}) == 60
    assert "traffic" not in run.report()["transactions"], "the run itself has sent none of them"
    height = run.box.block()
    again = run.command()
    assert "nothing to do: 12 of 12 people" in again.stdout
    assert run.box.block() == height
