"""What became of tasks of the engine: from the results, and for those without one from the places where Redis holds them."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from cicscenario.services.custodial import tasks
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed, Lost, Signing, Trace, Transferred
from cicscenario.services.custodial.pending import PendingTasks, TaskPlace, clock_time
from cicscenario.services.custodial.results import Results, Tree, outcome, registration_root, signing

_Outcome = TypeVar("_Outcome", bound=Created | Transferred | Failed | Lost)
Judge = Callable[[str, Tree, str], _Outcome]  #: root id, results, chain spec


class Tracer:
    """Looks tasks up in batches. ``spec`` is the chain spec, for commands in hints. Safe for use by many threads.

    ``visibility_timeout`` is that of the engine's workers, in seconds.
    """

    def __init__(self, broker: Broker, spec: str, visibility_timeout: float) -> None:
        self._broker = broker
        self._spec = spec
        self._results = Results(broker)
        self.pending = PendingTasks(broker, visibility_timeout)

    def outcomes(self, root_ids: Sequence[str]) -> dict[str, AccountOutcome]:
        """The present outcome of each creation, without waiting."""
        return self.trace(root_ids, outcome)

    def trace(self, root_ids: Sequence[str], judge: Judge[_Outcome]) -> dict[str, _Outcome | Lost]:
        """The present outcome of each root task, without waiting; ``judge`` reads it from the tree of results."""
        found = self._outcomes(root_ids, judge)
        lost = {root: end for root, end in found.items() if isinstance(end, Lost)}
        if not lost:
            return found
        places = self.pending.find({end.task for end in lost.values() if end.task})
        found |= {root: self._placed(end, places[end.task]) for root, end in lost.items() if end.task in places}
        # a worker may have taken a message after the results were read
        nowhere = [root for root, end in lost.items() if end.task not in places]
        again = self._outcomes(nowhere, judge)
        return found | {root: _nowhere(end) if isinstance(end, Lost) else end for root, end in again.items()}

    def final(self, root_ids: Collection[str]) -> dict[str, AccountOutcome]:
        """The outcomes that are known from results alone; those without one are left out."""
        found = self._outcomes(list(root_ids), outcome)
        return {root: last for root, last in found.items() if not isinstance(last, Lost)}

    def registrations(self, root_ids: Sequence[str]) -> dict[str, Signing]:
        """How far the registration of each creation is; those whose account has not been created are left out."""
        tree = self._results.trees(root_ids)
        nonces = {root: nonce for root in root_ids if (nonce := registration_root(root, tree))}
        found = self._signings(nonces.values(), tasks.REGISTER, tree)
        return {root: found[nonce] for root, nonce in nonces.items()}

    def signings(self, nonce_ids: Sequence[str], then: str) -> dict[str, Signing]:
        """How far each transaction is, by the id of the task that reserves its nonce; the task ``then`` signs it."""
        return self._signings(nonce_ids, then, self._results.trees(nonce_ids))

    def _signings(self, nonce_ids: Iterable[str], then: str, tree: Tree) -> dict[str, Signing]:
        found = {nonce: signing(nonce, tree, then, self._spec) for nonce in nonce_ids}
        places = self.pending.find({one.task for one in found.values() if one.task})
        return {nonce: replace(one, alive=one.task in places) for nonce, one in found.items()}

    def _outcomes(self, root_ids: Sequence[str], judge: Judge[_Outcome]) -> dict[str, _Outcome | Lost]:
        tree = self._results.trees(root_ids)
        return {root: judge(root, tree, self._spec) for root in root_ids}

    def _placed(self, end: Lost, place: TaskPlace) -> Lost:
        if not place.fetched:
            why = (
                f"no worker has taken its task from the queue {self._broker.queue!r} of Redis {self._broker.address}: "
                "is the custodial engine running, and does it take tasks from this queue?"
            )
            return replace(end, trace=Trace.QUEUED, why=why)
        back = "after the visibility timeout" if place.until is None else f"soon after {clock_time(place.until)}"
        why = (
            "a worker has fetched its task and not begun it; if that worker was killed, another one gets the task"
            f" {back}, and the same command goes on then"
        )
        return replace(end, trace=Trace.FETCHED, why=why, until=place.until)


def _nowhere(end: Lost) -> Lost:
    """The same, for one whose next task was looked for and not found."""
    return replace(
        end, why=f"{end.why}, and its task is neither on the queue nor with a worker that has yet to begin it"
    )
