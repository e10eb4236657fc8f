"""Runs one world from its seed to its end: the same command again and again, until it exits 0 or has been tried enough."""

import hashlib
import os
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import requests  # noqa: F401 -- loaded before the runtime is swapped

from cicscenario import boundaries
from cicscenario.capabilities.payments import payments_of
from cicscenario.chain.signer import address_of
from cicscenario.engine import records
from cicscenario.engine import run as engine
from cicscenario.engine.events import Event
from cicscenario.errors import ExitCode, as_told
from cicscenario.transport.http import HttpSessions
from tests.soak.chain import SimChain
from tests.soak.database import Account, Database, SimPostgres
from tests.soak.disk import Disk
from tests.soak.drawn import Secrets, Uuids, draw_from, secret
from tests.soak.engine import GIFTER, WRITER, SimEngine
from tests.soak.faults import FOR_A_PERSON, LOSING, Fault, Kind
from tests.soak.installed import installed
from tests.soak.kept import METHODS, PAIRS
from tests.soak.metadata import SimMeta, SimMetaConnection, SimSigner
from tests.soak.node import Reply, SimNode, over_http
from tests.soak.phone import PhoneReply, SimPhone
from tests.soak.redis import SimRedis, SimRedisClient
from tests.soak.scenes import NETWORK, SIGNER_KEY, SPEC, scene
from tests.soak.scheduler import use
from tests.soak.truth import (
    accounted,
    accounts,
    arrived,
    at_rest,
    doubled,
    entered,
    exchanged,
    is_claimed,
    opened,
    paid_by,
    served,
    written,
)
from tests.soak.world import World

KILLED = 137  #: the exit code of a process that was killed
_MORE = 4  #: runs beyond those that the faults may end, after which everybody must have arrived
_UNTIL_AGAIN = 60.0  #: simulated seconds until the command is given again
_NOT_REQUESTED = "has an account that this run did not request"  # said by phone, of a state that is older
_PROCESSORS = 2  # on any machine
_OTHERS = 5  # people of another scenario
_PAID = ("registration", "gas", "faucet")  # what the signer pays without a custodial engine
_SIGNER = address_of(SIGNER_KEY)


@dataclass
class Ended:
    """How a simulation ended. ``problems`` is empty when the invariant held."""

    seed: int
    scene: str
    size: int
    faults: tuple[Fault, ...]
    codes: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    accounts: int = 0  #: that the custodial engine has made
    seconds: float = 0.0  #: simulated
    struck: list[Fault] = field(default_factory=list)
    boundaries: int = 0
    said: list[str] = field(default_factory=list)
    happened: list[tuple[float, str]] = field(default_factory=list)  #: and when

    @property
    def history(self) -> list[str]:
        """What happened, a line each."""
        return [f"{moment:.4f} {what}" for moment, what in self.happened]

    @property
    def digest(self) -> str:
        """Two runs with the same digest had the same history."""
        return hashlib.blake2b("".join(self.history).encode(), digest_size=16).hexdigest()


def simulate(seed: int, name: str, size: int, faults: tuple[Fault, ...], *, confirmations: int = 0) -> Ended:
    """Runs a world. Must be called within ``simulated``."""
    return _Simulation(seed, name, size, faults, confirmations).run()


class _Simulation:
    def __init__(self, seed: int, name: str, size: int, faults: tuple[Fault, ...], confirmations: int) -> None:
        self.ended = Ended(seed, name, size, faults)
        self._scene = scene(name, size, confirmations)
        self.world = World(seed, faults)
        self._chain = SimChain(lambda: self.world.now, frozenset({_SIGNER, WRITER, GIFTER}))
        self._node = SimNode(self._chain, NETWORK)
        self.world.on = {
            Kind.REORG: self._chain.reorganise,
            Kind.SET_BACK: lambda depth: self._chain.reorganise(depth, waiting_again=False),
            Kind.DROP: lambda amount: self._chain.forget_waiting(),
            Kind.LAG: self._chain.lag,
        }
        self.redis = SimRedis(self.world)
        self._engine = SimEngine(self.world, self.redis, self._chain, Random(f"{seed} engine"))
        self.world.on |= {
            Kind.DROPPED: self._engine.drop_callbacks,
            Kind.REPEATED: self._engine.double_callbacks,
            Kind.PAUSED: self._engine.workers.pause,
            Kind.WORKERS: self._engine.workers.lose_running,
            Kind.CUT: lambda amount: self.redis.drop_connections(),
            Kind.DOWN: self._go_down,
            Kind.EMPTIED: lambda amount: self.redis.empty(),
        }
        self.meta = SimMeta(self.world)
        self.database = Database()
        self.phone = SimPhone(
            self.world, self.database, self.redis, self._engine, self.meta, SPEC, Random(f"{seed} phone")
        )
        self._register_existing()
        self.world.on |= {
            Kind.RESTARTED: lambda amount: self.database.restart(),
            Kind.TASKER: self.phone.workers.lose_running,
            Kind.TASKER_PAUSED: self.phone.workers.pause,
        }
        self._disk = Disk(self.world, Random(f"{seed} disk"))
        self.world.on_end = self._ended
        self.world.on |= {Kind.OLDER: self._keep_copy, Kind.OTHER: self._await_other}
        self._older: tuple[int, Path] | None = None  # the number of ends at which this copy is put back
        self._others: list[bytes] = []  # accounts of other scenarios' people
        self._other_due = self._is_other = False
        draw_from(Random(f"{seed} drawn"))
        secret("5e")

    def _register_existing(self) -> None:
        """The people who have accounts before the run have joined by phone."""
        for index in range(self._scene.plan.size):
            if account := self._scene.plan.population.account(index):
                phone = self._scene.plan.population.person(index).phone
                self.database.accounts[phone] = Account(account, "sw", 0.0)
                self.database.sessions[phone] = "initial_pin_entry"

    def run(self) -> Ended:
        ended = self.ended
        with tempfile.TemporaryDirectory(prefix="world", dir=_memory()) as folder:
            self._folder = Path(folder)
            self._directory, self._ends = self._folder / "0", 0
            _current.simulation = self
            use(self.world.scheduler)
            try:
                self._again_and_again()
            finally:
                use(None)
                _current.simulation = None
        ended.happened, ended.boundaries = self.world.history, self.world.boundaries
        ended.accounts = len(self._engine.keys)
        ended.seconds, ended.struck = self.world.now, self.world.struck
        self._take_apart()
        return ended

    def _take_apart(self) -> None:
        """Its parts know one another: as a whole they would stay until the garbage collector has found them."""
        engine, phone = self._engine, self.phone
        for part in (
            self.world.scheduler,
            self.world,
            self._chain,
            self.redis,
            engine.workers,
            engine,
            phone.workers,
            phone,
        ):
            vars(part).clear()
        vars(self).clear()

    def _again_and_again(self) -> None:
        """Gives the command until it exits 0. If the world has changed since, as by a chain that went back, it is given
        once more: it must see that.
        """
        ended = self.ended
        over = False
        for _ in range(sum(fault.runs for fault in ended.faults) + _MORE):
            self._once()
            self.world.scheduler.skip(_UNTIL_AGAIN)
            if self._other_due:
                self._run_other()
            if ended.problems or self._stands():
                return
            if self._older and (len(ended.codes) >= self._older[0] or ended.codes[-1] == ExitCode.OK):
                (_, self._directory), self._older = self._older, None
                self.world.tell("the older state is put back")
            elif ended.codes[-1] == ExitCode.OK:
                with at_rest(self._directory / "state.sqlite"):
                    missing = self._missing()
                if over or not missing:
                    ended.problems = missing
                    return
                over = True
        ended.problems.append(f"it did not end well: {ended.codes}; last: {ended.said[-1:]}")

    def _stands(self) -> bool:
        """Whether the run may end here and wait for a person, who then decides: it has paid nobody twice."""
        last = self.ended.codes[-1]
        if last == ExitCode.RECONCILE:
            return self._struck(FOR_A_PERSON)
        said = self.ended.said[-1] if last == ExitCode.UNAVAILABLE else ""
        return _NOT_REQUESTED in said and self._struck(frozenset({Kind.OLDER}))

    def _struck(self, kinds: frozenset[Kind]) -> bool:
        return bool(kinds & {one.kind for one in self.world.struck})

    def _run_other(self) -> None:
        """Runs another scenario with the same signer, until its people have arrived."""
        mine, codes = (self._scene, self._directory), self.ended.codes[:]
        self._other_due, self._is_other = False, True
        self._scene, self._directory = scene("eth", _OTHERS, seed=8), self._folder / "other"
        secret("07")
        for _ in range(sum(fault.runs for fault in self.ended.faults) + _MORE):
            self._once()
            self.world.scheduler.skip(_UNTIL_AGAIN)
            if self.ended.problems:
                break
            if self.ended.codes[-1] == ExitCode.OK:
                people = accounts(self._directory / "state.sqlite")
                self._others = [account for account, _ in people.values()]
                done = Counter({one: n for one, n in paid_by(self._chain, _SIGNER).items() if one[1] in self._others})
                if not list(arrived(people, _OTHERS, done, paid=_PAID)):
                    break
        else:
            self.ended.problems.append(f"the other scenario did not end well: {self.ended.codes[len(codes) :]}")
        secret("5e")
        self._is_other = False
        (self._scene, self._directory), self.ended.codes[:] = mine, codes

    def _once(self) -> None:
        code = [KILLED]
        process = self.world.scheduler.run(lambda: code.__setitem__(0, self._command()))
        self.world.tell(f"exit {code[0]}")
        self.ended.codes.append(int(code[0]))
        if process.died_of is not None:
            text = "".join(traceback.format_exception(process.died_of)[-6:])
            self.ended.problems.append(f"the process ended with an error that nobody caught: {text}")
        self.ended.problems += doubled(paid_by(self._chain, _SIGNER))

    def _command(self) -> int:
        """What ``cicscenario run`` does, from the opening of the run on."""
        here, where = self._directory, self._scene.environment
        request = engine.RunRequest(
            path=self._scene.path,
            directory=lambda scenario: here,
            environment=lambda plan: nullcontext(where),
            stoppable=lambda stop: nullcontext(),
            report=lambda end: None,
        )
        try:
            with engine.open_run(request, self._scene.plan, self._listen) as this:
                return engine.report(this, engine.carry_out)
        except Exception as error:
            told = as_told(error)
            if told is None:
                raise
            self.ended.said.append(f"{told.exit_code.name}: {told.message}")
            self.world.tell(f"says {told.exit_code.name}")
            return told.exit_code

    def _listen(self, event: Event) -> None:
        pass

    def _ended(self, kind: Kind) -> None:
        """The next process finds the directory as it is at this moment, or what a power cut leaves of it."""
        self._ends += 1
        target = self._folder / str(self._ends)
        if self._directory.exists():
            copy = self._disk.as_left_by_kill if kind is Kind.KILL else self._disk.as_left_by_power_cut
            copy(self._directory, target)
        self._directory = target

    def _go_down(self, amount: int) -> None:
        self.redis.drop_connections()
        self.database.restart()

    def _keep_copy(self, amount: int) -> None:
        """A copy from before the run has claimed its state is none: it is as an empty directory is, which pays everybody."""
        if self._is_other or self._older or not self._directory.exists():
            return
        self._ends += 1
        copy = self._folder / str(self._ends)
        self._disk.as_left_by_kill(self._directory, copy)
        if is_claimed(copy / "state.sqlite"):
            self._older = len(self.ended.codes) + amount, copy

    def _await_other(self, amount: int) -> None:
        self._other_due = not self._is_other and not self._others

    def _missing(self) -> list[str]:
        state, size = self._directory / "state.sqlite", self.ended.size
        scenario, people = self._scene.plan.scenario, accounts(state)
        traits = scenario.backend.traits
        done = paid_by(self._chain, _SIGNER)
        done = Counter({one: n for one, n in done.items() if one[1] not in self._others})
        found = [*arrived(people, size, done, paid=_PAID if traits.sovereign else (), gifts=traits.makes_accounts)]
        if scenario.traffic:
            plan = payments_of(scenario, self._scene.plan.population, size)
            on_chain = [one for one in plan if not (one.refused and traits.joins_by_phone)]  # the phone refuses first
            found += exchanged(people, self._chain, on_chain, sum(plan.gifts))
            people = {person: (account, plan.left[person]) for person, (account, _) in people.items()}
        if traits.makes_accounts:
            found += served(people, self._chain)
        if traits.custodial and not self._struck(frozenset({Kind.OLDER})):  # what was asked for since is not known
            found += accounted(people, self._engine.keys, state, may_lose=self._struck(LOSING))
        if traits.has_phone_accounts:
            found += entered(state, self.database, has_pins=scenario.pins is not None, has_data=scenario.ussd_data)
            found += written(state, self.meta, {*scenario.metadata, *(["phone"] if traits.joins_by_phone else [])})
        if traits.sovereign:
            found += opened(people, self._directory)
        return found

    def post(self, url: str, body: Any, timeout: float) -> Reply | PhoneReply:
        if "phone" in url:
            return over_http(self.world, "phone", lambda: self.phone.answer(body), timeout, once=True)
        methods = ",".join(sorted({call["method"] for call in (body if isinstance(body, list) else [body])}))
        return over_http(self.world, methods, lambda: Reply(self._node.answer(body)), timeout)

    def disk(self) -> Disk:
        return self._disk


class _Http:
    """Stands for ``HttpSessions``."""

    def __init__(self, timeout: float, stopping: object = None, **options: Any) -> None:
        self._timeout = timeout
        self.sent = 0

    def post(self, url: str, **options: Any) -> Reply | PhoneReply:
        self.sent += 1
        body = options["data"] if "data" in options else options["json"]
        return _simulation().post(url, body, self._timeout)

    def get(self, url: str, **options: Any) -> PhoneReply:
        return PhoneReply(b"healthy")

    def close(self) -> None:
        pass


class _PresentDisk:
    """The disk of the present simulation, in the place of the module ``sqlite3``."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_simulation().disk(), name)


class _Os(ModuleType):
    """Stands for the module ``os``: what is flushed is only noted."""

    def __init__(self) -> None:
        super().__init__("os")
        vars(self).update({name: one for name, one in vars(os).items() if name not in ("fsync", "cpu_count")})

    def fsync(self, descriptor: int) -> None:
        _simulation().disk().fsync(descriptor)

    def cpu_count(self) -> int:
        return _PROCESSORS


class _current:  # noqa: N801 -- a holder
    simulation: _Simulation | None = None


def _simulation() -> _Simulation:
    assert _current.simulation is not None
    return _current.simulation


@contextmanager
def simulated() -> Iterator[None]:
    """The product is in the simulated runtime in the block."""
    import secrets
    import sqlite3
    import uuid

    from cicscenario.chain.lock import signer_lock
    from cicscenario.services.custodial.broker import Broker
    from cicscenario.services.openpgp import OpenPgpSigner
    from cicscenario.transport.http import http_connection
    from cicscenario.transport.postgres import Postgres

    no_lock: Callable[[object], object] = lambda session: nullcontext()  # noqa: E731
    boundaries.observe(lambda name, side: _simulation().world.named_boundary(name, side))
    with installed(
        (HttpSessions, _Http),
        (sqlite3, _PresentDisk()),
        (os, _Os()),
        (os.cpu_count, lambda: _PROCESSORS),
        (uuid, Uuids),
        (secrets, Secrets),
        (signer_lock, no_lock),
        (OpenPgpSigner, SimSigner),
        (Postgres, lambda *login, **options: SimPostgres(_simulation().world, _simulation().database)),
        (http_connection, lambda *place, **options: SimMetaConnection(_simulation().meta)),
        *PAIRS,
        methods=[
            *METHODS,
            (Broker, "connect", lambda broker, timeout: SimRedisClient(_simulation().redis)),
            (records, "_EVERY", 4 * records._EVERY),  # at each second it would be a tenth of all work
        ],
    ):
        try:
            yield
        finally:
            boundaries.observe(None)


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
