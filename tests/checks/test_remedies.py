"""What the checks of services and files let a repair make again, and what it leaves alone."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.capabilities.metadata import Writer
from cicscenario.capabilities.phonerows import NO_ROW, OTHER_ACCOUNT
from cicscenario.capabilities.remedy import Decision, LeftAlone, MadeAgain
from cicscenario.chainspec import ChainSpec
from cicscenario.checks import keystore, metadata, pins, ussd_data
from cicscenario.errors import UnavailableError
from cicscenario.metadata import all_kinds
from cicscenario.people.person import Person
from cicscenario.services.metaerrors import UnreadableEntryError
from cicscenario.vocabulary import load_scenario
from tests.support.states import account_of_person, person

SPEC = ChainSpec.parse("evm:byzantium:8996:bloxberg")
DOCUMENT = json.dumps({"vcard": "", "identities": {}})
WHO = [replace(person(number), document_json=DOCUMENT, address=account_of_person(number)) for number in range(3)]


def judged(module: Any, context: Any) -> list[Decision]:
    decided: dict[int, Decision] = module.judge(context, WHO, dict.fromkeys(range(3), "is wrong"))
    return [decided[number] for number in range(3)]


class Entries:
    """The metadata store, with these entries by pointer; None for none, an error for one that cannot be read."""

    def __init__(self, held: dict[bytes, Any], immutable: Any = False) -> None:
        self._held = held
        self._immutable = immutable

    def get_many(self, pointers: Sequence[bytes]) -> list[Any]:
        return [self._held.get(pointer) for pointer in pointers]

    def are_immutable(self, pointers: Sequence[bytes]) -> list[Any]:
        return [self._immutable for _ in pointers]


class Table:
    """The account table, with these accounts by phone number."""

    def __init__(self, accounts: dict[str, bytes]) -> None:
        self._accounts = accounts

    def read(self, phones: Iterable[str]) -> dict[str, Any]:
        return {
            phone: SimpleNamespace(address=self._accounts[phone].hex()) for phone in phones if phone in self._accounts
        }


def context_of(
    meta: Any = None, table: Table | None = None, *, write: str = "one-step", backend: str = "{kind: cic_ussd}"
) -> Any:
    environment = SimpleNamespace(meta=SimpleNamespace(write=write), accounts=table and "there")
    services = SimpleNamespace(meta=meta, spec=SPEC, accounts=table, environment=environment)
    return SimpleNamespace(services=services, scenario=scenario_of(backend), state=SimpleNamespace(pages=list))


def scenario_of(backend: str) -> Any:
    people = "{from: .}" if backend == "existing" else "{size: 3}"
    lines = ["version: 1", "name: s", f"population: {people}", f"backend: {backend}", "metadata: [person]"]
    with TemporaryDirectory() as folder:
        (Path(folder) / "s.yaml").write_text("\n".join(lines) + "\n")
        return load_scenario(Path(folder) / "s.yaml")


ALL_THERE = Table({one.phone: one.account for one in WHO})


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.name)
def test_only_what_is_absent_is_written_where_another_value_may_be_somebody_elses(kind: Any) -> None:
    """The store has nothing of the first, another value of the second, and of the third what cannot be read."""
    held = dict(zip((at(kind, one) for one in WHO), (None, "other", UnreadableEntryError("no text")), strict=True))
    absent, other, unreadable = judged(metadata.check(kind).remedy, context_of(Entries(held), ALL_THERE))
    assert absent == MadeAgain(kind.label, "the entry is written")
    assert isinstance(other, LeftAlone if kind.name == "phone" else MadeAgain), "a pointer leads to an account"
    assert isinstance(unreadable, LeftAlone)
    assert "delete it" in unreadable.why, "the way out"
    assert "`cicscenario explain troubleshooting`" in unreadable.why


@pytest.mark.parametrize("kind", [kind for kind in all_kinds() if kind.name != "phone"], ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    ("found", "immutable", "write", "says"),
    [
        ({"x": 1}, True, "one-step", "immutable"),
        ({"x": 1}, UnreadableEntryError("500"), "one-step", "cannot be read"),
        ({"x": 1}, False, "two-step", "`meta.write: one-step`"),
        ("text", False, "two-step", "`meta.write: one-step`"),
        ({}, False, "two-step", None),
        ({"x": 1}, False, "one-step", None),
    ],
)
def test_what_the_step_would_refuse_to_replace_is_not_promised(
    kind: Any, found: Any, immutable: Any, write: str, says: str | None
) -> None:
    store = Entries({at(kind, one): found for one in WHO}, immutable)
    for decision in judged(metadata.check(kind).remedy, context_of(store, ALL_THERE, write=write)):
        assert (isinstance(decision, LeftAlone) and says in decision.why) if says else isinstance(decision, MadeAgain)


ROWS = Table(
    {WHO[0].phone: WHO[0].account, WHO[2].phone: b"\x07" * 20}
)  # the second has none, the third one of another


@pytest.mark.parametrize("check", [pins.CHECK, ussd_data.CHECK], ids=lambda check: check.name)
def test_nothing_is_promised_for_a_number_without_a_row_or_with_that_of_another(check: Any) -> None:
    there, gone, others = judged(check.remedy, context_of(table=ROWS))
    assert isinstance(there, MadeAgain)
    assert there.step == check.name
    assert gone == NO_ROW
    assert others == OTHER_ACCOUNT


@pytest.mark.parametrize("check", [pins.CHECK, ussd_data.CHECK], ids=lambda check: check.name)
def test_a_table_that_does_not_answer_is_no_table_without_rows(check: Any) -> None:
    def read(phones: Iterable[str]) -> Any:
        raise UnavailableError("no answer")

    with pytest.raises(UnavailableError):
        judged(check.remedy, context_of(table=SimpleNamespace(read=read)))  # type: ignore[arg-type]


def test_entries_that_only_the_interface_writes_need_the_row_and_the_account() -> None:
    (kind,) = [kind for kind in all_kinds() if kind.writer(scenario_of("{kind: cic_ussd}")) is Writer.INTERFACE]
    there, gone, others = judged(metadata.check(kind).remedy, context_of(Entries({}), ROWS))
    assert isinstance(there, MadeAgain)
    assert (gone, others) == (NO_ROW, OTHER_ACCOUNT)
    assert {type(one) for one in judged(metadata.check(kind).remedy, context_of(Entries({})))} == {MadeAgain}, (
        "not asked"
    )


def test_no_pointer_is_promised_for_a_number_that_the_table_lacks_where_it_has_others() -> None:
    (kind,) = [kind for kind in all_kinds() if kind.name == "phone"]
    existing = "existing"
    assert judged(metadata.check(kind).remedy, context_of(Entries({}), ROWS, backend=existing))[1] == NO_ROW
    nobody = context_of(Entries({}), Table({}), backend=existing)
    assert {type(one) for one in judged(metadata.check(kind).remedy, nobody)} == {MadeAgain}, "people without phones"


def at(kind: Any, one: Person) -> bytes:
    pointer: bytes = kind.of(one, SPEC).pointer
    return pointer


@pytest.mark.parametrize("there", [True, False])
def test_key_files_are_written_again_only_from_the_secret_of_the_run(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "secret").write_text("00")
    decided = judged(keystore.CHECK.remedy, SimpleNamespace(directory=tmp_path))
    assert {type(one) for one in decided} == {MadeAgain if there else LeftAlone}
