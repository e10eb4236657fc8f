"""A run keeps the limits of its environment: at most one request at a time, and no more a second than is said."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.sandboxes import Run, Sandbox

RATE, BURST = 25, 5


@pytest.mark.slow
def test_one_at_a_time_and_no_more_a_second(sandbox_of: Callable[..., Sandbox], scenario: Path, tmp_path: Path) -> None:
    box = sandbox_of(services=["node", "meta"])
    limited = tmp_path / "limited.yaml"
    limited.write_text(
        f"version: 1\nname: limited\nextends: {box.environment}\n"
        f"meta: {{limits: {{rate: {RATE}, burst: {BURST}, concurrency: 1}}}}\nchain: {{limits: {{concurrency: 1}}}}\n"
    )
    scenario.write_text(f"{scenario.read_text()}metadata: [person, phone]\n")
    run = Run(box, scenario, tmp_path / "run")
    done = run.command("--env", str(limited), "--set", "population.size=20")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((run.place / "report.json").read_text())
    meta = report["traffic"]["meta"]
    assert meta["requests"] > 100
    assert report["seconds"] >= (meta["requests"] - BURST) / RATE
    assert meta["waited"] > 0
