"""What is sealed opens with the same secret, for the same place, unchanged, and not otherwise."""

import base64
import json

import pytest

from cicscenario.errors import InvalidError
from cicscenario.workers.envelope import VERSION, Direction, Envelope, SealError, require_secret

SECRET, LINEAGE, TASK = "5a" * 32, "f00d", "task-1"
CONTENT = {"items": ["0042"], "common": {"password": "hunter2-tree"}}


def sealed() -> str:
    return Envelope(SECRET, LINEAGE).seal(Direction.TASK, TASK, CONTENT)


def opens(
    text: str,
    *,
    secret: str = SECRET,
    lineage: str = LINEAGE,
    task: str = TASK,
    direction: Direction = Direction.TASK,
) -> bool:
    try:
        return Envelope(secret, lineage).open(direction, task, text) == (VERSION, CONTENT)
    except SealError:
        return False


def test_what_was_sealed_opens_in_its_place() -> None:
    assert opens(sealed())


@pytest.mark.parametrize(
    "other",
    [
        {"secret": "5b" * 32},
        {"lineage": "f00e"},
        {"task": "task-2"},
        {"direction": Direction.RESULT},
        {"direction": Direction.BEAT},
    ],
    ids=str,
)
def test_it_opens_in_no_other_place(other: dict[str, str]) -> None:
    assert not opens(sealed(), **other)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["nonce", "sealed"])
def test_no_bit_of_it_may_be_changed(name: str) -> None:
    outer = json.loads(sealed())
    data = bytearray(base64.b64decode(outer[name]))
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        assert not opens(json.dumps(outer | {name: base64.b64encode(changed).decode()})), place


def test_the_version_is_readable_and_cannot_be_changed() -> None:
    other = Envelope(SECRET, LINEAGE, "9.9/9").seal(Direction.TASK, TASK, CONTENT)
    assert Envelope(SECRET, LINEAGE).open(Direction.TASK, TASK, other) == ("9.9/9", CONTENT)
    assert not opens(json.dumps(json.loads(other) | {"version": VERSION}))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 1}', '{"version": "a", "nonce": 3, "sealed": null}', "null"]
)
def test_text_of_another_form_does_not_open(text: str) -> None:
    assert not opens(text)


def test_it_shows_nothing_and_is_never_the_same() -> None:
    first, second = sealed(), sealed()
    assert first != second
    assert not any(
        word in first + base64.b64decode(json.loads(first)["sealed"]).decode("latin-1") for word in ("0042", "hunter2")
    )


def test_a_short_secret_is_refused_and_not_shown() -> None:
    with pytest.raises(InvalidError, match="has 31 characters, expected 32 or more") as caught:
        require_secret("hunter2" + "x" * 24)
    assert "hunter2" not in caught.value.message + str(caught.value.hint)
    assert require_secret(SECRET) == SECRET
