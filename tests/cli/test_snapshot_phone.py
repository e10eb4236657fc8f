"""A whole stack with people who joined by phone is saved and deleted, and is back twice: under two home folders at once."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from cicscenario.errors import ExitCode
from cicscenario.sandbox import stack
from cicscenario.sandbox.record import RECORD, Record, read_record
from cicscenario.sandbox.services import SERVICES
from cicscenario.sandbox.snapshot.contents import SANDBOX, expected, left_out
from tests.oracle import Baseline, Place, baseline, judge, place_of
from tests.support.commands import cicscenario, command_environment, command_line
from tests.support.sandboxes import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SCENARIO = """
version: 1
name: phone
population: {size: 6, seed: 11}
gift: {threshold: 200}
backend: {kind: cic_ussd, patience: 60}
metadata: [person, phone, preferences, custom]
pins: {scheme: bcrypt, cost: 4}
ussd_data: true
environment: sandbox
"""
#: Files of a sandbox that are in no snapshot, since each start makes them or they are of this machine only.
MADE_ANEW = (RECORD, "environment.yaml", "*.lock", "*.log", "users/*", "tmp/*", "postgres/programs/*")


@dataclass
class Homes:
    """The home in which the people were made, whose sandbox was deleted, and another: both have it from the snapshot."""

    scenario: Path
    first: Path
    second: Path
    before: Record  #: of the sandbox that was saved
    environment: str  #: its environment file
    since: Baseline

    @property
    def both(self) -> tuple[Path, Path]:
        return self.first, self.second

    def at_once(self, *arguments: str) -> list[str]:
        """Runs a command in both homes at the same time, and gives what each has said."""
        both = [
            subprocess.Popen(
                command_line(*arguments), env=command_environment(home), stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True,
            )
            for home in self.both
        ]  # fmt: skip
        said = [process.communicate(timeout=400)[0] for process in both]
        assert [process.returncode for process in both] == [ExitCode.OK] * 2, said
        return said


def record(home: Path) -> Record:
    found = read_record(home / "sandbox" / RECORD)
    assert found
    return found


def place(environment: Path) -> Place:
    session = Sandbox(environment.parent.parent, environment).session()
    return place_of(environment, f"0x{session.signer.address.hex()}")


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    folder = tmp_path_factory.mktemp("homes")
    scenario, first, saved = folder / "phone.yaml", folder / "first", folder / "shared" / "phone.zst"
    scenario.write_text(SCENARIO)
    try:
        environment = stack.up(first, services=SERVICES).environment
        since = replace(baseline(place(environment)), block=-1)
        made = Homes(scenario, first, folder / "second", record(first), environment.read_text(), since)
        done = cicscenario(first, "run", str(scenario), "--save", str(saved))
        assert done.returncode == ExitCode.OK, done.stderr
        stack.down(first, purge=True)
        made.at_once("stack", "up", "--from", str(saved))
        yield made
    finally:
        for home in (first, folder / "second"):
            stack.down(home, purge=True)


def files_of(folder: Path) -> dict[str, Path]:
    """The files of a sandbox by name; the link to the database's folder is followed."""
    found = {}
    for top, _, names in os.walk(folder, followlinks=True):
        for name in names:
            found[str((Path(top) / name).relative_to(folder))] = Path(top) / name
    return found


def test_whatever_is_in_a_sandbox_is_saved_or_known_to_be_made_anew(homes: Homes) -> None:
    is_expected, is_left_out = expected(SERVICES, ()), left_out(SERVICES)
    names = files_of(homes.first / "sandbox")
    forgotten = [
        name
        for name in names
        if not is_expected(f"{SANDBOX}/{name}")
        and not is_left_out(f"{SANDBOX}/{name}")
        and not any(fnmatchcase(name, pattern) for pattern in MADE_ANEW)
    ]
    assert forgotten == [], "name it in `kept` of its service, or here"
    assert sum(is_expected(f"{SANDBOX}/{name}") for name in names) > 100


def test_no_file_names_a_port_or_a_path_of_the_sandbox_that_was_saved(homes: Homes) -> None:
    ports = homes.before.ports
    assert set(ports) == set(SERVICES)
    numbers = "|".join(map(str, ports.values())).encode()
    address = re.compile(rb"127\.0\.0\.1:(%b)\b|port=(%b)\b" % (numbers, numbers))
    for home in homes.both:
        assert not set(record(home).ports.values()) & set(ports.values())
        found = {name: path.read_bytes() for name, path in files_of(home / "sandbox").items()}
        assert len(found) > 100
        assert [name for name, content in found.items() if address.search(content)] == []
        if home != homes.first:
            assert [name for name, content in found.items() if bytes(homes.first) + b"/" in content] == []
    assert all(str(port) in homes.environment for name, port in ports.items() if name != "custodial")
    assert address.search(homes.environment.encode())


def test_everybody_is_there_in_both_and_both_go_on_at_once(homes: Homes) -> None:
    homes.at_once("verify", str(homes.scenario))
    for said in homes.at_once("run", str(homes.scenario), "--set", "population.size=8"):
        assert "6 of 8 already done" in said
    larger = homes.scenario.with_name("larger.yaml")
    larger.write_text(SCENARIO.replace("size: 6", "size: 8"))
    for home in homes.both:
        environment = home / "sandbox" / "environment.yaml"
        judged = judge(larger, place(environment), home / "runs" / "phone", homes.since)
        assert judged.lines() == []
        assert {service.state for service in stack.status(home)} == {"up"}
