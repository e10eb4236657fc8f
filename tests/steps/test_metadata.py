"""Our entries come behind those of the phone interface; who waits in vain is told what to look at."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cicscenario.capabilities.context import RunContext
from cicscenario.chainspec import ChainSpec
from cicscenario.metadata import preferences
from cicscenario.people.person import Person
from cicscenario.steps import metadata
from cicscenario.vocabulary import load_scenario
from tests.support.batches import batch
from tests.support.scenarios import written

WHO = Person(0, "{}", "+254711000001", "en", (), bytes(20), 0, b"\x0a" * 20)


class Waits(threading.Event):
    """Time passes only while somebody waits."""

    now = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return False


def outcomes(folder: Path, there: object | None, backend: str) -> tuple[list[Any], list[Any]]:
    """What the step says of a person whose entry in the store is ``there``, and what it wrote."""
    sent: list[Any] = []
    meta = SimpleNamespace(
        get_many=lambda pointers: [there] * len(pointers),
        ensure_many=lambda wanted: [
            (n, sent.append((one.pointer, one.value)) or "written") for n, one in enumerate(wanted)
        ],
    )
    path = written(folder, backend=backend, metadata="[preferences]")
    scenario, waits = load_scenario(path), Waits()
    services: Any = SimpleNamespace(meta=meta, spec=ChainSpec.parse("evm:byzantium:8996:bloxberg"))
    nothing: Any = None
    context = RunContext(scenario, folder, nothing, services, nothing, waits, clock=lambda: waits.now)
    step = metadata.step(preferences.KIND)
    part = step.part(scenario)
    assert part
    return part.executor(context, step.name)(batch([WHO])).outcomes, sent


def test_an_entry_that_the_interface_never_writes_names_the_interface_and_not_the_engine(tmp_path: Path) -> None:
    (outcome,), sent = outcomes(tmp_path, None, "{kind: cic_ussd, patience: 20}")
    assert not outcome.ok
    assert "has no preferences entry from the phone interface yet" in outcome.detail
    assert "cic-ussd's tasker" in outcome.detail
    assert "engine" not in outcome.detail
    assert sent == []


def test_ours_is_written_behind_the_interfaces(tmp_path: Path) -> None:
    (outcome,), sent = outcomes(tmp_path, {"preferred_language": "sw"}, "{kind: cic_ussd, patience: 20}")
    assert outcome.ok
    assert [value for _, value in sent] == [{"preferred_language": "en"}]


def test_where_nobody_joins_by_phone_nothing_is_waited_for(tmp_path: Path) -> None:
    (outcome,), sent = outcomes(tmp_path, None, "eth")
    assert outcome.ok
    assert len(sent) == 1
