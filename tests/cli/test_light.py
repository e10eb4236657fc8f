"""A command loads no more than it needs. Nothing is timed here: ``tests/benchmarks/test_startup.py`` does that."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.commands import command_environment

ROOT = Path(__file__).parent.parent.parent
#: Takes long to load, and is not needed to say that a file is valid.
HEAVY = (
    *(
        "Crypto",
        "bcrypt",
        "celery",
        "coincurve",
        "cryptography",
        "eth_abi",
        "eth_account",
        "eth_utils",
        "faker",
        "jinja2",
    ),
    *(
        "jsonschema",
        "kombu",
        "phonenumbers",
        "psycopg2",
        "pysequoia",
        "redis",
        "referencing",
        "requests",
        "rich.console",
        "rlp",
    ),
    *("eth_hash", "sha3", "sqlite3", "ssl", "urllib3", "web3"),
    *(f"cicscenario.{room}" for room in ("engine", "legacy", "plan", "report", "sandbox", "serve")),
    *(
        f"cicscenario.{module}"
        for module in ("chain.rpc", "chain.session", "chain.ledger", "state.store", "people.pins")
    ),
    *(f"cicscenario.services.{module}" for module in ("accounts", "custodial", "meta", "ussd")),
    *(f"cicscenario.language.{module}" for module in ("descriptions", "mends", "misplaced", "template", "violations")),
)
_PROGRAM = """
import contextlib, json, sys
from cicscenario.cli.app import app
with contextlib.suppress(SystemExit):
    app(prog_name="cicscenario")
print(json.dumps(sorted(sys.modules)))
"""


def loaded(home: Path, *words: str) -> set[str]:
    """The modules that a command has loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *words],
        env=command_environment(home),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    said, _, modules = done.stdout.rstrip().rpartition("\n")
    assert "valid" in said, done.stdout + done.stderr
    return set(json.loads(modules))


def heavy(modules: set[str]) -> list[str]:
    works = {name for name in modules if ".work." in name and name.startswith("cicscenario.")}
    return sorted(modules & {*HEAVY} | works)


def test_nothing_heavy_is_loaded_for_a_valid_file(tmp_path: Path) -> None:
    assert heavy(loaded(tmp_path, "validate", "scenarios/eth-1k.yaml")) == []


def test_what_a_file_needs_is_loaded_for_it(tmp_path: Path) -> None:
    """Otherwise the test above could not fail. This scenario has expressions, and its people join by phone."""
    file = tmp_path / "needs.yaml"
    text = "version: 1\nname: needs\nvars: {a: 2}\npopulation: {size: '{{ a * 3 }}', seed: 1}\nbackend: cic_ussd\n"
    file.write_text(text)
    modules = heavy(loaded(tmp_path, "validate", str(file)))
    assert {"cicscenario.backends.work.joining", "cicscenario.language.template", "jinja2", "phonenumbers"} <= {
        *modules
    }
    assert {"jsonschema", "redis", "requests"}.isdisjoint(modules)
