"""The base of the custodial backends: waits while the engine registers accounts, gives gas and triggers the faucet.

The engine does these one after the other, and only the chain shows which is done, so the chain is polled. The engine
neither reports nor retries a transaction that fails on the chain. So a request is repeated, once for each person and run,
one after the other, before people are given up (``repeats``).
"""

import math
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from cicscenario.backends.work.repeats import Repeats
from cicscenario.backends.work.standstill import nonces, standstill
from cicscenario.capabilities.backend import Backend
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Executor
from cicscenario.capabilities.stall import Movement
from cicscenario.capabilities.waiting import Awaited, WaitExecutor
from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.contracts import HAVE, eth_call
from cicscenario.chain.reading import numbers
from cicscenario.errors import UnavailableError
from cicscenario.people.person import Person
from cicscenario.services.custodial import tasks

_ADVICE = "do the engine's tracker and dispatcher run?"
_ROLES_AGAIN = 60.0  # seconds until the engine is asked again for its roles when it did not answer


class CustodialBackend(Backend):
    """Waits for the engine. Subclasses create the accounts."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._mutex = threading.Lock()
        self._roles_due = -math.inf  # when the engine may be asked for its roles
        self._registers = self._repeats(tasks.REGISTER, tasks.WRITER_ROLE, self._registered)
        self._gifts = self._repeats(tasks.GIFT, tasks.GIFTER_ROLE, self._has_gas)

    def registration_failed(self, people: Sequence[Person]) -> dict[int, str]:
        """The people whose registration is known to have failed for good, with the reason."""
        return self._registers.failures(people)

    def may_register_again(self, people: Sequence[Person]) -> Sequence[Person]:
        """The people for whom a second request does no harm, as far as the engine's results show it."""
        return people

    def register_again(self, people: Sequence[Person]) -> bool:
        """Repeats the request for one of the people for whom this may be done now. Returns whether any request was sent."""
        return self._has_engine and self._registers.ask(self.may_register_again(people))

    def gift_again(self, people: Sequence[Person]) -> bool:
        """The same for gas and the faucet, which are one task of the engine."""
        return self._has_engine and self._gifts.ask(people)

    def registration(self, step: str) -> Executor:
        missing = "is not in the accounts index"
        shown = partial(self._shown, self._registers, tasks.WRITER_ROLE)
        what = "registrations by the custodial engine"
        return self._wait(
            Awaited(self._registered, missing, _ADVICE, self.registration_failed, self.register_again, shown, what=what)
        )

    def gas(self, step: str) -> Executor:
        return self._wait(self._gift(self._has_gas, "has no gas"))

    def faucet(self, step: str) -> Executor:
        return self._wait(self._gift(self._used_faucet, "has not used the faucet"))

    def _gift(self, look: Callable[[Sequence[Person]], list[bool]], missing: str) -> Awaited:
        shown = partial(self._shown, self._gifts, tasks.GIFTER_ROLE)
        return Awaited(
            look, missing, _ADVICE, self._gifts.failures, self.gift_again, shown, what="gifts of the custodial engine"
        )

    def _wait(self, awaited: Awaited) -> Executor:
        return WaitExecutor(self._context, replace(awaited, movements=self.movements()))

    def movements(self) -> Sequence[Movement]:
        """The work of the Celery workers of the engine's Redis, and the nonces of the engine's own accounts."""
        return [self._activity, self._nonces] if self._has_engine else [self._nonces]

    @property
    def _has_engine(self) -> bool:
        """Whether the environment says where the engine is."""
        return self._context.services.environment.custodial is not None

    def _activity(self) -> Hashable:
        return self._context.services.custodial.activity()

    def _nonces(self) -> Hashable:
        found = nonces(self._context.services.chain.rpc, self._roles())
        return tuple((role, latest) for role, (latest, _, _) in found.items())

    def _roles(self) -> Mapping[str, bytes]:
        """The engine's own accounts; none when they are not known. An engine that does not answer is not asked all the time."""
        if not self._has_engine:
            return {}
        custodial = self._context.services.custodial
        with self._mutex:
            now = self._context.clock()
            if custodial.known_roles or now < self._roles_due:
                return custodial.known_roles
            self._roles_due = now + _ROLES_AGAIN
        return custodial.roles()

    def _shown(self, repeats: Repeats, role: str) -> str:
        """What is known when nothing moves; ``role`` is the engine's account for whose transactions people wait."""
        return repeats.refusal + self._standstill(role)

    def _standstill(self, role: str) -> str:
        try:
            roles = self._roles()
            return standstill(self._context.services.chain.rpc, roles, role) if roles else ""
        except UnavailableError as error:
            return f"; the accounts of the engine cannot be looked at: {error.message}"

    def _repeats(self, task: str, role: str, look: Callable[[Sequence[Person]], list[bool]]) -> Repeats:
        services = self._context.services

        def send(account: bytes) -> str:
            ask = services.custodial.register if task == tasks.REGISTER else services.custodial.gift
            return ask([account])[0]

        def idle() -> bool:
            """True when the role's account is not known, too."""
            roles = self._roles()
            if role not in roles:
                return True
            latest, pending, _ = nonces(services.chain.rpc, {role: roles[role]})[role]
            return pending <= latest

        return Repeats(
            send=send,
            signing=lambda request: services.custodial.signings([request], task)[request],
            done=lambda person: look([person])[0],
            idle=idle,
            unwell=lambda: services.custodial.unwell(),
        )

    # --- look-ups on the chain ------------------------------------------------------------------------------------

    def _registered(self, people: Sequence[Person]) -> list[bool]:
        chain = self._context.services.chain
        index = chain.contracts.accounts_index
        return [has == 1 for has in numbers(chain.rpc, [eth_call(index, pack(HAVE, p.account)) for p in people])]

    def _has_gas(self, people: Sequence[Person]) -> list[bool]:
        rpc = self._context.services.chain.rpc
        calls = [("eth_getBalance", [to_hex(person.account), "latest"]) for person in people]
        return [wei > 0 for wei in numbers(rpc, calls)]

    def _used_faucet(self, people: Sequence[Person]) -> list[bool]:
        chain = self._context.services.chain
        faucet = chain.contracts.faucet
        if faucet is None:
            return [True] * len(people)  # without a faucet there is nothing to wait for
        calls = [eth_call(faucet.address, pack(faucet.probe, person.account)) for person in people]
        return [faucet.used(answer) for answer in numbers(chain.rpc, calls)]
