"""Measures whole runs, and writes ``measured.md`` and ``measured.json`` into a folder.

``python -m tests.benchmarks.table docs [--before CHECKOUT]``, on a machine that does nothing else; 10 minutes for each version.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from cicscenario.sandbox import stack
from cicscenario.sandbox.nodes import anvil_path
from tests.benchmarks.ceiling import ceiling
from tests.benchmarks.figures import Figures, Row, document, rows_of, written
from tests.benchmarks.memory import peak_memory
from tests.support.commands import command_environment, command_line
from tests.support.sandboxes import Sandbox

ROOT = Path(__file__).parents[2]
OWN_KEYS = """
version: 1
name: own-keys
population: {size: 1000, seed: 5}
gift: {threshold: 200}
backend: {kind: eth, keystore: {kdf: none}}
environment: sandbox
"""
CHAIN = ("node",)


@dataclass(frozen=True)
class Work:
    """A run to measure. ``scenario`` is a file of the project, or the text of one; ``services`` are those that it needs."""

    name: str
    node: str
    people: int
    scenario: Path | str
    services: tuple[str, ...] = ()

    @property
    def has_ceiling(self) -> bool:
        """Whether it sends nothing but transactions, so that the node can be what limits it."""
        return self.services == CHAIN


def works() -> list[Work]:
    """All works; those on anvil only where it is."""
    nodes = ("embedded", "anvil") if anvil_path() else ("embedded",)
    chain = [Work("keys of their own", node, people, OWN_KEYS, CHAIN) for node in nodes for people in (1_000, 10_000)]
    by_engine = Work("keys in the engine", "embedded", 1_000, ROOT / "scenarios" / "custodial-1k.yaml")
    return [*chain, by_engine, Work("by phone", "embedded", 1_000, ROOT / "scenarios" / "ussd-1k.yaml")]


def measured(work: Work, home: Path, checkout: Path) -> Figures:
    """What a work takes in a new sandbox of the version in ``checkout``; this version asks for the ceiling."""
    home.mkdir()
    there = command_environment(home) | {"PYTHONPATH": str(checkout)}
    only = [part for service in work.services for part in ("--service", service)]
    up = command_line("stack", "up", "--node", work.node, "--contracts", "classic", *only)
    try:
        subprocess.run(up, env=there, cwd=checkout, check=True, stdout=subprocess.DEVNULL)
        figures = of_run(work, home, there, checkout)
        if not work.has_ceiling:
            return figures
        top = ceiling(Sandbox(home, home / "sandbox" / "environment.yaml"), min(work.people, 1_000))
        return replace(figures, ceiling=top.rate)
    finally:
        stack.down(home, purge=True)


def of_run(work: Work, home: Path, there: dict[str, str], checkout: Path) -> Figures:
    """The figures of one run, without a ceiling. Raises AssertionError when not everybody arrived."""
    path = home / "own-keys.yaml"
    if isinstance(work.scenario, Path):
        path = work.scenario
    else:
        path.write_text(work.scenario)
    line = command_line("run", str(path), "--set", f"population.size={work.people}", "--dir", str(home / "run"))
    before, began = os.times(), time.monotonic()
    process = subprocess.Popen(line, env=there, cwd=checkout, stdout=subprocess.DEVNULL)
    memory = 0.0
    while process.poll() is None:
        memory = max(memory, peak_memory(process.pid))
        time.sleep(0.02)
    seconds, used = time.monotonic() - began, os.times()
    assert process.returncode == 0
    report = json.loads((home / "run" / "report.json").read_text())
    assert all(check["errors"] == 0 for check in report["checks"])
    processor = used.children_user + used.children_system - before.children_user - before.children_system
    return Figures(
        seconds=round(seconds, 2),
        rate=round(work.people / max(step["seconds"] for step in report["steps"]), 1),
        memory=round(memory, 1),
        processor=round(processor / work.people * 1000, 3),
        requests={name: round(one["requests"] / work.people, 4) for name, one in report["traffic"].items()},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--before", type=Path, metavar="CHECKOUT")
    chosen = parser.parse_args()
    path = chosen.folder / "measured.json"
    known = json.loads(path.read_text()) if path.exists() else {"rows": [], "before": None, "notes": {}}
    earlier, name = {row.key: row.before for row in rows_of(known)}, known["before"]
    rows = []
    with tempfile.TemporaryDirectory(prefix="table") as top:
        for number, work in enumerate(works()):
            row = Row(work.name, work.node, work.people, measured(work, Path(top) / f"{number}", ROOT))
            before = earlier.get(row.key)
            if chosen.before:
                before = measured(work, Path(top) / f"{number}-before", chosen.before.absolute())
            rows.append(replace(row, before=before))
            print("\n".join(rows[-1].lines()), flush=True)
    if chosen.before:
        said = subprocess.run(
            ["git", "describe", "--always"], cwd=chosen.before, capture_output=True, text=True, check=True
        )
        name = said.stdout.strip()
    written(chosen.folder, document(rows, name, known["notes"]))


if __name__ == "__main__":
    main()
