"""What the services have of a person: present, absent, and not answered are three things, each by service."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.capabilities.metadata import MetadataEntry
from cicscenario.chainspec import ChainSpec
from cicscenario.engine.presence import Look, Presence, There, presence, unasked
from cicscenario.errors import InterruptedRunError, UnavailableError
from cicscenario.metadata import all_kinds
from cicscenario.people.person import Person
from cicscenario.services.accounts import AccountRow
from cicscenario.services.custodial.outcome import Failed
from cicscenario.services.metaerrors import UnreadableEntryError
from tests.support.failing_states import FailingRun, failing_run

SPEC = ChainSpec.parse("evm:byzantium:8996:bloxberg")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FailingRun]:
    made = failing_run(tmp_path_factory.mktemp("presence"), size=2)
    made.make(without_account={1: "no callback"})
    yield made
    made.store.close()


class Away:
    """A service that answers nothing."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error


class Services:
    """The clients of services; those that are not given are away."""

    def __init__(self, **clients: Any) -> None:
        self.environment = SimpleNamespace(accounts=True, meta=None, path="there.yaml")
        self.spec = SPEC
        for name in ("chain", "custodial", "accounts", "meta"):
            setattr(self, name, clients.get(name, Away(UnavailableError(f"{name} is away", hint="start it"))))


class Table:
    """The account table with these rows."""

    def __init__(self, **rows: AccountRow) -> None:
        self._rows = rows

    def read(self, phones: Sequence[str]) -> dict[str, AccountRow]:
        return {phone: self._rows["row"] for phone in phones if self._rows}

    def last_states(self, phones: Sequence[str]) -> dict[str, str | None]:
        return dict.fromkeys(phones, "start" if self._rows else None)


class Store:
    """A metadata store: what is at a pointer, or the error of looking."""

    def __init__(self, entries: dict[bytes, Any]) -> None:
        self._entries = entries

    def get_many(self, pointers: Sequence[bytes]) -> list[Any]:
        return [self._entries.get(pointer) for pointer in pointers]


def looked(run: FailingRun, who: int = 0, **clients: Any) -> dict[str, Presence]:
    services: Any = Services(**clients)
    person = run.store.people(who, who + 1)[0]
    return {f"{one.service}: {one.what}": one for one in presence(Look(run.plan, run.store, person, services))}


def test_each_service_that_is_away_is_said_and_keeps_nobody_from_telling(run: FailingRun) -> None:
    found = looked(run, accounts=Table())
    assert {key: one.there for key, one in found.items()} == {
        "chain: everything": There.NOT_ANSWERED,
        "custodial: everything": There.NOT_ANSWERED,
        "accounts: row of the phone number": There.ABSENT,
        "meta: everything": There.NOT_ANSWERED,
    }
    assert found["meta: everything"].detail == "meta is away (start it)"


@pytest.mark.parametrize(
    ("answer", "there"),
    [
        (True, There.PRESENT),
        (False, There.ABSENT),
        (Failed("have", "OperationalError", "no database", "the engine has no database"), There.NOT_ANSWERED),
    ],
)
def test_the_engine_has_a_key_has_none_or_does_not_tell(run: FailingRun, answer: Any, there: There) -> None:
    engine = SimpleNamespace(have=lambda addresses, deadline: dict.fromkeys(addresses, answer))
    assert looked(run, custodial=engine)["custodial: key of the account"].there is there


def test_a_row_of_another_account_is_told_and_no_hash_is_shown(run: FailingRun) -> None:
    own = AccountRow(run.address(0).hex(), 2, "$2b$12$secret", "sw", 0)
    found = looked(run, accounts=Table(row=own))["accounts: row of the phone number"]
    assert (found.there, found.detail) == (
        There.PRESENT, "this account; status 2 (active), language sw, a PIN",
    )  # fmt: skip
    other = looked(run, accounts=Table(row=replace(own, address="0x" + "ee" * 20, status=9, password_hash=None)))
    assert other["accounts: row of the phone number"].detail.startswith("another account, 0xeeee")
    assert "status 9 (unknown), language sw, no PIN" in other["accounts: row of the phone number"].detail


def entry_of(name: str, person: Person, address: bytes) -> MetadataEntry:
    (kind,) = (kind for kind in all_kinds() if kind.name == name)
    return kind.entry(person, address, SPEC)


def test_each_entry_is_as_written_another_absent_or_not_told(run: FailingRun) -> None:
    one = run.store.people(0, 1)[0]
    mine = {name: entry_of(name, one, one.account) for name in ("person", "phone", "preferences", "custom")}
    store = Store({
        mine["person"].pointer: mine["person"].value,
        mine["phone"].pointer: "ee" * 20,
        mine["custom"].pointer: UnreadableEntryError("500, no database"),
    })  # fmt: skip
    found = looked(run, meta=store)
    assert {key: one.there for key, one in found.items() if key.startswith("meta")} == {
        "meta: person entry": There.PRESENT,
        "meta: phone entry": There.PRESENT,
        "meta: preferences entry": There.ABSENT,
        "meta: custom entry": There.NOT_ANSWERED,
    }
    assert found["meta: person entry"].detail.startswith(f"as it was written, at {mine['person'].pointer.hex()}")
    assert found["meta: phone entry"].detail.startswith("not what this run writes")
    assert found["meta: custom entry"].detail == "500, no database"


def test_of_a_person_without_an_account_only_what_goes_by_phone_is_asked(run: FailingRun) -> None:
    found = looked(run, who=1, meta=Store({}), accounts=Table())
    assert {key: one.there for key, one in found.items()} == {
        "chain: everything": There.NOT_ANSWERED,
        "custodial: key of the account": There.NOT_ANSWERED,
        "accounts: row of the phone number": There.ABSENT,
        "meta: person entry": There.NOT_ANSWERED,
        "meta: preferences entry": There.NOT_ANSWERED,
        "meta: custom entry": There.NOT_ANSWERED,
        "meta: phone entry": There.ABSENT,
    }
    assert found["meta: custom entry"].detail == "the run knows no account of this person"


def test_stopping_is_no_answer(run: FailingRun) -> None:
    with pytest.raises(InterruptedRunError):
        looked(run, chain=Away(InterruptedRunError("stopped")))


def test_where_nothing_can_be_asked_every_service_of_the_plan_is_named(run: FailingRun, tmp_path: Path) -> None:
    found = unasked(run.plan, "the sandbox cannot be started")
    assert [one.service for one in found] == ["chain", "custodial", "accounts", "meta"]
    assert {one.there for one in found} == {There.NOT_ANSWERED}
