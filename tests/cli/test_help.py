"""Help lists the names that options take, and stays light."""

import subprocess
import sys

import pytest

from cicscenario.backends import all_backends
from cicscenario.checks import all_checks
from cicscenario.cli import completion
from cicscenario.cli.helpnames import NAMES
from cicscenario.metadata import all_kinds
from cicscenario.report import all_forms
from cicscenario.sandbox.faultnames import FAULTS
from cicscenario.sandbox.services import SERVICES
from cicscenario.steps import all_steps

HEAVY = ("rich", "jinja2", "jsonschema", "requests", "redis", "web3", "cicscenario.chain", "cicscenario.steps")


def test_the_names_are_those_that_are_declared() -> None:
    """Installed packages may add some; those of this package are the first of each."""
    declared = {
        "STEP": [step.name for step in all_steps()],
        "CHECK": [check.name for check in all_checks()],
        "KIND": [backend.kind for backend in all_backends()],
        "KIND,...": [kind.name for kind in all_kinds()],
        "FORM": [form.name for form in all_forms()],
        "SERVICE": list(SERVICES),
        "SERVICE.NAME[=VALUE]": list(FAULTS),
        "SERVICE.NAME": list(FAULTS),
    }
    assert {kind: names() for kind, names in NAMES.items()} == declared
    assert tuple(declared["STEP"]) == completion.STEPS


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["run"], ["--until", "registration", "metadata_custom"]),
        (["verify"], ["--include", "accounts_index", "ussd_data"]),
        (["new"], ["--backend", "cic_ussd", "--metadata", "preferences"]),
        (["report"], ["--format", "openmetrics"]),
        (["stack", "up"], ["--service", "postgres", "--fault", "custodial.signer-down"]),
        (["stack", "logs"], ["SERVICE", "custodial"]),
        (["stack", "faults", "clear"], ["SERVICE.NAME", "ussd.error-every"]),
    ],
)
def test_help_lists_what_an_option_takes_and_loads_nothing_for_it(command: list[str], words: list[str]) -> None:
    program = (
        "import sys, contextlib\n"
        "from cicscenario.cli.app import app\n"
        "with contextlib.suppress(SystemExit):\n"
        "    app(prog_name='cicscenario')\n"
        f"print(*(name for name in {HEAVY} if name in sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *command, "--help"], capture_output=True, text=True)
    assert done.stderr.strip() == ""
    text = done.stdout.replace("\n", "").replace(" ", "")
    for word in words:
        assert word in text
