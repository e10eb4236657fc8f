"""What the engine does by itself is waited for until the chain shows it, or until it is known that it never will."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.backends.work.custodial import CustodialBackend
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Result
from cicscenario.capabilities.waiting import Awaited, WaitExecutor
from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import ADD, GIVE_TO
from cicscenario.errors import UnavailableError
from cicscenario.people.person import Person
from tests.support.sandboxes import Sandbox, send_from


def person(number: int) -> Person:
    return Person(number, "{}", f"+2547{number:08}", "en", (), b"", 1, bytes([0xC1, number + 1]) * 10)


@dataclass
class World:
    """Time that passes only when somebody waits; ``shows`` is when the chain shows each person, if it does."""

    now: float = 1000.0
    shows: dict[int, float] = field(default_factory=dict)
    troubles: dict[int, str] = field(default_factory=dict)
    stops_at: float = float("inf")
    looks: int = 0
    asked: list[float] = field(default_factory=list)  #: when the engine was asked
    mends: float = float("inf")  #: seconds in which the engine does what it is asked for again
    again_at: list[tuple[float, list[int]]] = field(default_factory=list)
    one_by_one: bool = False  #: whether the service is asked again for one person at a time, and helps each at once
    moves: Callable[[], Any] | None = None  #: what is seen of the service's work

    def wait(self, seconds: float) -> bool:
        assert self.now < 9000, "it waits for ever"
        self.now += seconds
        return self.now >= self.stops_at

    def look(self, people: Sequence[Person]) -> list[bool]:
        self.looks += 1
        return [self.shows.get(p.id, float("inf")) <= self.now for p in people]

    def trouble(self, people: Sequence[Person]) -> dict[int, str]:
        self.asked.append(self.now)
        return {p.id: self.troubles[p.id] for p in people if p.id in self.troubles}

    def repeat(self, people: Sequence[Person]) -> bool:
        if self.one_by_one and any(self.shows[last] > self.now for _, asked in self.again_at for last in asked):
            return False
        known = {person for _, asked in self.again_at for person in asked}
        new = [p.id for p in people if p.id not in known][: 1 if self.one_by_one else None]
        self.again_at += [(self.now, new)] if new else []
        self.shows |= dict.fromkeys(new, self.now + self.mends)
        return bool(new)

    def context(self, services: Any = None, patience: float = 60.0) -> RunContext:
        scenario: Any = SimpleNamespace(backend=SimpleNamespace(option={"patience": patience}.get))
        nothing: Any = None
        stopping: Any = self
        return RunContext(scenario, nothing, nothing, services, nothing, stopping, clock=lambda: self.now)

    def executor(self, patience: float = 60.0, *, repeats: bool = False) -> WaitExecutor:
        more: dict[str, Any] = {"repeat": self.repeat} if repeats else {}
        if self.moves:
            more["movements"] = [self.moves]
        awaited = Awaited(self.look, "is not there", "does it run?", failed=self.trouble, **more)
        return WaitExecutor(self.context(patience=patience), awaited)

    def run(self, number: int, patience: float = 60.0, *, repeats: bool = False) -> dict[int, str | None]:
        """Details by person of those with an outcome; None for those who are there."""
        people = [person(i) for i in range(number)]
        found = self.executor(patience, repeats=repeats)(Batch([p.id for p in people], people)).outcomes
        assert all(outcome.ok == (outcome.detail is None) for outcome in found)
        return {outcome.person: outcome.detail for outcome in found}


@pytest.fixture
def world() -> World:
    return World()


def test_each_is_done_when_the_chain_shows_it(world: World) -> None:
    world.shows = {0: 1000.0, 1: 1003.0, 2: 1030.0}
    assert world.run(3) == {0: None, 1: None, 2: None}
    assert 1030 <= world.now <= 1032


def test_it_looks_less_often_the_longer_nothing_moves(world: World) -> None:
    world.shows = {0: 1100.0}
    world.run(1, patience=200)
    assert world.looks < 60


def test_nobody_is_given_up_while_anybody_moves(world: World) -> None:
    world.shows = {number: 1000.0 + 50 * number for number in range(10)}
    assert set(world.run(10, patience=60).values()) == {None}


def test_when_nobody_has_moved_for_the_patience_each_is_told_of_with_address_and_advice(world: World) -> None:
    world.shows = {0: 1000.0}
    found = world.run(2, patience=60)
    assert found == {
        0: None,
        1: f"0x{'c102' * 10} is not there yet, and no person has progressed for {world.now - 1000:.0f} seconds"
        " (patience 60); does it run?",
    }
    assert 1060 <= world.now <= 1063


def test_when_a_service_moved_for_others_meanwhile_both_times_are_told(world: World) -> None:
    """The patience is over ten seconds after the last movement, and that is later than the last person's progress."""
    world.moves = lambda: min(world.now, 1020.0) // 2
    text = world.run(1, patience=10)[0]
    assert text
    found = re.search(r"for (\d+) seconds \(the services last moved (\d+) seconds ago, patience 10\); ", text)
    assert found, text
    waited, stalled = map(int, found.groups())
    assert 10 <= stalled <= 16
    assert waited - stalled >= 15


def test_time_in_which_the_node_did_not_answer_is_not_counted(world: World) -> None:
    """The client asks again by itself until the node is back; nobody could be seen to progress meanwhile."""
    world.shows = {0: 1000.0, 1: 1130.0}

    def look(people: Sequence[Person]) -> list[bool]:
        if world.looks == 3:
            world.now += 110
        return World.look(world, people)

    world.look = look  # type: ignore[method-assign]
    assert world.run(2, patience=60) == {0: None, 1: None}
    world.shows = {0: world.now}
    found = world.run(2, patience=60)
    assert found[1]
    assert "no person has progressed for 6" in found[1]


def test_someone_of_whom_the_engine_knows_that_it_failed_is_not_waited_for(world: World) -> None:
    world.troubles = {0: "the custodial engine failed (cic_eth.eth.account.register: KeyError: x)"}
    world.shows = {1: 1020.0}
    assert world.run(2, patience=3000) == {**world.troubles, 1: None}
    assert world.asked[0] == pytest.approx(1003, abs=2.1)
    assert world.now < 1025


def test_what_is_not_done_is_asked_for_once_more_before_anybody_is_given_up(world: World) -> None:
    world.shows = {0: 1000.0}
    world.mends = 5.0
    assert set(world.run(3, patience=60, repeats=True).values()) == {None}
    ((at, people),) = world.again_at
    assert people == [1, 2]
    assert at == pytest.approx(1030, abs=2.1)


def test_asking_again_puts_nobodys_end_off(world: World) -> None:
    assert None not in world.run(2, patience=60, repeats=True).values()
    assert len(world.again_at) == 1
    assert 1060 <= world.now <= 1063


def test_however_short_the_patience_what_was_asked_for_is_looked_for(world: World) -> None:
    world.mends = 1.0
    assert world.run(1, patience=2, repeats=True) == {0: None}


def test_nobody_is_asked_for_again_while_anybody_moves_or_whose_failure_is_known(world: World) -> None:
    world.shows = {number: 1000.0 + 25 * number for number in range(10)}
    world.run(10, patience=60, repeats=True)
    world.shows, world.troubles = {}, {0: "it failed"}
    assert world.run(1, patience=5, repeats=True) == world.troubles
    assert world.again_at == []


def test_one_after_the_other_is_asked_for_without_waiting_for_the_patience_each_time(world: World) -> None:
    world.one_by_one, world.mends = True, 1.0
    assert set(world.run(20, patience=60, repeats=True).values()) == {None}
    assert [people for _, people in world.again_at] == [[number] for number in range(20)]
    assert world.now < 1030 + 20 * 4


def test_when_the_service_works_by_itself_again_nobody_else_is_asked_for(world: World) -> None:
    """One was asked for; then all come, at a slow pace."""
    world.one_by_one, world.mends = True, 5.0
    world.shows = {number: 1036.0 + 10 * (number // 2) for number in range(1, 20)}  # two at a time
    assert set(world.run(20, patience=60, repeats=True).values()) == {None}
    assert len(world.again_at) <= 2


# --- what the service does counts, too ------------------------------------------------------------------------------


def test_nobody_is_given_up_while_the_service_moves(world: World) -> None:
    """It is slow, or at work for others: ninety blocks behind."""
    world.moves = lambda: int(world.now // 10)
    world.shows = {0: 1300.0}
    assert world.run(1, patience=30) == {0: None}


def test_when_it_has_stopped_moving_the_patience_begins(world: World) -> None:
    world.moves = lambda: min(int(world.now), 1200)
    assert None not in world.run(1, patience=30).values()
    assert 1230 <= world.now <= 1240


def test_a_service_that_cannot_be_seen_has_not_moved(world: World) -> None:
    looks = []

    def moves() -> int:
        looks.append(world.now)
        if len(looks) % 2:
            raise UnavailableError("it does not answer")
        return 7

    world.moves = moves
    assert None not in world.run(1, patience=30).values()
    assert 1030 <= world.now <= 1035


def test_one_that_moves_for_others_alone_is_waited_for_an_hour_and_no_longer(world: World) -> None:
    world.moves = lambda: world.now
    executor = world.executor(patience=30)
    (outcome,) = executor(Batch([0], [person(0)])).outcomes
    assert not outcome.ok
    assert 1000 + 3600 <= world.now <= 1000 + 3600 + 40


def test_it_is_not_looked_at_all_the_time(world: World) -> None:
    looks = []
    world.moves = lambda: looks.append(world.now)
    world.run(1, patience=100)
    assert len(looks) <= 51


def test_failures_are_looked_up_although_the_service_moves(world: World) -> None:
    world.moves = lambda: world.now
    world.troubles = {0: "it failed"}
    assert world.run(1, patience=30) == world.troubles
    assert world.now < 1006


def test_a_run_that_is_to_end_leaves_people_without_outcome(world: World) -> None:
    world.stops_at = 1010.0
    world.shows = {0: 1000.0}
    assert world.run(2) == {0: None}
    assert world.now < 1013


def test_batches_that_wait_side_by_side_share_what_counts_as_a_move(world: World) -> None:
    """The second batch stands still for longer than the patience while the first one moves."""
    executor = world.executor()
    world.shows = {0: 1000.0}
    inner, first, second = world.wait, [person(0)], [person(2)]

    def wait(seconds: float) -> bool:
        if world.now < 1200:  # meanwhile another batch gets one through, again and again
            executor(Batch([0], first))
        return inner(seconds)

    world.wait = wait  # type: ignore[method-assign]
    (outcome,) = executor(Batch([2], second)).outcomes
    assert not outcome.ok
    assert world.now >= 1255


def test_time_in_which_nobody_waits_is_no_standstill(world: World) -> None:
    executor = world.executor()
    world.shows = {0: 1000.0, 1: 2003.0}
    assert executor(Batch([0], [person(0)])).outcomes[0].ok
    world.now = 2000.0
    assert executor(Batch([1], [person(1)])).outcomes[0].ok


# --- what each step looks for, on a real chain ---------------------------------------------------------------------


def _register(box: Sandbox, who: Person) -> None:
    session = box.session()
    assert who.address
    send_from(session, _signer(box), session.contracts.accounts_index, pack(ADD, who.address))


def _give_gas(box: Sandbox, who: Person) -> None:
    assert who.address
    send_from(box.session(), _signer(box), who.address, value=1, gas=21_000)


def _use_faucet(box: Sandbox, who: Person) -> None:
    session = box.session()
    assert who.address
    assert session.contracts.faucet
    send_from(session, _signer(box), session.contracts.faucet.address, pack(GIVE_TO, who.address), gas=300_000)


def _signer(box: Sandbox) -> bytes:
    return bytes.fromhex((box.home / "sandbox" / "signer.key").read_text())


class Backend(CustodialBackend):
    """One that makes no accounts."""

    def accounts(self, batch: Batch) -> Result:
        raise NotImplementedError


#: In the order in which the engine does them, with what is said of someone for whom it was not done.
DONE: list[tuple[str, Callable[[Sandbox, Person], None], str]] = [
    ("registration", _register, "is not in the accounts index yet"),
    ("gas", _give_gas, "has no gas yet"),
    ("faucet", _use_faucet, "has not used the faucet yet"),
]


def test_each_step_sees_what_was_done_for_one_and_not_for_another(sandbox: Sandbox, world: World) -> None:
    done, undone = person(0), person(1)
    services = SimpleNamespace(chain=sandbox.session(), environment=SimpleNamespace(custodial=None))
    backend = Backend(world.context(services, patience=10))
    for step, do, missing in DONE:
        do(sandbox, done)
        executor = getattr(backend, step)(step)
        first, second = sorted(executor(Batch([0, 1], [done, undone])).outcomes, key=lambda outcome: outcome.person)
        assert (first.ok, first.detail) == (True, None)
        assert not second.ok
        assert missing in str(second.detail)
        if step == "registration":
            _register(sandbox, undone)
