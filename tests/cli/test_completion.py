"""What the shell offers, as it asks for it."""

import os
import subprocess
import sys

import pytest

from cicscenario.checks import all_checks
from cicscenario.cli import completion, options
from cicscenario.report import all_forms
from cicscenario.review import findings
from cicscenario.sandbox.nodes import NODES
from cicscenario.sandbox.pace import PACES
from cicscenario.sandbox.packages import PACKAGES
from cicscenario.steps import all_steps

SHELL = "import sys; sys.argv[:] = ['cicscenario']; from cicscenario.cli.app import main; main()"


def offered(*words: str) -> list[str]:
    asked = {"COMP_WORDS": " ".join(["cicscenario", *words]), "COMP_CWORD": str(len(words))}
    done = subprocess.run(
        [sys.executable, "-c", SHELL],
        env=os.environ | asked | {"_CICSCENARIO_COMPLETE": "complete_bash"},
        capture_output=True,
        text=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["run", "a.yaml", "--until", "g"], ["gift", "gas"]),
        (["run", "a.yaml", "--since", "acc"], ["accounts"]),
        (["run", "a.yaml", "--only", "pi"], ["pins"]),
        (["run", "a.yaml", "--node", ""], ["embedded", "anvil"]),
        (["stack", "up", "--contracts", ""], ["classic", "latest"]),
        (["stack", "up", "--pace", ""], ["fast", "real"]),
        (["stack", "logs", "c"], ["custodial"]),
        (["stack", "up", "--service", "po"], ["postgres"]),
        (["stack", "faults", "set", "meta.s"], ["meta.strict"]),
        (["stack", "env", "--format", "d"], ["dotenv"]),
        (["verify", "a.yaml", "--include", "b"], ["balance"]),
        (["verify", "a.yaml", "--exclude", "accounts"], ["accounts_index"]),
        (["new", "a.yaml", "--backend", "cic"], ["cic_eth", "cic_ussd"]),
        (["new", "a.yaml", "--metadata", "p"], ["person", "phone", "preferences"]),
        (["explain", "environment.chain.sp"], ["environment.chain.spec"]),
        (["explain", "pins.s"], ["pins.scheme"]),
        (["explain", "S001"], ["S001"]),
        (["plan", "a.yaml", "--format", ""], ["text", "json"]),
        (["report", "a.yaml", "--format", "j"], ["junit", "json"]),
    ],
)
def test_values_are_offered(words: list[str], values: list[str]) -> None:
    assert offered(*words) == values


def test_the_names_kept_here_are_those_of_the_registries() -> None:
    assert completion.steps() == [step.name for step in all_steps()]
    assert list(completion.NODES) == list(NODES)
    assert list(completion.CONTRACTS) == list(PACKAGES)
    assert completion.PACES == PACES
    assert completion.checks() == [check.name for check in all_checks()]
    assert completion.reports() == [form.name for form in all_forms()]
    assert list(options.FindingsForm) == ["text", *findings.FORMATS]
