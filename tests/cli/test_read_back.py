"""A run does not ask again about what it has read back after writing, says so, and asks when it is told to."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cicscenario.chainspec import ChainSpec
from cicscenario.people.generator import Generator
from cicscenario.people.person import identified
from tests.support.openpgp_keys import PASSPHRASE, WRITER
from tests.support.stub_meta import StubMeta

SIZE = 3
CHECKS = ("metadata", "metadata_phone", "metadata_preferences", "metadata_custom")


@pytest.fixture
def server() -> Iterator[StubMeta]:
    with StubMeta() as server:
        yield server


def hex_file(folder: Path, key: bytes, document: Any) -> None:
    name = key.hex().upper()
    path = folder / name[:2] / name[2:4] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def data_directory(folder: Path) -> None:
    """People whom the old tools have imported, with accounts."""
    people = Generator(
        seed=1, locales=("en_US",), region="KE", languages=(("en", 1),), tags=("individual",), gift_threshold=5
    )
    balances = []
    for number in range(SIZE):
        person, account = people.person(number), bytes([1, number]) * 10
        hex_file(folder / "src", person.old_address, person.document)
        imported = identified(person.document, ChainSpec.parse("evm:byzantium:8996:bloxberg"), account)
        hex_file(folder / "new", account, imported)
        balances.append(f"{person.old_address.hex()},{person.gift * 10**6}\n")
    (folder / "balances.csv").write_text("".join(balances))
    (folder / "tags.csv").write_text("")


def run(folder: Path, server: StubMeta, command: str = "run", checks: str = "{}") -> tuple[str, dict[str, Any], int]:
    """What the command says, its report, and how many look-ups the server got."""
    if not (folder / "data").exists():
        data_directory(folder / "data")
        (folder / "key.asc").write_text(WRITER)
        (folder / "passphrase").write_text(PASSPHRASE)
    (folder / "here.yaml").write_text(
        "version: 1\nname: here\nspec: evm:byzantium:8996:bloxberg\n"
        f"meta: {{url: '{server.url}', key: 'file:key.asc', passphrase: 'file:passphrase'}}\n"
    )
    (folder / "people.yaml").write_text(
        "version: 1\nname: people\npopulation: {from: data}\nbackend: existing\nenvironment: here.yaml\n"
        f"metadata: [person, phone, preferences, custom]\nchecks: {checks}\n"
    )
    before = len(server.bodies("GET"))
    done = subprocess.run(
        [sys.executable, "-m", "cicscenario", command, folder / "people.yaml", "--dir", folder / "run"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return (
        done.stdout + done.stderr,
        json.loads((folder / "run" / "report.json").read_text()),
        len(server.bodies("GET")) - before,
    )


def of_checks(report: dict[str, Any]) -> dict[str, int]:
    """How many people each metadata check did not ask about."""
    return {check["name"]: check.get("read_back", 0) for check in report["checks"] if check["name"] in CHECKS}


def test_a_run_says_what_it_has_read_back_and_a_verification_asks(tmp_path: Path, server: StubMeta) -> None:
    said, report, looks = run(tmp_path, server)
    for name in CHECKS:
        assert f"{name}: 0 errors of {SIZE} ({SIZE} read back after writing in this run)" in said
    assert of_checks(report) == dict.fromkeys(CHECKS, SIZE)
    said, report, again = run(tmp_path, server, "verify")
    assert "read back" not in said
    assert of_checks(report) == dict.fromkeys(CHECKS, 0)
    assert again >= 4 * SIZE
    few = 4 + len(CHECKS)  # those of the preflight, and one person of each check
    assert looks - 8 * SIZE <= few, "a look before each write and one after it"


def test_a_run_that_is_told_to_asks_again(tmp_path: Path, server: StubMeta) -> None:
    said, report, looks = run(tmp_path, server, checks="{read_again: true}")
    assert "read back" not in said
    assert of_checks(report) == dict.fromkeys(CHECKS, 0)
    assert looks >= 12 * SIZE
