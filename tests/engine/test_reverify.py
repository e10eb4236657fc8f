"""Asking again: a service that is missing is named before any check begins, and nothing that was found before is lost."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from cicscenario.capabilities.check import Check
from cicscenario.engine.conclude import RunEnd
from cicscenario.engine.events import CheckFinished, CheckProgressed, Event, ReportWritten
from cicscenario.engine.reverify import VerifyRequest, reverify
from cicscenario.engine.run import RunRequest
from cicscenario.errors import ExitCode, InvalidError, UnavailableError
from cicscenario.language import load_environment
from cicscenario.people.generator import Generator
from cicscenario.sandbox.ports import free_port
from cicscenario.state.rows import CheckRow, Outcome
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenario
from tests.support.openpgp_keys import PASSPHRASE, WRITER
from tests.support.scenarios import written
from tests.support.stub_meta import StubMeta

PEOPLE = Generator(seed=1, locales=["en_US"], region="KE", languages=[("en", 1)], tags=["x"], gift_threshold=0)


class World:
    """Two people of a run whose source is gone, and an environment with a metadata store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scenario = written(
            folder, population="{from: gone}", backend="existing", metadata="[person]", environment="environment.yaml"
        )
        (folder / "writer.asc").write_text(WRITER)
        (folder / "passphrase").write_text(PASSPHRASE)
        self.ends: list[RunEnd] = []
        self.events: list[Event] = []

    def begin(self) -> None:
        store = Store(self.folder / STATE)
        made = [PEOPLE.person(number) for number in range(2)]
        store.commit("population", [Outcome(person.id, ok=True) for person in made], people=made)
        store.commit(
            "accounts", [Outcome(n, ok=True) for n in range(2)], addresses=[(n, bytes([n + 1]) * 20) for n in range(2)]
        )
        document = load_scenario(self.scenario).canonical()
        store.set_meta(
            {"scenario": json.dumps(document), "lineage": "a", "since": "0", "source": "x", "source_size": "2"}
        )
        store.record_checks([CheckRow("metadata", 0, 2, None, [])])
        store.close()

    def held(self) -> dict[str, CheckRow]:
        store = Store(self.folder / STATE)
        try:
            return store.checks()
        finally:
            store.close()

    def verify(self, url: str, *, thorough: bool = False) -> tuple[ExitCode, list[CheckRow]]:
        where = self.folder / "environment.yaml"
        where.write_text(
            f"version: 1\nname: e\nspec: evm:byzantium:8996:bloxberg\nmeta: {{url: '{url}', key: file:writer.asc,"
            " passphrase: file:passphrase}\n"
        )
        run = RunRequest(
            self.scenario,
            directory=lambda scenario: self.folder,
            environment=lambda plan: nullcontext(load_environment(where)),
            stoppable=lambda stop: nullcontext(),
            report=self.ends.append,
        )
        return reverify(VerifyRequest(run, thorough=thorough), self.events.append)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_service_that_is_missing_is_named_before_any_check(world: World) -> None:
    world.begin()
    with pytest.raises(UnavailableError, match="nothing was changed, because these services cannot be used:\n  meta: "):
        world.verify(f"http://127.0.0.1:{free_port()}")
    assert not [event for event in world.events if isinstance(event, CheckProgressed | CheckFinished | ReportWritten)]
    assert world.held()["metadata"].errors == 0, "what was found before stays"


def test_what_the_services_say_is_kept_and_reported(world: World) -> None:
    world.begin()
    with StubMeta() as meta:
        code, rows = world.verify(meta.url)
    assert code is ExitCode.CHECKS_FAILED
    assert [(row.name, row.errors, row.total) for row in rows] == [("metadata", 2, 2)]
    assert [event.errors for event in world.events if isinstance(event, CheckFinished)] == [2]
    assert world.held()["metadata"].errors == 2
    assert [end.code for end in world.ends] == [ExitCode.CHECKS_FAILED]


@pytest.mark.parametrize("thorough", [False, True])
def test_a_thorough_verification_looks_closely_at_everybody(
    world: World, monkeypatch: pytest.MonkeyPatch, thorough: bool
) -> None:
    quick = Check("metadata", "looks at some", (), lambda context: lambda people: {})
    close = replace(quick, thorough=lambda context: lambda people: {1: "wrong"})
    monkeypatch.setattr("cicscenario.engine.reverify.narrowed_checks", lambda *asked: (close,))
    world.begin()
    with StubMeta() as meta:
        _, rows = world.verify(meta.url, thorough=thorough)
    assert [row.errors for row in rows] == [int(thorough)]


def test_a_run_that_was_never_begun_cannot_be_verified(world: World) -> None:
    with pytest.raises(InvalidError, match="nothing has been run in"):
        world.verify("http://127.0.0.1:9")
