"""Conversations recorded from the real cic-ussd, of 2022-05 ("head") and 2021-08, held again with the sandbox's.

Answers must be the same to the byte, and so must the rows and the metadata that are left, but for what is random.
"""

import json
import re
import uuid
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from cicscenario.people import pointer
from cicscenario.sandbox.pace import FIGURES, REAL, Work, WorkPace
from tests.support.handclock import HandClock
from tests.support.ussd_world import DROPPED, FORM, Answer, World
from tests.support.waiting import eventually


def _kind(path: Path) -> bool:
    """Recordings of one kind come together, for they share a phone interface."""
    return path.name.startswith(("old", "fallback"))


RECORDINGS = sorted(sorted((Path(__file__).parent / "recordings").glob("*.json")), key=_kind)
#: The recorder met the new language half a second before the sandbox would: the dial itself had asked for it.
_OLD_MENU = "Sarafu Network\n1. English\n2. Kiswahili\n3. Help"
_EARLIER = {f"CON Welcome to {_OLD_MENU}": f"CON Karibu {_OLD_MENU}"}
AT_THE_REAL_PACE = [
    "content_types", "onboard_en", "paths_methods", "pin_mismatch_en", "preferences_change", "fallback_en_onboard_en",
    "old_onboard_en", "old_protocol",
]  # fmt: skip
WAITED: list[float] = []
COUNTED = WorkPace(REAL, clock=HandClock(0.0), sleep=WAITED.append)
_HASH = re.compile(r"\$2b\$08\$.{53}|gAAAAA[\w-]{156}==")


@pytest.fixture(params=RECORDINGS, ids=lambda path: path.stem)
def recording(request: pytest.FixtureRequest) -> Any:
    return json.loads(request.param.read_text("utf-8"))


@pytest.fixture
def stage(recording: Any, worlds: Any) -> "Stage":
    return stage_of(recording, worlds)


def stage_of(recording: Any, worlds: Any, **settings: Any) -> "Stage":
    dialect = "2021" if recording["server"] == "2021" else "current"
    return Stage(worlds.kept(dialect=dialect, fallback=recording["fallback"], **settings))


class Stage:
    """Plays the steps of a recording."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._prefix = uuid.uuid4().hex

    def prepare(self, before: dict[str, Any]) -> None:
        """Makes the rows and the cache as they were before the recording."""
        if account := before.get("account"):
            self.insert_account(account)
            address = bytes.fromhex(account["blockchain_address"])
            self._cache(address, before)
        if last := before.get("last_session"):
            self.set_last_session(before["phone"], last["state"], last["data"])

    def _cache(self, address: bytes, before: dict[str, Any]) -> None:
        if preferences := before.get("redis_preferences"):
            self.world.redis.set(pointer.preferences(address).hex(), json.dumps(preferences))
        if symbol := before.get("active_token"):
            self.world.redis.set(pointer._pointer(address, b":cic.token.active").hex(), symbol)
        if before.get("token_state"):
            self.world.engine.gift(address.hex())
            self.world.wait_for_quiet()

    def step(self, step: dict[str, Any]) -> None:
        if "action" in step:
            getattr(self, step["action"])(**{name: value for name, value in step.items() if name != "action"})
            return
        method, target = step.get("target", ("POST", "/"))
        form, body = step.get("form"), step.get("body")
        if form is not None:
            fields = {k: f"{self._prefix}{v}" if k == "sessionId" and v else v for k, v in form.items()}
            body = urlencode(fields)
        headers = step.get("headers", {"Content-Type": FORM})
        sent = None if body is None else body.encode()
        answer = self.world.request(method, target, headers, sent)
        self.world.wait_for_quiet()
        self._compare(answer, step)

    def _compare(self, answer: Answer, step: dict[str, Any]) -> None:
        if step["answer"] is None:
            assert answer == DROPPED
            return
        status, reason, text = step["answer"]
        length = {"content-type": "text/plain", "content-length": str(len(text.encode()))}
        headers = step.get("answer_headers", length)
        if answer.body != text and answer.body == _EARLIER.get(text):
            return
        assert answer == Answer(status, reason, headers, text)

    def insert_account(self, row: dict[str, Any]) -> None:
        known = self.world.settings.dialect == "2021"
        columns = [name for name in row if not (known and name.startswith("guardian"))]
        marks = ", ".join(["%s"] * len(columns))
        self.world.sql(
            f"INSERT INTO account ({', '.join(columns)}, created, updated) VALUES ({marks}, now(), now())",
            *(row[name] for name in columns),
        )

    def set_account(self, phone: str, set: dict[str, Any]) -> None:
        columns = ", ".join(f"{name} = %s" for name in set)
        self.world.sql(f"UPDATE account SET {columns} WHERE phone_number = %s", *set.values(), phone)

    def set_last_session(self, phone: str, state: str | None, data: Any) -> None:
        self.world.sql("DELETE FROM ussd_session WHERE msisdn = %s", phone)
        if state is not None:
            self.world.sql(
                "INSERT INTO ussd_session (created, updated, external_session_id, service_code, msisdn, user_input, state,"
                " data, version) VALUES (now(), now(), %s, '*483*46#', %s, '', %s, %s, 1)",
                uuid.uuid4().hex, phone, state, json.dumps(data) if data else None,
            )  # fmt: skip

    def wait_account(self, phone: str, found: bool) -> None:
        assert found
        self.world.wait_for_account(phone)
        self.world.wait_for_quiet()

    def wait_meta(self, phone: str) -> None:
        self.world.wait_for_quiet()

    def tokengift(self, phone: str) -> None:
        self.world.engine.gift(self.world.account(phone)["blockchain_address"])
        self.world.wait_for_quiet()

    def set_meta(self, pointer: str, value: Any) -> None:
        self.world.meta.values[pointer] = value
        self.world.meta.writes.append((pointer, value, {}))

    def pause_callbacks(self) -> None:
        self.world.engine.paused = True

    def resume_callbacks(self) -> None:
        self.world.engine.paused = False
        eventually(lambda: not self.world.redis.exists("cic-eth"), "waited for the engine")

    def observe(self, phone: str, account: Any = None, last_session: Any = None) -> None:
        """What the rows are, as far as it was written down, but for hashes and times that are random."""
        if account is not None:
            mine = self.world.account(phone)
            assert shape({name: mine.get(name) for name in account}) == shape(account)
        if last_session is not None:
            assert shape(self.world.last_session(phone)) == shape(last_session)


def shape(value: Any) -> Any:
    """A value with hashes of PINs replaced, unless they were given by the recorder, and without what has no column here."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items() if k not in ("blockchain_address", "guardians", "guardian_quora")}
    if isinstance(value, str) and _HASH.fullmatch(value) and "abcdefghijklmnopqrstuu" not in value:
        return "a hash"
    return value


def test_the_recorded_conversation_goes_the_same(recording: Any, stage: Stage) -> None:
    play(recording, stage)


@pytest.mark.parametrize("name", AT_THE_REAL_PACE)
def test_at_the_real_pace_too(name: str, worlds: Any) -> None:
    """Its waits are counted, and not waited for: as many as there are requests of phones, and entries."""
    recording = json.loads((RECORDINGS[0].parent / f"{name}.json").read_text("utf-8"))
    WAITED.clear()
    play(recording, stage_of(recording, worlds, pace=COUNTED))
    asked = [step for step in recording["steps"] if (step.get("answer") or [0, ""])[1] == "OK,"]
    waited = Counter(WAITED)
    assert waited.keys() <= {FIGURES[Work.POST].seconds, FIGURES[Work.ENTRY].seconds}
    assert waited[FIGURES[Work.POST].seconds] >= len(asked)
    assert waited[FIGURES[Work.ENTRY].seconds] >= (2 if name.endswith("onboard_en") else 0)


def play(recording: Any, stage: Stage) -> None:
    world, phone = stage.world, recording["before"].get("phone")
    stage.prepare(recording["before"])
    for step in recording["steps"]:
        stage.step(step)
    after = recording["after"]
    if after.get("account"):
        stage.observe(phone, after["account"] | {"phone_number": phone})
        assert world.preferences(phone) == after["redis_preferences"]
        # Of unregistered numbers the recorder did not wait for the session to be written down.
        assert shape(world.last_session(phone)) == shape(after["last_session"])
    assert written(world, phone) == wanted(world, phone, after)


def wanted(world: World, phone: str, after: dict[str, Any]) -> dict[str, Any]:
    """Values by kind that the metadata server must have been sent."""
    address = world.account(phone).get("blockchain_address") if phone else None
    return {
        write["kind"]: address if write["kind"] == "phone" else write["value"] for write in after.get("meta_writes", [])
    }


def written(world: World, phone: str) -> dict[str, Any]:
    """Values by kind that the metadata server was sent, each exactly once."""
    assert len({place for place, _, _ in world.meta.writes}) == len(world.meta.writes)
    if not world.meta.writes:
        return {}
    address = bytes.fromhex(world.account(phone)["blockchain_address"])
    kinds = {
        pointer.preferences(address).hex(): "preferences",
        pointer.phone(phone).hex(): "phone",
        pointer.custom(address).hex(): "custom",
    }
    return {kinds[place]: value for place, value, _ in world.meta.writes}
