"""The page of a real run: while it is under way, after it was killed, and when it has ended."""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.commands import command_environment, command_line
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCENARIO = """\
version: 1
name: watched
population: {size: 400, seed: 5}
gift: {threshold: 200}
backend: {kind: eth, keystore: {kdf: none}}
environment: sandbox
"""


@contextmanager
def started(home: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command and the address of its page."""
    process = subprocess.Popen(
        command_line(*arguments),
        env=command_environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert "http://127.0.0.1:" in line, process.communicate()
        yield process, next(word for word in line.split() if word.startswith("http://"))
    finally:
        process.kill()
        process.communicate()


def page(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return answer.read().decode()


def test_a_run_is_watched_killed_and_resumed(tmp_path: Path) -> None:
    home, scenario = tmp_path / "home", tmp_path / "watched.yaml"
    scenario.write_text(SCENARIO)
    run = home / "runs" / "watched"
    with started(home, "run", str(scenario), "--keep", "--serve") as (process, address):
        eventually(lambda: "<strong>Under way</strong>" in page(address) and (run / "progress.json").exists())
        process.send_signal(signal.SIGKILL)
        process.wait()
    with started(home, "watch", str(scenario)) as (process, address):
        text = page(address)
        assert "<strong>Killed: it ended without a report</strong>" in text
        assert "To go on: <code>cicscenario run " in text
        with started(home, "run", str(scenario), "--serve") as (resumed, own):
            eventually(lambda: "<strong>Everybody arrived</strong>" in page(own))
            out, err = resumed.communicate(timeout=120)
            assert resumed.returncode == 0, out + err
        eventually(lambda: "<strong>Everybody arrived</strong>" in page(address))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    timeline = json.loads((run / "progress.json").read_text())["timeline"]
    assert len(timeline["sessions"]) == 2
    assert timeline["sessions"][0]["by"].endswith(f"@{os.uname().nodename}")
    done = {name: sum(row[1] for row in track["buckets"]) for name, track in timeline["tracks"].items()}
    assert 0 < done["population"] <= 400
    assert "in 2 sessions" in (run / "report.html").read_text()
    subprocess.run(command_line("stack", "down", "--purge", "--yes"), env=command_environment(home), check=False)
