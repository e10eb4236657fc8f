"""Keystore files are written and counted one by one: a run that is killed again and again gets on, and writes none twice."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Result
from cicscenario.chain import keyfile
from cicscenario.chain.keyfile import decrypt, problem_of
from cicscenario.chain.signer import address_of
from cicscenario.people.person import Person
from cicscenario.steps import keystore
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written

KEYS = [bytes([n + 1]) * 32 for n in range(5)]
PEOPLE = [Person(n, "{}", f"+2547110{n:05}", "en", (), bytes(20), 1, address_of(key)) for n, key in enumerate(KEYS)]
NOTHING: Any = None


def _run(folder: Path, stopping: threading.Event) -> Result:
    backend: Any = SimpleNamespace(private_key=lambda person: KEYS[person.id])
    scenario = load_scenario(written(folder, backend="{kind: eth, keystore: {kdf: light}}"))
    context = RunContext(scenario, folder, NOTHING, NOTHING, NOTHING, stopping, opened=backend)
    part = keystore.STEP.part(scenario)
    assert part
    return part.executor(context, keystore.STEP.name)(Batch(range(5), PEOPLE))


def _path(folder: Path, person: Person) -> Path:
    return folder / "keystore" / f"{person.account.hex()}.json"


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set after two files are written, as by a run that is ended there; ``stops_after`` of it counts no more after that."""
    stopping = threading.Event()
    write, number = keyfile.write_whole, 0

    def counted(*arguments: Any, **more: Any) -> None:
        nonlocal number
        write(*arguments, **more)
        number += 1
        if number == 2:
            stopping.set()

    monkeypatch.setattr(keyfile, "write_whole", counted)
    return stopping


def test_files_that_are_there_are_counted_and_not_written_again(tmp_path: Path, killed: threading.Event) -> None:
    assert [outcome.person for outcome in _run(tmp_path, killed).outcomes] == [0, 1]
    there = {person.id: _path(tmp_path, person).stat() for person in PEOPLE[:2]}
    _path(tmp_path, PEOPLE[1]).chmod(0o644)  # others could have read it
    again = _run(tmp_path, threading.Event())
    assert [outcome.person for outcome in again.outcomes if outcome.ok] == [0, 1, 2, 3, 4]
    assert _path(tmp_path, PEOPLE[0]).stat().st_ino == there[0].st_ino
    assert _path(tmp_path, PEOPLE[1]).stat().st_ino != there[1].st_ino
    password = (tmp_path / "keystore.password").read_text()
    for person in PEOPLE:
        assert problem_of(_path(tmp_path, person), person.account) is None
        assert decrypt(_path(tmp_path, person).read_bytes(), password) == KEYS[person.id]


def test_a_folder_that_is_a_link_is_not_filled(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "keystore").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="it is a symbolic link"):
        _run(tmp_path, threading.Event())
    assert list((tmp_path / "elsewhere").iterdir()) == []
