"""Figures of whole runs: as JSON, beside the machine and the versions that they are of, and as a page with a table."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cicscenario.sandbox.nodes import FORMS, anvil_path

#: Packages whose versions change the figures.
PACKAGES = ("celery", "coincurve", "psycopg2-binary", "pyrevm", "redis", "requests", "web3")
SERVICES = ("chain", "custodial", "ussd", "meta", "accounts")
COLUMNS = (
    "work", "node", "people", "version", "seconds", "people/s", "ceiling", "ratio", "MiB", "CPU, ms", "requests a person",
)  # fmt: skip
HEAD = """# What was measured

Whole runs, each with all of its checks, in a sandbox that was new and on a machine that did nothing else. The file
[`measured.json`](measured.json) has the same figures, the machine and the versions.

- **seconds**: the whole command, in a sandbox that was up.
- **people/s**: by the longest step, without start, checks and reports.
- **ceiling**: people a second that the same node takes from the best of several clients that send nothing but transactions which
  were signed before; **ratio**: the runner's share of it.
- **MiB**: the runner's peak memory. **CPU**: milliseconds of a processor that the runner takes for a person.
- **requests a person**: HTTP requests, statements of PostgreSQL and commands of Redis, as `report.json` counts them. A request to
  the chain has many calls.

"""
FOOT = """
`python -m tests.benchmarks.table docs` measures again and writes both files. `--before CHECKOUT` measures another version of the
project in the same way, too; without it the figures of that version stay as they are. The benchmarks below write theirs with
`CICSCENARIO_BENCHMARK_NOTES=docs`.
"""
#: Where benchmarks write their figures: the folder of both files. Nowhere without it.
NOTES = "CICSCENARIO_BENCHMARK_NOTES"


@dataclass(frozen=True)
class Figures:
    """One run: ``rate`` and ``ceiling`` are people a second, ``memory`` is MiB.

    ``processor`` (milliseconds) and ``requests`` (by service) are of one person.
    """

    seconds: float
    rate: float
    memory: float
    processor: float
    requests: Mapping[str, float]
    ceiling: float | None = None

    def cells(self) -> list[str]:
        ratio = f"{self.rate / self.ceiling:.2f}" if self.ceiling else ""
        asked = ", ".join(f"{name} {self.requests[name]:.3g}" for name in SERVICES if name in self.requests)
        top = f"{self.ceiling:,.0f}" if self.ceiling else ""
        return [
            f"{self.seconds:.1f}",
            f"{self.rate:,.0f}",
            top,
            ratio,
            f"{self.memory:.0f}",
            f"{self.processor:.2f}",
            asked,
        ]


@dataclass(frozen=True)
class Row:
    """What was done by how many people on which node, and what it took: now, and in the version before."""

    work: str
    node: str
    people: int
    now: Figures
    before: Figures | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        return self.work, self.node, self.people

    def lines(self) -> list[str]:
        head = [self.work, self.node, f"{self.people:,}"]
        found = [[*head, "now", *self.now.cells()]]
        if self.before:
            found.insert(0, [*head, "before", *self.before.cells()])
        return [f"| {' | '.join(cells)} |" for cells in found]


def document(rows: Sequence[Row], before: str | None, notes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The content of ``measured.json``. ``before`` names the version that the rows' ``before`` are of; see ``noted``."""
    return {
        "machine": machine(),
        "versions": versions(),
        "before": before,
        "rows": [asdict(row) for row in rows],
        "notes": dict(notes or {}),
    }


def noted(name: str, command: str, figures: Mapping[str, str]) -> None:
    """Adds what a benchmark has measured to both files in the folder that ``NOTES`` names: texts by what they are of."""
    if not (folder := os.environ.get(NOTES)):
        return
    found = json.loads((Path(folder) / "measured.json").read_text())
    before = found["notes"].get(name, {}).get("figures", {})
    found["notes"][name] = {"command": command, "figures": before | dict(figures)}
    written(Path(folder), found)


def rows_of(found: Mapping[str, Any]) -> list[Row]:
    """The rows of a document."""
    return [
        Row(
            one["work"],
            one["node"],
            one["people"],
            Figures(**one["now"]),
            Figures(**one["before"]) if one["before"] else None,
        )
        for one in found["rows"]
    ]


def page(found: Mapping[str, Any]) -> str:
    """The page of a document."""
    head = f"| {' | '.join(COLUMNS)} |\n|:--|:--|--:|:--|{'--:|' * (len(COLUMNS) - 5)}:--|\n"
    lines = [line for row in rows_of(found) for line in row.lines()]
    machine, versions = found["machine"], ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    said = f"On {machine['processors']} processors ({machine['processor']}), {machine['memory']:,} MiB, {machine['system']}."
    before = f' "Before" is version {found["before"]}.' if found["before"] else ""
    notes = "".join(_section(name, **note) for name, note in found["notes"].items())
    return f"{HEAD}{head}{chr(10).join(lines)}\n\n{said} With {versions}.{before}\n{FOOT}{notes}"


def _section(name: str, command: str, figures: Mapping[str, str]) -> str:
    lines = "\n".join(f"| {what} | {text} |" for what, text in figures.items())
    return f"\n## {name}\n\n`{command}`\n\n| what | measured |\n|:--|:--|\n{lines}\n"


def machine() -> dict[str, Any]:
    """This machine: processor, how many, memory in MiB, system."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) // 1024 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    return {
        "processor": names[0] if names else platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "memory": memory[0],
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
    }


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    found = {"Python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    if anvil_path():
        found["anvil"] = FORMS["anvil"]().split()[-1]
    return found


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def written(folder: Path, found: Mapping[str, Any]) -> None:
    """Writes both files."""
    (folder / "measured.json").write_text(json.dumps(found, indent=2) + "\n")
    (folder / "measured.md").write_text(page(found))
