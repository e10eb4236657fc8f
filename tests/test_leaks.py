"""The test of the test of secrets: each is found in every form and in every place where it is planted."""

import base64
import json
import sqlite3
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

from tests.support.leaks import ProcessWatch, Secrets
from tests.support.waiting import eventually

TEXT = 'pä"ss/w ör\\d+7-abc'
KEY = bytes(range(100, 132))
ARMOR = "-----BEGIN KEY-----\n\n" + "\n".join(f"{n}{'mQENBFz' * 8}" for n in range(3)) + "\n-----END KEY-----\n"
SECRETS = Secrets({"password": TEXT.encode(), "key": KEY, "armor": ARMOR.encode()})

PLANTED = {
    "as it is": ("password", f"x{TEXT}y"),
    "hex": ("key", KEY.hex()),
    "with 0x and in capitals": ("key", f"0x{KEY.hex().upper()}"),
    "base64": ("key", base64.b64encode(KEY).decode()),
    "base64 behind a user": ("password", base64.b64encode(f"user:{TEXT}:more".encode()).decode()),
    "base64 behind another user": ("password", base64.b64encode(f"users:{TEXT}:more".encode()).decode()),
    "in a URL": ("password", f"http://u:{urllib.parse.quote(TEXT, safe='')}@h/"),
    "in a form": ("password", urllib.parse.urlencode({"password": TEXT})),
    "in JSON": ("password", json.dumps({"a": TEXT})),
    "in JSON with letters": ("password", json.dumps({"a": TEXT}, ensure_ascii=False)),
    "a line of a key": ("armor", f"error near {ARMOR.splitlines()[3]}"),
}


@pytest.mark.parametrize("form", PLANTED)
def test_a_planted_secret_is_found_in_every_form(form: str) -> None:
    name, text = PLANTED[form]
    assert {what.partition(" (")[0] for what in SECRETS.found_in(f"before {text} after".encode())} == {name}


def test_what_is_no_secret_is_not_found() -> None:
    assert SECRETS.found_in(f"{TEXT[:6]} {KEY[:20].hex()} {ARMOR[:60]} ".encode() * 50) == set()


@pytest.mark.parametrize("place", ["a.log", "report.html", "below/deep/x"])
def test_it_is_found_in_files_and_not_where_it_belongs(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\0" * 5000 + TEXT.encode() + b"\0")
    assert SECRETS.found_in_files(tmp_path) == {f"{place}: password (raw)"}
    assert SECRETS.found_in_files(tmp_path, lambda found: found == path) == set()


def test_it_is_found_in_the_state_and_in_its_log(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "state.sqlite")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE t (a)")
    db.execute("INSERT INTO t VALUES (?)", (KEY,))
    db.commit()
    assert SECRETS.found_in_files(tmp_path) == {"state.sqlite-wal: key (raw)"}
    db.close()  # which moves it into the database
    assert SECRETS.found_in_files(tmp_path) == {"state.sqlite: key (raw)"}


@pytest.mark.parametrize("where", ["arguments", "variables"])
def test_it_is_found_in_processes(where: str) -> None:
    command = [sys.executable, "-c", "input()", *([KEY.hex()] if where == "arguments" else [])]
    variables = {"X": f"a{KEY.hex()}"} if where == "variables" else {}
    with subprocess.Popen(command, env=variables, stdin=subprocess.PIPE) as process:
        watch, careless = ProcessWatch(SECRETS), ProcessWatch(SECRETS, may_have=["X"])
        place = Path("/proc", str(process.pid))  # the kernel shows them a moment after the program is there
        eventually(lambda: (place / "cmdline").read_bytes() and ((place / "environ").read_bytes() or not variables))
        watch.look()
        careless.look()
        process.communicate(b"\n")
    assert any(what.startswith(f"{where} of ") and what.endswith("key (hex)") for what in watch.found)
    assert bool(careless.found) is (where == "arguments")
