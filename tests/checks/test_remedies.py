"""What the checks of services and files let a repair make again, and what it leaves alone."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.capabilities.remedy import Decision, LeftAlone, MadeAgain
from cicscenario.chainspec import ChainSpec
from cicscenario.checks import keystore, metadata
from cicscenario.metadata import all_kinds
from cicscenario.people.person import Person
from cicscenario.services.metaerrors import UnreadableEntryError
from tests.support.states import account_of_person, person

SPEC = ChainSpec.parse("evm:byzantium:8996:bloxberg")
DOCUMENT = json.dumps({"vcard": "", "identities": {}})
WHO = [replace(person(number), document_json=DOCUMENT, address=account_of_person(number)) for number in range(3)]


def judged(module: Any, context: Any) -> list[Decision]:
    decided: dict[int, Decision] = module.judge(context, WHO, dict.fromkeys(range(3), "is wrong"))
    return [decided[number] for number in range(3)]


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.name)
def test_only_what_is_absent_is_written_where_another_value_may_be_somebody_elses(kind: Any) -> None:
    """The store has nothing of the first, another value of the second, and of the third what cannot be read."""
    held = dict(zip((at(kind, one) for one in WHO), (None, "other", UnreadableEntryError("no text")), strict=True))
    store = SimpleNamespace(get_many=lambda pointers: [held[pointer] for pointer in pointers])
    context = SimpleNamespace(services=SimpleNamespace(meta=store, spec=SPEC))
    absent, other, unreadable = judged(metadata.check(kind).remedy, context)
    assert absent == MadeAgain(kind.label, "the entry is written")
    assert isinstance(other, LeftAlone if kind.name == "phone" else MadeAgain), "a pointer leads to an account"
    assert isinstance(unreadable, LeftAlone)


def at(kind: Any, one: Person) -> bytes:
    pointer: bytes = kind.of(one, SPEC).pointer
    return pointer


@pytest.mark.parametrize("there", [True, False])
def test_key_files_are_written_again_only_from_the_secret_of_the_run(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "secret").write_text("00")
    decided = judged(keystore.CHECK.remedy, SimpleNamespace(directory=tmp_path))
    assert {type(one) for one in decided} == {MadeAgain if there else LeftAlone}
