"""A file that a user names is a regular one of bounded size: anything else is refused at once, in one line that names it."""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cicscenario.chain.keyfile import problem_of
from cicscenario.chain.session import signer_key
from cicscenario.errors import CicScenarioError, ExitCode, as_told
from cicscenario.inputs import open_input, read_input
from cicscenario.language import load_environment
from cicscenario.language.secret import parse_secret
from cicscenario.language.source import read_source
from cicscenario.legacy.accountfiles import read_pins, read_ussd_data
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.legacy.hashtable import HashTable
from cicscenario.legacy.hexfolder import HexFolder
from cicscenario.legacy.peopletable import PeopleTable
from cicscenario.legacy.record import read_json
from cicscenario.report.rendered import recorded
from cicscenario.services.accounts_login import read_login
from cicscenario.state.directory import run_secret
from cicscenario.transport import libpq, tls
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _terminal(path: Path) -> None:
    path.symlink_to("/dev/null")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's name may have a hundred characters only
        made.bind(path.name)
        os.chdir(here)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)  # without a byte on the disk


ODD: dict[str, Callable[[Path], None]] = {
    "pipe": _pipe,
    "endless device": _endless,
    "device": _terminal,
    "socket": _socket,
    "folder": Path.mkdir,
    "huge": _huge,
}


def _scenario(path: Path) -> None:
    read_source(path)


def _extended(path: Path) -> None:
    load_scenario(written(path.parent, extends=path.name))


def _environment(path: Path) -> None:
    load_environment(path)


def _keyfile(path: Path) -> None:
    (path.parent / "password").write_text("x")
    where = path.parent / "place.yaml"
    where.write_text(
        "version: 1\nname: place\nchain: {rpc: 'http://127.0.0.1:1', spec: 'evm:byzantium:8996:bloxberg',"
        f" registry: '0x{'00' * 20}', signer: {{keyfile: {path.name}, password: 'file:password'}}}}\n"
    )
    environment = load_environment(where)
    assert environment.chain
    signer_key(environment.chain)


def _certificate(path: Path) -> None:
    where = path.parent / "place.yaml"
    where.write_text(
        "version: 1\nname: place\nspec: 'evm:byzantium:8996:bloxberg'\n"
        "accounts: {host: 127.0.0.1, database: a, user: b, sslmode: require}\n"
    )
    found = load_environment(where)
    assert found.accounts
    read_login(replace(found.accounts, sslcert=path), None)


#: Everything that reads a file of the user's choice, by what it wants.
WANTED: dict[str, Callable[[Path], object]] = {
    "scenario": _scenario,
    "base of a scenario": _extended,
    "environment": _environment,
    "secret": lambda path: parse_secret(f"file:{path.name}", path.parent).reveal(),
    "key file of the signer": _keyfile,
    "authorities": tls.context.__wrapped__,
    "authorities for PostgreSQL": tls.authorities,
    "client certificate": _certificate,
    "service file": lambda path: libpq.read_service("a", path),
    "pins": lambda path: list(read_pins(path)),
    "USSD data": lambda path: list(read_ussd_data(path)),
    "table of people": PeopleTable,
    "hashes of PINs": lambda path: HashTable(path, "bcrypt", region=None, rejected=BadRecords()),
    "person": read_json,
    "secret of a run": run_secret,
    "report": lambda path: recorded(path.parent),
}
#: A list of people may have any size: it is read line by line.
ENDLESS_LINE = ("pins", "USSD data", "table of people", "hashes of PINs")


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("wanted", WANTED)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, wanted: str, odd: str) -> None:
    if odd == "huge" and wanted in (*ENDLESS_LINE, "client certificate"):
        pytest.skip("it is read line by line, or by libpq")
    path = tmp_path / ("report.json" if wanted == "report" else "odd.yaml")
    ODD[odd](path)
    with pytest.raises(CicScenarioError) as caught:
        WANTED[wanted](path)
    said = f"{caught.value.message} {caught.value.hint}"
    assert caught.value.exit_code in (ExitCode.INVALID, ExitCode.STATE_REFUSED)
    assert path.name in said or wanted == "person"  # where it is added by the caller
    assert any(words in said for words in ("pipe", "device", "folder", "regular file", "symbolic link", "bytes")), said


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_keystore_file_is_told_as_such(tmp_path: Path, odd: str) -> None:
    ODD[odd](tmp_path / "key.json")
    assert (problem_of(tmp_path / "key.json", bytes(20)) or "").startswith("keystore file key.json cannot be read: it ")


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_list_of_keys_is_a_bad_record(tmp_path: Path, odd: str) -> None:
    ODD[odd](tmp_path / ".master")
    bad = BadRecords()
    assert HexFolder(tmp_path, 20).keys(bad) == []
    assert ".master: cannot be read: it " in bad.first[0]


def test_a_keystore_file_that_is_a_link_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "key.json").symlink_to(tmp_path / "other")
    assert (
        problem_of(tmp_path / "key.json", bytes(20)) == "keystore file key.json cannot be read: it is a symbolic link"
    )


@pytest.mark.parametrize("ends", [b"\n", b"\r", b"\r\n"])
def test_an_endless_line_is_one_bad_record(tmp_path: Path, ends: bytes) -> None:
    path = tmp_path / "pins.csv"
    path.write_bytes(b"+254711000001,a" + ends + b"x" * 3_000_000 + ends + b"+254711000002,b" + ends)
    with pytest.raises(CicScenarioError, match=r"1 bad record:\n  .*pins\.csv:2: is longer than 10,000 characters"):
        list(read_pins(path))


def test_a_file_that_grows_while_it_is_read_is_bounded(tmp_path: Path) -> None:
    """Files below /proc have no size."""
    with pytest.raises(OSError, match=r"it has 11 bytes, expected at most 10"):
        read_input(Path("/proc/self/status"), 10)


def test_a_nul_in_a_name_is_told() -> None:
    with pytest.raises(OSError, match="null byte") as caught:
        open_input(Path("a\0b"))
    assert as_told(caught.value)
