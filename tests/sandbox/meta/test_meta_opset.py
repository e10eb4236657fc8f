"""Changes by many actors make one document, in whatever order they come."""

import itertools
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cicscenario.sandbox.meta import transit
from cicscenario.sandbox.meta.document import UNDEFINED, Document
from cicscenario.sandbox.meta.opset import DocumentError, OpSet
from tests.support.running_meta import ROOT, flat_ops, tagged

Change = dict[str, Any]


def change(actor: str, seq: int, *ops: dict[str, Any], deps: dict[str, int] | None = None) -> Change:
    return {"ops": list(ops), "actor": actor, "seq": seq, "deps": deps or {}, "message": "test"}


def assign(key: str, value: Any, obj: str = ROOT, action: str = "set") -> dict[str, Any]:
    return {"action": action, "obj": obj, "key": key, "value": value}


def make(obj: str, kind: str = "makeMap") -> dict[str, Any]:
    return {"action": kind, "obj": obj}


def insert(obj: str, after: str, elem: int) -> dict[str, Any]:
    return {"action": "ins", "obj": obj, "key": after, "elem": elem}


def delete(key: str, obj: str = ROOT) -> dict[str, Any]:
    return {"action": "del", "obj": obj, "key": key}


def shown(*changes: Change) -> Any:
    return Document(OpSet(changes)).field("data")


def test_of_two_that_know_nothing_of_each_other_the_higher_actor_wins() -> None:
    low, high = change("1", 1, assign("data", "low")), change("2", 1, assign("data", "high"))
    assert shown(low, high) == shown(high, low) == "high"


def test_who_knew_of_the_other_wins_whatever_the_actors() -> None:
    first = change("9", 1, assign("data", "first"))
    second = change("1", 1, assign("data", "second"), deps={"9": 1})
    third = change("5", 1, assign("data", "third"), deps={"1": 1})
    assert {shown(*order) for order in itertools.permutations((first, second, third))} == {"third"}


def test_an_actor_always_knows_of_itself() -> None:
    assert shown(change("1", 1, assign("data", "old")), change("1", 2, assign("data", "new"))) == "new"


def test_a_deletion_spares_what_it_does_not_know_of() -> None:
    first = change("9", 1, assign("data", "first"))
    gone = change("1", 1, delete("data"), deps={"9": 1})
    other = change("0", 1, assign("data", "other"))
    assert shown(first, gone) is UNDEFINED
    assert shown(first, gone, other) == "other"


def test_a_change_waits_for_what_it_depends_on() -> None:
    late = change("2", 1, assign("data", "late"), deps={"1": 2})
    assert shown(late, change("1", 1, assign("data", "a"))) == "a"
    opset = OpSet([late, change("1", 1, assign("data", "a")), change("1", 2, assign("data", "b"))])
    assert (Document(opset).field("data"), opset.queue) == ("late", [])


def test_a_change_that_waits_is_kept_with_the_document() -> None:
    late = change("2", 1, assign("data", "late"), deps={"1": 2})
    document = Document(OpSet([change("1", 1, assign("id", "x"), assign("data", "a")), late]))
    again = Document.load(document.payload())
    assert again.opset.queue == [late]
    again.opset.add(change("1", 2))
    assert Document(again.opset).field("data") == "late"


def test_the_same_change_again_is_nothing_and_another_under_its_number_an_error() -> None:
    one = change("1", 1, assign("data", "one"))
    assert shown(one, one) == "one"
    with pytest.raises(DocumentError, match="inconsistent reuse"):
        OpSet([one, change("1", 1, assign("data", "two"))])


def test_a_list_has_later_insertions_at_one_place_first() -> None:
    first = change(
        "a",
        1,
        make("l", "makeList"),
        insert("l", "_head", 1),
        assign("a:1", "x", "l"),
        assign("data", "l", action="link"),
    )
    behind = change("b", 1, insert("l", "a:1", 2), assign("b:2", "y", "l"), deps={"a": 1})
    also = change("c", 1, insert("l", "a:1", 2), assign("c:2", "z", "l"), deps={"a": 1})
    head = change("a", 2, insert("l", "_head", 2), assign("a:2", "w", "l"))
    for order in itertools.permutations((behind, also, head)):
        assert shown(first, *order) == ["w", "x", "z", "y"]


def test_a_deleted_element_still_holds_its_place() -> None:
    changes = [
        change("a", 1, make("l", "makeList"), insert("l", "_head", 1), assign("a:1", "x", "l")),
        change("a", 2, insert("l", "a:1", 2), assign("a:2", "y", "l"), assign("data", "l", action="link")),
        change("a", 3, delete("a:1", "l")),
    ]
    assert shown(*changes) == ["y"]
    assert shown(*changes, change("b", 1, insert("l", "a:1", 3), assign("b:3", "z", "l"), deps={"a": 2})) == ["z", "y"]


def test_an_object_that_lost_is_not_shown() -> None:
    low = change("1", 1, make("m"), assign("a", 1, "m"), assign("data", "m", action="link"))
    assert shown(low, change("2", 1, assign("data", "text"))) == "text"
    assert shown(low, change("0", 1, assign("data", "text"))) == {"a": 1}


@pytest.mark.parametrize(
    "ops",
    [
        [assign("a", 1, "nowhere")],
        [make("m"), make("m")],
        [assign("data", "nowhere", action="link")],
        [assign("data", 5, action="link")],
        [make("m"), assign("m", "m", "m", "link"), assign("data", "m", action="link")],
        [make("l", "makeList"), assign("a:1", 1, "l")],
        [make("l", "makeList"), insert("l", "b:7", 1), assign("a:1", 1, "l")],
        [make("l", "makeList"), insert("l", "_head", 1), insert("l", "_head", 1)],
        [{"action": "dance", "obj": ROOT}],
        [{"action": "set"}],
        ["set"],
        None,
    ],
    ids=str,
)
def test_operations_that_make_no_sense_are_no_document(ops: Any) -> None:
    changes = [{"ops": ops, "actor": "a", "seq": 1, "deps": {}}, change("a", 2, assign("id", "x"))]
    with pytest.raises(DocumentError):
        Document.load(json.dumps(tagged(changes)))


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "x",
        "5",
        "null",
        '"a"',
        '["~#iL",5]',
        '["~#iX",[]]',
        '["^0",[]]',
        '["~:a"]',
        "[]",
        '["~#iL",[["~#iM",["a"]]]]',
        5,
        [],
    ],
)
def test_a_payload_that_is_no_document_is_refused(payload: Any) -> None:
    with pytest.raises(DocumentError):
        Document.load(payload)


@pytest.mark.parametrize(
    "payload",
    [
        (
            '["~#iL",[["~#iM",["ops",["^0",[["^1",["action","set","obj","ROOT","key","id","value","~~x"]]]],'
            '"actor","a","seq",1,"deps",["^1",[]]]]]]'
        ),
        '[["^ ","actor","a","seq",1,"deps",["^ "],"ops",[["^ ","action","set","obj","ROOT","key","id","value","~~x"]]]]',
        '[{"actor":"a","seq":1,"deps":{},"ops":[{"action":"set","obj":"ROOT","key":"id","value":"~~x"}]}]',
        '[["^ ","actor","a","seq","~i1","deps",["^ "],"ops",[["^ ","action","set","obj","ROOT","key","id","value","~~x"]]]]',
    ],
    ids=["cache codes", "plain maps", "verbose", "number as text"],
)
def test_every_spelling_of_transit_is_read(payload: str) -> None:
    assert Document.load(payload.replace("ROOT", ROOT)).field("id") == "~x"


def test_keys_of_plain_maps_are_cached_as_transit_says() -> None:
    text = '[["^ ","action",1,"seq",2,"value",3],["^ ","^0",4,"seq",5,"^1",6]]'
    assert transit.read(text) == [{"action": 1, "seq": 2, "value": 3}, {"action": 4, "seq": 5, "value": 6}]


@st.composite
def histories(draw: st.DrawFn) -> list[Change]:
    """Changes of a few actors, each knowing of some of those before it, and so of all that those knew of."""
    made: list[Change] = [change("m", 1, make("o"), assign("data", "o", action="link"), assign("id", "x"))]
    last = {"m": 1}
    clocks: dict[tuple[str, int], dict[str, int]] = {("m", 1): {"m": 1}}  # what each change knows of, with itself
    for number in range(draw(st.integers(1, 8))):
        actor = draw(st.sampled_from("azk5"))
        heard = {other: draw(st.integers(0, seq)) for other, seq in last.items() if other not in (actor, "m")}
        heard[actor] = last.get(actor, 0)
        clock = {"m": 1}
        for name in heard.items():
            for other, seq in clocks.get(name, {}).items():
                clock[other] = max(seq, clock.get(other, 0))
        deps = {other: seq for other, seq in clock.items() if other != actor}
        ops = [
            draw(st.sampled_from([assign(key, number, "o"), delete(key, "o")]))
            for key in draw(st.lists(st.sampled_from("pqr"), min_size=1, max_size=2, unique=True))
        ]
        last[actor] = last.get(actor, 0) + 1
        clocks[actor, last[actor]] = clock | {actor: last[actor]}
        made.append(change(actor, last[actor], *ops, deps=deps))
    return made


def winners(history: list[Change]) -> dict[str, Any]:
    """Who shows, straight from the rule: of the assignments that no other one knew of, that of the highest actor."""
    by_name = {(one["actor"], one["seq"]): one for one in history}

    def knows(one: Change) -> set[tuple[str, int]]:
        before = {(actor, seq) for actor, seq in one["deps"].items()} | {(one["actor"], one["seq"] - 1)}
        found = {name for name in before if name in by_name}
        return found.union(*(knows(by_name[name]) for name in found))

    value = {}
    for key in "pqr":
        writers = [(one, op) for one in history for op in one["ops"] if op.get("obj") == "o" and op.get("key") == key]
        known = set().union(*(knows(one) for one, _ in writers)) if writers else set()
        left = [(one["actor"], op) for one, op in writers if (one["actor"], one["seq"]) not in known]
        standing = [(actor, op["value"]) for actor, op in left if op["action"] == "set"]
        if standing:
            value[key] = max(standing)[1]
    return value


@settings(max_examples=150, deadline=None)
@given(history=histories(), seed=st.integers())
def test_any_order_of_arrival_gives_the_value_that_the_rule_gives(history: list[Change], seed: int) -> None:
    shuffled = list(history)
    random.Random(seed).shuffle(shuffled)
    assert shown(*shuffled) == shown(*history) == winners(history)


@settings(max_examples=80, deadline=None)
@given(history=histories(), split=st.integers(1, 8), seed=st.integers())
def test_two_halves_merge_to_the_whole(history: list[Change], split: int, seed: int) -> None:
    mine = Document(OpSet(history[:split]))
    merged = Document(OpSet(history)).merge_into(mine)
    whole = mine if merged is None else merged
    assert whole.field("data") == winners(history)
    assert (merged is None) == (split >= len(history))
    again = Document.load(whole.payload())
    assert again.field("data") == winners(history)


def test_a_simple_clients_document_loads() -> None:
    changes = [change("a", 1, *flat_ops("x", {"b": 1, "c": "d"}))]
    assert Document.load(json.dumps(tagged(changes))).fields() == {
        "id": "x",
        "timestamp": 1700000000,
        "data": {"b": 1, "c": "d"},
    }
