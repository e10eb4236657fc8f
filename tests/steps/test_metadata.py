"""Our entries come behind those of the phone interface; who waits in vain is told what to look at."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.metadata import MetadataKind
from cicscenario.chainspec import ChainSpec
from cicscenario.errors import UnavailableError
from cicscenario.metadata import custom, phone, preferences
from cicscenario.people.person import Person
from cicscenario.services.accounts import AccountRow
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


def outcomes(
    folder: Path,
    there: object | None,
    backend: str,
    kind: MetadataKind = preferences.KIND,
    others: Sequence[Person] = (),
    pins: str | None = None,
    **services: Any,
) -> tuple[list[Any], list[Any]]:
    """What the step says of a person whose entry in the store is ``there``, and what it wrote."""
    sent: list[Any] = []
    meta = SimpleNamespace(
        get_many=lambda pointers: [there] * len(pointers),
        ensure_many=lambda wanted: [
            (n, sent.append((one.pointer, one.value)) or "written") for n, one in enumerate(wanted)
        ],
        was_away=False,
    )
    more = {"population": "{from: .}"} if backend == "existing" else {}
    more |= {"pins": pins} if pins else {}
    path = written(folder, backend=backend, metadata=f"[{kind.name}]", **more)
    scenario, waits = load_scenario(path), Waits()
    table = services.get("accounts")
    known = {"meta": meta, "spec": ChainSpec.parse("evm:byzantium:8996:bloxberg"), "ussd_tasks": None}
    found: Any = SimpleNamespace(**known | services, environment=SimpleNamespace(accounts=table and "there"))
    nothing: Any = None
    state: Any = SimpleNamespace(pages=lambda: [[WHO], list(others)])
    context = RunContext(scenario, folder, nothing, found, state, waits, clock=lambda: waits.now)
    step = metadata.step(kind)
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


def test_a_server_that_was_away_at_a_worker_was_away(tmp_path: Path) -> None:
    """The checks ask about everybody then. A worker says it with each result, and so does this process."""
    told: list[str] = []
    meta = SimpleNamespace(
        ensure_many=lambda wanted: [(0, "written")], was_away=True, seen_away=lambda: told.append("away")
    )
    (outcome,), _ = outcomes(tmp_path, None, "eth", meta=meta)
    assert (outcome.ok, told) == (True, ["away"])


class Table:
    """The account table, with these rows by phone number."""

    def __init__(self, **rows: AccountRow) -> None:
        self._rows = rows

    def read(self, phones: Iterable[str]) -> dict[str, AccountRow]:
        return {phone: self._rows[phone] for phone in phones if phone in self._rows}


def row(age: float) -> Table:
    return Table(**{WHO.phone: AccountRow(WHO.account.hex(), 1, None, None, 0, age)})


class Tasker:
    """The tasks that the tasker has for accounts; None when that cannot be seen."""

    def __init__(self, left: dict[bytes, str] | None) -> None:
        self._left = left

    def left(self, accounts: Sequence[bytes]) -> dict[bytes, str]:
        if self._left is None:
            raise UnavailableError("Redis does not answer")
        return self._left


PHONE = "{kind: cic_ussd, patience: 20}"


@pytest.mark.parametrize("kind", [preferences.KIND, custom.KIND])
@pytest.mark.parametrize(
    "seen",
    [{"ussd_tasks": Tasker({})}, {"accounts": row(4000)}, {"ussd_tasks": Tasker(None), "accounts": row(4000)}],
)
def test_an_entry_that_the_tasker_has_lost_is_ours_alone(
    tmp_path: Path, kind: MetadataKind, seen: dict[str, Any]
) -> None:
    (outcome,), sent = outcomes(tmp_path, None, PHONE, kind, **seen)
    assert outcome.ok
    assert [value for _, value in sent] == [kind.of(WHO, ChainSpec.parse("evm:byzantium:8996:bloxberg")).value]


@pytest.mark.parametrize(
    "seen",
    [
        {"ussd_tasks": Tasker({WHO.account: "add_custom_metadata waits in `unacked`"})},
        {"ussd_tasks": Tasker({WHO.account: "it waits"}), "accounts": row(4000)},
        {"ussd_tasks": Tasker(None)},
        {"accounts": row(60)},
        {"accounts": Table()},
    ],
)
def test_an_entry_that_may_still_come_is_not_ours(tmp_path: Path, seen: dict[str, Any]) -> None:
    """The interface would overwrite it."""
    (outcome,), sent = outcomes(tmp_path, None, PHONE, **seen)
    assert not outcome.ok
    assert "has no preferences entry from the phone interface yet" in outcome.detail
    assert sent == []


def test_no_phone_pointer_is_written_for_a_number_that_the_account_table_does_not_have(tmp_path: Path) -> None:
    """The table has another person of the run, of a batch before."""
    other = replace(WHO, id=1, phone="+254711000002")
    table = Table(**{other.phone: AccountRow("", 1, None, None, 0)})
    (outcome,), sent = outcomes(tmp_path, None, "existing", phone.KIND, [other], accounts=table)
    assert (outcome.ok, sent) == (False, [])
    assert outcome.detail == "the account table has no phone number +254711000001"


def test_no_phone_pointer_is_written_for_nobody_where_pins_are_to_be_written(tmp_path: Path) -> None:
    (outcome,), sent = outcomes(tmp_path, None, "existing", phone.KIND, pins="{scheme: bcrypt}", accounts=Table())
    assert (outcome.ok, sent) == (False, [])


@pytest.mark.parametrize(
    ("backend", "kind", "seen"),
    [
        ("existing", phone.KIND, {"accounts": row(1)}),
        ("existing", phone.KIND, {}),  # there is no table to ask
        ("existing", phone.KIND, {"accounts": Table()}),  # the table has nobody: people of the old tools
        ("existing", preferences.KIND, {"accounts": Table()}),
        ("eth", phone.KIND, {"accounts": Table()}),  # people who have no phone accounts
    ],
)
def test_other_entries_are_written(tmp_path: Path, backend: str, kind: MetadataKind, seen: dict[str, Any]) -> None:
    (outcome,), sent = outcomes(tmp_path, None, backend, kind, **seen)
    assert outcome.ok
    assert len(sent) == 1
