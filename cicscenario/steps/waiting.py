"""The steps that the custodial engine carries out by itself: the chain is asked until it shows them.

An account that the engine has made is not yet registered, and one that is registered has neither gas nor the faucet's
tokens yet. Waiting is given up when nobody at all has moved for the backend's patience, so that it scales with the work;
someone of whom the engine knows that it failed is not waited for. What fails on the chain the engine tells nobody, nor does
it try again: before people are given up, it is asked for them once more.
"""

import threading
from collections.abc import Callable, Sequence

from cicscenario.backends.base import Deed
from cicscenario.backends.movement import Movement
from cicscenario.chain.abi import pack, to_hex, word
from cicscenario.chain.contracts import HAVE, eth_call
from cicscenario.connections import Service
from cicscenario.language import Scenario
from cicscenario.state.store import Outcome, PersonRow
from cicscenario.steps.base import Batch, Context, Executor, Lane, Result, Step, account

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between looks
_ASK_ENGINE_AFTER = 3.0  # seconds without a move before the engine is asked what it knows
_DOUBT = 0.5  # share of the patience without a move before the engine is asked to do it again

#: Says for whom the chain shows it, in the order of the people.
Look = Callable[[Context, Sequence[PersonRow]], list[bool]]


class WaitExecutor:
    """Waits for a batch; batches that wait side by side share what counts as a move.

    ``deed`` is what the engine can be asked for again, if it is that which is waited for.
    """

    def __init__(self, context: Context, what: str, look: Look, deed: Deed | None = None) -> None:
        self._context = context
        self._what = what
        self._look = look
        self._deed = deed
        self._movement = Movement()
        self._mutex = threading.Lock()
        self._waiting = 0

    def __call__(self, batch: Batch) -> Result:
        with self._mutex:
            if not self._waiting:
                self._movement.happened()  # nobody waited before, so nobody stood still
            self._waiting += 1
        try:
            return Result(self._wait({person.id: person for person in batch.people}))
        finally:
            with self._mutex:
                self._waiting -= 1

    def _wait(self, waiting: dict[int, PersonRow]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        pause = _FIRST_PAUSE
        while waiting:
            ends = self._ends(waiting)
            outcomes += ends
            for end in ends:
                del waiting[end.person]
            if not waiting or self._context.stopping.wait(pause):
                break
            pause = _FIRST_PAUSE if ends else min(2 * pause, _LONGEST_PAUSE)
        return outcomes

    def _ends(self, waiting: dict[int, PersonRow]) -> list[Outcome]:
        people = list(waiting.values())
        seen = self._look(self._context, people)
        ends = [Outcome(person.id, ok=True) for person, there in zip(people, seen, strict=True) if there]
        if ends:
            self._movement.happened()
            return ends
        if (still := self._movement.still()) < _ASK_ENGINE_AFTER:
            return []
        ends = [Outcome(who, ok=False, detail=why) for who, why in self._context.backend.trouble(people).items()]
        patience = self._context.scenario.backend.patience
        if ends or (still > _DOUBT * patience and self._asks_again(people)) or still <= patience:
            return ends
        return [Outcome(person.id, ok=False, detail=self._standstill(person, still)) for person in people]

    def _asks_again(self, people: Sequence[PersonRow]) -> bool:
        return self._deed is not None and self._context.backend.again(self._deed, people)

    def _standstill(self, person: PersonRow, seconds: float) -> str:
        return (
            f"{to_hex(account(person))} {self._what} yet, and nobody has moved for {seconds:.0f} seconds; do the engine's"
            " tracker and dispatcher run?"
        )


def _registered(context: Context, people: Sequence[PersonRow]) -> list[bool]:
    index = context.services.chain.contracts.accounts_index
    answers = context.services.chain.rpc.calls([eth_call(index, pack(HAVE, account(p))) for p in people])
    return [word(answer) == 1 for answer in answers]


def _has_gas(context: Context, people: Sequence[PersonRow]) -> list[bool]:
    rpc = context.services.chain.rpc
    answers = rpc.calls([("eth_getBalance", [to_hex(account(p)), "latest"]) for p in people])
    return [int(answer, 16) > 0 for answer in answers]


def _used_faucet(context: Context, people: Sequence[PersonRow]) -> list[bool]:
    faucet = context.services.chain.contracts.faucet
    if faucet is None:
        return [True] * len(people)  # there is nothing that the engine could trigger
    answers = context.services.chain.rpc.calls(
        [eth_call(faucet.address, pack(faucet.probe, account(p))) for p in people]
    )
    return [faucet.used(answer) for answer in answers]


def _step(name: str, after: str, look: Look, what: str, summary: str, deed: Deed) -> Step:
    def executor(context: Context) -> Executor:
        return WaitExecutor(context, what, look, deed)

    return Step(
        name=name,
        lane=Lane.SERVICE,
        after=(after,),
        applies=_is_custodial,
        executor=executor,
        summary=summary,
        services=(Service.CHAIN,),
    )


def _is_custodial(scenario: Scenario) -> bool:
    return scenario.backend.custodial


REGISTRATION = _step(
    "registration",
    "accounts",
    _registered,
    "is not in the accounts index",
    "wait for the engine to register each account",
    Deed.REGISTRATION,
)
GAS = _step("gas", "registration", _has_gas, "has no gas", "wait for the engine to give gas", Deed.GIFT)
FAUCET = _step(
    "faucet", "gas", _used_faucet, "has not used the faucet", "wait for the engine to trigger the faucet", Deed.GIFT
)
