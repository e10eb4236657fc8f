"""One-step documents are those that the npm client writes: recordings of it against an unmodified server, byte for byte."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicscenario.services import automerge
from cicscenario.services.automerge import Actors, envelope
from tests.support.openpgp_keys import RECORDED_KEYS
from tests.support.stub_meta import signature_of, valid, value_of

RECORDED = json.loads((Path(__file__).parent / "recorded_one_step.json").read_text("utf-8"))
POINTER = bytes.fromhex("b15da5237b9d939c63a954a730feaa2135deaf681d0c723f829dc213f2e625c1")
ACTOR = "ffffffff-0000-0000-0000-000000000001"


def built(value: Any, actor: str = ACTOR) -> str:
    return envelope(POINTER, value, actor=actor, timestamp=1_700_000_000, sign=lambda digest: "seal").decode()


def operations(body: str) -> list[dict[str, Any]]:
    """Operations of both changes, without the tags of transit."""
    changes = json.loads(json.loads(body)["payload"])[1]
    found = []
    for _, change in changes:
        fields = dict(zip(change[::2], change[1::2], strict=True))
        found += [dict(zip(o[::2], o[1::2], strict=True)) for _, o in fields["ops"][1]]
    return found


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r["name"])
def test_a_document_is_that_of_the_recordings(recorded: dict[str, Any]) -> None:
    seal, _ = signature_of(recorded["body"])
    names = iter([o["obj"] for o in operations(recorded["body"]) if o["action"].startswith("make")])
    actor, _ = value_of(recorded["body"])
    body = envelope(
        bytes.fromhex(recorded["path"][1:]),
        json.loads(recorded["answer"]),
        actor=actor,
        timestamp=1_700_000_000,
        sign=lambda digest: seal,
        new_id=lambda: next(names),
    )
    assert body.decode() == recorded["body"]


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r["name"])
def test_signatures_of_the_recordings_are_over_the_digest(recorded: dict[str, Any]) -> None:
    seal, digest = signature_of(recorded["body"])
    key = (RECORDED_KEYS / "writer.pub.asc").read_text("ascii")
    assert json.loads(recorded["body"])["digest"] == digest
    assert valid(seal, digest, key)
    assert not valid(seal, digest + "\n", key)


def test_the_digest_is_over_the_links_alone() -> None:
    assert json.loads(built("c1912fee45d61c87cc5ea59dae31190fffff232d"))["digest"] == "W10="
    assert json.loads(built("another"))["digest"] == "W10="
    nested = built({"tags": ["individual"]})
    links = [[o["obj"], o["value"]] for o in operations(nested) if o["action"] == "link"][:-1]
    assert len(links) == 2
    assert json.loads(base64.b64decode(json.loads(nested)["digest"])) == links


def test_nested_lists_are_filled_in_the_order_of_the_recordings() -> None:
    """The shape of two-step-nested.json, whose document the server made itself."""
    body = built({"a": {"b": {"c": [1, {"d": "e"}, [2, 3]]}}, "l": [], "m": {}})
    assert [(o["action"], o.get("elem")) for o in operations(body)][2:-6] == [
        ("makeMap", None), ("makeMap", None), ("makeMap", None), ("makeList", None),
        ("ins", 1), ("set", None),
        ("ins", 2), ("makeMap", None), ("set", None), ("link", None),
        ("ins", 3), ("makeList", None), ("ins", 1), ("set", None), ("ins", 2), ("set", None), ("link", None),
        ("link", None), ("link", None), ("link", None),
        ("makeList", None), ("link", None), ("makeMap", None), ("link", None), ("link", None),
    ]  # fmt: skip


def test_text_that_means_something_in_transit_is_escaped() -> None:
    """As in two-step-escapes.json."""
    value = {"q": 'a"b\\c\n\td', "tilde": "~foo", "caret": "^bar", "kw": "~:kw", "~key": "v", "tick": "`x", "none": ""}
    set_to = {o["key"]: o["value"] for o in operations(built(value)) if o["action"] == "set"}
    assert set_to["tilde"] == "~~foo"
    assert set_to["caret"] == "~^bar"
    assert set_to["kw"] == "~~:kw"
    assert set_to["~~key"] == "v"
    assert set_to["tick"] == "~`x"
    assert set_to["none"] == ""


JSON_VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_any_value_can_be_read_out_of_its_document(value: Any) -> None:
    body = built(value)
    assert body.isascii()
    assert value_of(body) == (ACTOR, value)


def test_every_document_has_parts_of_its_own() -> None:
    makes = [o["obj"] for _ in range(20) for o in operations(built({"a": [1]})) if o["action"].startswith("make")]
    assert len(set(makes)) == len(makes) == 60


def test_later_writers_sort_behind_earlier_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    actors = Actors()
    made = [actors.next()]
    monkeypatch.setattr(automerge.time, "time_ns", lambda: 5)
    made += [actors.next(), actors.next()]  # the clock fell back, and stands
    monkeypatch.undo()
    made.append(Actors().next())
    assert made == sorted(set(made))
    assert all(len(actor) == 36 and actor > "fffffffe-ffff-4fff-bfff-ffffffffffff" for actor in made)
    assert [len(part) for part in made[0].split("-")] == [8, 4, 4, 4, 12]


def test_an_actor_bears_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automerge.time, "time_ns", lambda: 0x17E1_2345_6789_ABCD)
    assert Actors().next().startswith("ffffffff-17e1-2345-6789-abcd")
