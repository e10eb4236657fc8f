"""Requests to the engine are repeated one after the other, and only while it can sign and nothing of its is unmined."""

from dataclasses import dataclass, field

import pytest

from cicscenario.backends.work.heartbeat import Heartbeat
from cicscenario.backends.work.repeats import Repeats
from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import Failed, Signing

REFUSED = Failed("cic_eth.eth.account.register", "KeyError", "x", "the custodial engine failed", "look at its log")


def people(count: int) -> list[Person]:
    return [Person(n, "{}", "", "en", (), b"", 1, bytes([n + 1]) * 20) for n in range(count)]


@dataclass
class Engine:
    sent: list[bytes] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    idle: bool = True
    trouble: str | None = None
    questions: int = 0

    def send(self, account: bytes) -> str:
        assert self.questions, "sent before the engine was asked whether it can sign"
        self.sent.append(account)
        return account.hex()

    def unwell(self) -> str | None:
        self.questions += 1
        return self.trouble

    def repeats(self) -> Repeats:
        return Repeats(
            send=self.send,
            signing=lambda request: Signing(failed=REFUSED if request in self.failed else None),
            done=lambda person: person.id in self.done,
            idle=lambda: self.idle,
            unwell=self.unwell,
        )


def test_the_next_is_asked_for_when_the_last_is_done() -> None:
    engine = Engine()
    repeats, everybody = engine.repeats(), people(3)
    for number in range(3):
        assert repeats.ask(everybody)
        assert not repeats.ask(everybody)
        assert len(engine.sent) == number + 1
        engine.done.add(number)
    assert not repeats.ask(everybody), "each once"
    assert engine.sent == [person.account for person in everybody]


def test_nobody_is_asked_for_while_the_role_has_a_transaction_that_is_not_mined() -> None:
    engine = Engine(idle=False)
    assert not engine.repeats().ask(people(2))
    assert engine.sent == []


def test_nobody_is_asked_for_while_the_engine_cannot_sign_and_that_is_told() -> None:
    engine = Engine(trouble="it cannot reach its signer")
    repeats = engine.repeats()
    assert not repeats.ask(people(2))
    assert repeats.refusal == (
        "; nothing was requested again, because it would leave another nonce unused: it cannot reach its signer"
    )
    engine.trouble = None
    assert repeats.ask(people(2))
    assert len(engine.sent) == 1
    assert repeats.refusal == "; it was requested again for person 0 alone, and is not done for them"


def test_after_one_has_failed_again_nobody_else_is_asked_for() -> None:
    engine = Engine()
    repeats, everybody = engine.repeats(), people(3)
    assert repeats.ask(everybody)
    engine.failed.add(everybody[0].account.hex())
    assert repeats.failures(everybody) == {
        0: "the custodial engine failed (cic_eth.eth.account.register: KeyError: x); look at its log"
    }
    assert repeats.stopped
    assert not repeats.ask(everybody)
    assert len(engine.sent) == 1


# --- whether it answers without a pause -----------------------------------------------------------------------------


@dataclass
class Time:
    now: float = 100.0
    answers: bool = True
    asked: int = 0

    def unwell(self) -> str | None:
        self.asked += 1
        return None if self.answers else "no answer"


def test_it_counts_from_the_first_of_an_unbroken_row_of_answers() -> None:
    time = Time()
    heartbeat = Heartbeat(time.unwell, lambda: time.now)
    assert heartbeat.since() == 100.0
    time.now = 102.0
    assert heartbeat.since() == 100.0
    time.now, time.answers = 104.0, False
    assert heartbeat.since() is None
    time.now, time.answers = 106.0, True
    assert heartbeat.since() == 106.0


def test_a_time_in_which_nobody_asked_proves_nothing() -> None:
    time = Time()
    heartbeat = Heartbeat(time.unwell, lambda: time.now)
    assert heartbeat.since() == 100.0
    time.now = 130.0
    assert heartbeat.since() == 130.0


@pytest.mark.parametrize("looks", [1, 50])
def test_many_who_want_to_know_ask_once(looks: int) -> None:
    time = Time()
    heartbeat = Heartbeat(time.unwell, lambda: time.now)
    for _ in range(looks):
        heartbeat.since()
    assert time.asked == 1
