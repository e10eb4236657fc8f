"""What a step that sends transactions costs, and what has to be there before the first of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cicscenario.chain.contracts import eth_call
from cicscenario.chain.rpc import RpcError
from cicscenario.chain.session import ChainSession
from cicscenario.language import Scenario
from cicscenario.people.population import Population
from cicscenario.state.store import Store

#: Nobody's account: the first address that is not a precompile, for asking what would happen.
SAMPLE = (0xC1C).to_bytes(20, "big")


@dataclass(frozen=True)
class Need:
    """Something a run cannot do without, and what was found, in words; where it is an amount, as numbers too.

    ``ok`` is whether nothing is known to be missing: also where the service was not ``asked``.
    """

    what: str
    needs: str
    has: str
    ok: bool
    hint: str = ""
    asked: bool = True
    needed: int | None = None
    held: int | None = None
    unit: str = ""  #: of both amounts


def amount(what: str, needed: int, held: int, unit: str, hint: str) -> Need:
    """A need for an amount, which was looked up."""
    words = f"{needed:,} {unit}", f"{held:,} {unit}"
    return Need(what, *words, held >= needed, hint, needed=needed, held=held, unit=unit)


def not_asked(what: str, needs: str = "an answer", *, needed: int | None = None, unit: str = "") -> Need:
    """A need that is known beforehand, while the service that could say whether it is met was not asked."""
    words = needs if needed is None else f"{needed:,} {unit}"
    return Need(what, words, "not asked", ok=True, asked=False, needed=needed, unit=unit)


def role(session: ChainSession, what: str, to: bytes, data: bytes, hint: str) -> Need:
    """Whether the signer may make a call: the node is asked what would happen. Raises UnavailableError or RpcError."""
    answer: Any = session.rpc.results([eth_call(to, data, session.signer.address)])[0]
    ok = not isinstance(answer, RpcError)
    return Need(f"may {what}", "yes", "yes" if ok else "no", ok, hint)


@dataclass(frozen=True)
class Pending:
    """What is left of a step: ``left`` people are not known to have had their transaction.

    ``state`` is None where nothing has been run yet; then everybody of the population is left.
    """

    step: str
    scenario: Scenario
    population: Population
    size: int
    left: int
    state: Store | None


@dataclass(frozen=True)
class Cost:
    """The cost of a step that sends one transaction a person, all alike. Subclasses say what differs.

    ``gas`` is what one transaction is expected to use, rounded up.
    """

    gas: int

    def transactions(self, pending: Pending) -> int:
        """How many are still to be sent."""
        return pending.left

    def tokens(self, pending: Pending) -> int:
        """Whole tokens that the signer still gives away."""
        return 0

    def native(self, scenario: Scenario) -> int:
        """Native currency that goes along with one transaction, in wei."""
        return 0

    def needs(self, pending: Pending, session: ChainSession) -> Sequence[Need]:
        """What the signer must have and may do, beside native currency; the chain is asked."""
        return ()

    def foreseen(self, pending: Pending) -> Sequence[Need]:
        """The same needs where the chain cannot be asked."""
        return ()
