"""A public network needs a word in the environment file, before anything else is done with the file."""

from pathlib import Path

import pytest

from cicscenario.errors import ExitCode
from cicscenario.language import DiagnosticsError, load_environment
from tests.support.commands import cicscenario
from tests.support.scenarios import written

CHAIN = """chain:
  rpc: http://127.0.0.1:9
  spec: {spec}
  registry: "0xea6225212005e86a4490018ded4bf37f3e772161"
  signer: {{private_key: "file:key"}}
"""
SPEC = "spec: {spec}\n"


def environment(folder: Path, form: str, spec: str, more: str = "") -> Path:
    path = folder / "place.yaml"
    path.write_text(f"version: 1\nname: place\n{form.format(spec=spec)}{more}")
    return path


@pytest.mark.parametrize("form", [CHAIN, SPEC], ids=["chain", "spec"])
@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("evm:london:1:ethereum", "chain 1 is a public network, Ethereum Mainnet"),
        ("evm:byzantium:8995:bloxberg", "chain 8995 is a public network, bloxberg"),
        ("evm:london:11155111", "chain 11155111 is a public network, Sepolia"),
        ("evm:london:42220:celo", "chain 42220 is a public network, Celo Mainnet"),
    ],
)
def test_a_public_network_is_refused_with_its_name_and_what_to_write(
    tmp_path: Path, form: str, spec: str, name: str
) -> None:
    with pytest.raises(DiagnosticsError) as caught:
        load_environment(environment(tmp_path, form, spec))
    (problem,) = caught.value.diagnostics
    assert problem.message.startswith(name)
    assert problem.source_line.strip() == f"spec: {spec}"
    assert problem.expected == f"`public_network: {spec.split(':')[2]}` in this file, if that is meant"
    assert caught.value.exit_code is ExitCode.INVALID


@pytest.mark.parametrize("form", [CHAIN, SPEC], ids=["chain", "spec"])
def test_with_the_word_it_is_taken(tmp_path: Path, form: str) -> None:
    path = environment(tmp_path, form, "evm:london:1:ethereum", "public_network: 1\n")
    assert load_environment(path).public_network == 1


def test_the_word_is_for_one_network(tmp_path: Path) -> None:
    """A file that was copied for another network asks again, also for one that nobody knows."""
    for spec in ("evm:london:100:gnosis", "evm:byzantium:8996:bloxberg"):
        with pytest.raises(DiagnosticsError, match="`public_network` is 1, and the chain is"):
            load_environment(environment(tmp_path, CHAIN, spec, "public_network: 1\n"))


@pytest.mark.parametrize("value", ["true", "yes", "'1'", "0", "-1", "1.5", "[1]"])
def test_only_a_number_is_a_word(tmp_path: Path, value: str) -> None:
    with pytest.raises(DiagnosticsError, match="public_network"):
        load_environment(environment(tmp_path, CHAIN, "evm:london:1:ethereum", f"public_network: {value}\n"))


@pytest.mark.parametrize("spec", ["evm:byzantium:8996:bloxberg", "evm:byzantium:20220129:own"])
def test_a_chain_of_ones_own_needs_none(tmp_path: Path, spec: str) -> None:
    assert load_environment(environment(tmp_path, CHAIN, spec)).public_network is None


@pytest.mark.parametrize("command", ["run", "plan"])
def test_no_command_asks_anybody_before(tmp_path: Path, command: str) -> None:
    """The node at the address would be refused with exit code 3; the answer is 2, and no question at the terminal."""
    path = environment(tmp_path, CHAIN, "evm:london:1:ethereum")
    done = cicscenario(tmp_path / "home", command, str(written(tmp_path)), "--env", str(path))
    assert done.returncode == ExitCode.INVALID, done.stderr
    assert "chain 1 is a public network, Ethereum Mainnet" in done.stderr
    assert "public_network: 1" in done.stderr
