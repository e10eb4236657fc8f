"""Client of the custodial engine: checks that it is ready, asks which keys it holds, and requests accounts."""

import threading
import time
import uuid
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cicscenario.boundaries import Boundary
from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError, UnavailableError
from cicscenario.printable import foreign
from cicscenario.services.custodial import tasks
from cicscenario.services.custodial.accounts import AccountRequests
from cicscenario.services.custodial.accounttransactions import AccountTransactions
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.custodial.meaning import no_role
from cicscenario.services.custodial.messages import Messages
from cicscenario.services.custodial.outcome import AccountOutcome, Failed, Lost, Signing, Trace
from cicscenario.services.custodial.pending import VISIBILITY_TIMEOUT
from cicscenario.services.custodial.questions import Answer, Call, Questions
from cicscenario.services.custodial.results import TaskRecord, address_in
from cicscenario.services.custodial.tracing import Tracer
from cicscenario.services.custodial.transfers import Transfers
from cicscenario.services.custodial.workers import count_workers
from cicscenario.transport.traffic import Meter
from cicscenario.wording import agreeing, counted

_REGISTER = Boundary("engine.register")  # accounts that the engine has made
_GIFT = Boundary("engine.gift")  # gas and the faucet
_LONGEST = 3600.0  # seconds that answers are waited for while workers move
_NOBODY = "00" * 19 + "01"  # an address whose key nobody has; asking for it tries the chain spec and the signer
_ROLES = (tasks.WRITER_ROLE, tasks.GIFTER_ROLE)


@dataclass(frozen=True)
class EngineToken:
    """The engine's default token; ``address`` has 20 bytes."""

    symbol: str
    name: str
    address: bytes
    decimals: int


@dataclass(frozen=True)
class EngineSurvey:
    """What an engine that is ready says of itself. None, or a role left out, where an older version has no task for it.

    ``waiting`` is the number of tasks on the queue. ``fetched`` is the number that workers of this Redis, of whatever queue,
    have fetched and not begun. ``workers`` is None when they do not answer Celery's remote control.
    """

    token: EngineToken | None
    registry: bytes | None
    roles: Mapping[str, bytes]
    waiting: int
    fetched: int
    workers: int | None


class CustodialClient:
    """The engine behind ``broker`` (an address of Redis) that takes tasks from ``queue``; see Broker for the login.

    ``callback`` is ``host:port:database`` of the same Redis as the engine's worker sees it; the broker's own by default.
    ``busy`` is how many seconds ``survey`` waits for an engine that is at work on other tasks. ``visibility_timeout`` is that
    of the engine's workers, in seconds.
    Safe for use by many threads. Everything raises UnavailableError when Redis cannot be reached, and InterruptedRunError
    within a second after ``stopping`` is set. Deadlines are instants of ``time.monotonic``.
    """

    def __init__(
        self,
        broker: str,
        chain_spec: ChainSpec,
        *,
        queue: str = "cic-eth",
        callback: str | None = None,
        timeout: float = 5,
        patience: float = 15,
        busy: float = 300,
        visibility_timeout: float = VISIBILITY_TIMEOUT,
        stopping: threading.Event | None = None,
        user: str | None = None,
        password: str | None = None,
        ca: Path | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._broker = Broker(
            broker, queue, timeout=timeout, patience=patience, stopping=stopping, user=user, password=password, ca=ca,
            meter=meter,
        )  # fmt: skip
        self._messages = Messages(queue, chain_spec)
        self._tracer = Tracer(self._broker, self._messages.spec, visibility_timeout)
        self._questions = Questions(self._broker, self._messages, self._tracer.pending)
        self._busy = busy
        self._chain = chain_spec.asdict()
        self._roles: dict[str, bytes] = {}
        where = callback or self._broker.callback
        if where is None:
            raise InvalidError(
                f"a broker at a socket ({self._broker.address}) needs `custodial.callback`, which is missing",
                hint="write host:port:database of Redis as the engine's worker sees it",
            )
        if where.count(":") != 2:  # the engine splits it at its colons
            raise InvalidError(
                f"not a callback address: {where!r}",
                hint="write host:port:database of Redis as the engine's worker sees it",
            )
        self._callback = where

    @property
    def address(self) -> str:
        """Where the engine is, for messages to people."""
        return self._questions.address

    def accounts(self, channel: str, *, register: bool = True) -> AccountRequests:
        """Requests for accounts, with callbacks on ``channel``, a name that no other run uses.

        ``register`` has the engine register each account in the accounts index.
        """
        return AccountRequests(self._broker, self._messages, self._tracer, channel, self._callback, register=register)

    def account_transactions(self) -> AccountTransactions:
        """The transactions that the engine has made or may make for accounts, whoever asks for them."""
        return AccountTransactions(self._broker, self._questions, self._chain)

    def outcomes(self, root_ids: Sequence[str]) -> dict[str, AccountOutcome]:
        """The present outcome of each account creation, whoever asked for it, by the id of its first task."""
        return self._tracer.outcomes(root_ids) if root_ids else {}

    def beside(self, queue: str) -> Broker:
        """Another queue of the same Redis."""
        return self._broker.beside(queue)

    def transfers(self) -> Transfers:
        """Requests for transfers of tokens."""
        return Transfers(self._broker, self._messages, self._tracer)

    def token_address(self, symbol: str, timeout: float = 10) -> bytes:
        """The address of the token that the engine transfers for a symbol; ``timeout`` is in seconds."""
        answer = self._questions.ask([(tasks.RESOLVE_TOKENS, [[symbol], self._chain])], timeout)[0]
        if not isinstance(answer, TaskRecord):
            raise self._problem(answer)
        found = answer.result[0] if isinstance(answer.result, list) and answer.result else {}
        address = address_in(found.get("address")) if isinstance(found, dict) else None
        if address is None:
            raise UnavailableError(f"the custodial engine answers with no valid token: {found!r:.200} ({self.address})")
        return address

    # --- is it ready --------------------------------------------------------------------------------------------

    def check(self, timeout: float = 10) -> EngineToken:
        """As ``survey``, but gives only the engine's default token, and raises UnavailableError when that is not known."""
        token = self.survey(timeout).token
        if token is None:
            raise UnavailableError(f"the engine does not say what its default token is ({self.address})")
        return token

    def survey(self, timeout: float = 10) -> EngineSurvey:
        """What the engine says of itself, after a check of all that account creation needs.

        Raises UnavailableError with the first thing that is missing: Redis, a worker, its tasks, this chain, the signer, an
        account for a role, or that account creation is locked. ``timeout`` is in seconds; an engine that is busy, as after
        a run that was killed, is waited for longer while it takes tasks, but not for ever (``busy``).
        """
        self._broker.ping()
        calls: list[Call] = [
            (tasks.CHECK_LOCK, ["", self._chain, tasks.CREATE_LOCK]),
            (tasks.HAVE, [_NOBODY, self._chain]),
            (tasks.DEFAULT_TOKEN, []),
            (tasks.REGISTRY, []),
            *((tasks.ROLE_ACCOUNT, [role, self._chain]) for role in _ROLES),
        ]
        began = time.monotonic()
        lock, have, token, registry, *roles = self._questions.ask(calls, timeout, self._busy)
        if self._busy > timeout and time.monotonic() - began >= self._busy and isinstance(lock, Lost):
            raise self._too_busy()
        for answer in (lock, have, token):
            if isinstance(answer, Lost) or (
                isinstance(answer, Failed) and not (_unknown(answer) and answer is not lock)
            ):
                raise self._problem(answer)
        found = {role: self._role(role, answer) for role, answer in zip(_ROLES, roles, strict=True)}
        self._roles = {role: address for role, address in found.items() if address is not None}
        waiting, fetched = self._tracer.pending.counts()
        return EngineSurvey(
            token=self._token(token.result) if isinstance(token, TaskRecord) else None,
            registry=address_in(registry.result) if isinstance(registry, TaskRecord) else None,
            roles=dict(self._roles),
            waiting=waiting,
            fetched=fetched,
            workers=count_workers(self._broker),
        )

    def default_token(self, timeout: float = 10) -> EngineToken:
        """The engine's default token; ``timeout`` is in seconds."""
        answer = self._questions.ask([(tasks.DEFAULT_TOKEN, [])], timeout)[0]
        if not isinstance(answer, TaskRecord):
            raise self._problem(answer)
        return self._token(answer.result)

    def unwell(self, timeout: float = 5) -> str | None:
        """Why the engine cannot sign at present, in words; None when it has just asked its signer and got an answer.

        ``timeout`` is in seconds. An engine too old to have the task for it counts as well.
        """
        answer = self._questions.ask([(tasks.HAVE, [_NOBODY, self._chain])], timeout)[0]
        if isinstance(answer, TaskRecord) or (isinstance(answer, Failed) and _unknown(answer)):
            return None
        return str(answer)

    def is_open(self, flag: int, timeout: float = 5) -> bool:
        """Whether no lock with this flag holds for all accounts. False as well when that is not known.

        ``timeout`` is in seconds.
        """
        (answer,) = self._questions.ask([(tasks.CHECK_LOCK, ["", self._chain, flag])], timeout)
        return isinstance(answer, TaskRecord)

    def roles(self, timeout: float = 5) -> Mapping[str, bytes]:
        """The addresses of the engine's own accounts by role; those that are not known are left out. They are kept."""
        if not self._roles:
            answers = self._questions.ask([(tasks.ROLE_ACCOUNT, [role, self._chain]) for role in _ROLES], timeout)
            found = {role: _role_address(answer) for role, answer in zip(_ROLES, answers, strict=True)}
            self._roles = {role: address for role, address in found.items() if address and any(address)}
        return self._roles

    @property
    def known_roles(self) -> Mapping[str, bytes]:
        """As ``roles``, without asking."""
        return self._roles

    def activity(self) -> Hashable:
        """A value that differs from an earlier one when workers of this Redis have taken, begun or finished tasks since.

        Questions of this client do not count.
        """
        return self._questions.activity()

    # --- keys and accounts --------------------------------------------------------------------------------------

    def have(self, addresses: Sequence[bytes], deadline: float) -> dict[bytes, bool | Failed | Lost]:
        """Whether the engine holds the key of each 20-byte address. Failed or Lost where that is not known.

        While workers move, answers are waited for longer than until ``deadline``.
        """
        calls: list[Call] = [(tasks.HAVE, [address.hex(), self._chain]) for address in addresses]
        answers = self._questions.ask(calls, max(deadline - time.monotonic(), 0), _LONGEST)
        return {
            address: address_in(answer.result) == address if isinstance(answer, TaskRecord) else answer
            for address, answer in zip(addresses, answers, strict=True)
        }

    def register(self, accounts: Sequence[bytes]) -> list[str]:
        """Has the engine register 20-byte addresses that it made, even if it has tried before. The chain shows the result.

        Gives the ids of the first tasks, for ``signings``. A request that fails may leave a nonce of the role unused, which
        every later transaction then waits for: look at ``unwell`` before.
        """
        ids = [str(uuid.uuid4()) for _ in accounts]
        made = zip(ids, accounts, strict=True)
        with _REGISTER:
            self._broker.push_in_parts(self._messages.register_account(i, account.hex()) for i, account in made)
        return ids

    def gift(self, accounts: Sequence[bytes]) -> list[str]:
        """Has the engine give gas to registered accounts that it made, and trigger the faucet. As ``register``."""
        ids = [str(uuid.uuid4()) for _ in accounts]
        made = zip(ids, accounts, strict=True)
        with _GIFT:
            self._broker.push_in_parts(self._messages.gift_account(i, account.hex()) for i, account in made)
        return ids

    def signings(self, ids: Sequence[str], task: str) -> dict[str, Signing]:
        """How far the engine has come with requests of ``register`` (``tasks.REGISTER``) or ``gift`` (``tasks.GIFT``).

        By the ids that these gave.
        """
        return self._tracer.signings(ids, task)

    # --- reading answers ----------------------------------------------------------------------------------------

    def _role(self, role: str, answer: Answer) -> bytes | None:
        address = _role_address(answer)
        if address is None or any(address):
            return address
        meaning, hint = no_role(role, self._messages.spec)
        raise UnavailableError(f"{meaning} ({self.address})", hint=hint)

    def _waiting(self) -> str:
        number = self._broker.waiting()
        return f"{counted(number, 'task')} {agreeing(number, 'wait')} there"

    def _too_busy(self) -> UnavailableError:
        return UnavailableError(
            f"the custodial engine is busy: it takes tasks from the {self.address}, but has not come to those of this run"
            f" in {self._busy:g} seconds; {self._waiting()}",
            hint="wait until the queue is shorter, and run the same command again; is something else filling it?",
        )

    def _problem(self, answer: Failed | Lost) -> UnavailableError:
        if isinstance(answer, Failed):
            return UnavailableError(f"{answer} ({self.address})", hint=answer.hint)
        if answer.trace is Trace.QUEUED:
            hint = "is the custodial engine's worker running, on this Redis and with this queue (CELERY_QUEUE)?"
            return UnavailableError(f"{answer.why}; {self._waiting()}", hint=hint)
        hint = "is the worker overloaded or paused, or does it leave its results elsewhere (CELERY_RESULT_URL)?"
        return UnavailableError(answer.why, hint=hint)

    def _token(self, found: Any) -> EngineToken:
        """Source: ``default_token`` answers {symbol, address, name, decimals}, the address without 0x."""
        fields = found if isinstance(found, dict) else {}
        address = address_in(fields.get("address"))
        if address is None or not isinstance(fields.get("decimals"), int) or not fields.get("symbol"):
            raise UnavailableError(f"the custodial engine answers with no valid token: {found!r:.200} ({self.address})")
        return EngineToken(
            foreign(fields["symbol"], 80), foreign(fields.get("name", ""), 80), address, fields["decimals"]
        )


def _unknown(answer: Failed) -> bool:
    """Whether the worker has no such task, as in another version of the engine."""
    return answer.exception == "NotRegistered"


def _role_address(answer: Answer) -> bytes | None:
    """The address that ``role_account`` gave, ``[[address, role]]``: zeros for no account. None when it is not known."""
    if not isinstance(answer, TaskRecord):
        return None
    try:
        address = answer.result[0][0]
    except (TypeError, IndexError, KeyError):
        return None
    return bytes(20) if address is None else address_in(address)
