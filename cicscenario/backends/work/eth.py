"""Sovereign accounts: each key is derived from one secret of the run; the run's signer pays all costs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path

from cicscenario.backends.work.traffic import TrafficExecutor
from cicscenario.capabilities.backend import Backend
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.cost import Need, Pending, amount
from cicscenario.capabilities.executor import Batch, Executor, Result
from cicscenario.capabilities.roles import PROBE_ADDRESS, role
from cicscenario.capabilities.sending import TransactionExecutor
from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.contracts import ADD, BALANCE_OF, GIVE_TO, eth_call
from cicscenario.chain.intent import Intent
from cicscenario.chain.reading import numbers
from cicscenario.chain.session import ChainSession
from cicscenario.chain.signer import address_of, derive_key
from cicscenario.errors import StateRefusedError, StepFailedError
from cicscenario.people.person import Person, checksum
from cicscenario.state.directory import run_secret, secret_in

SECRET_FILE = "secret"  # noqa: S105  #: of a run directory: all keys of the run are derived from it


class EthBackend(Backend):
    """Derives the accounts of one run directory from its file ``secret`` (created once, readable by the owner only)."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._path = context.directory / SECRET_FILE
        self._is_new = not self._path.exists()
        self._secret = bytes.fromhex(run_secret(self._path))

    def accounts(self, batch: Batch) -> Result:
        result = batch.result
        for person in batch.people:
            if self._context.stopping.is_set():
                break
            address = self._account(person.id)
            result.found(person.id, address, checksum(address))  # as the old tools write accounts of this kind
        return result

    def known_account(self, person: int) -> bytes | None:
        """None when the secret is not the one that the run began with: then nothing is certain."""
        return self._account(person) if self._fits else None

    @cached_property
    def _fits(self) -> bool:
        state = self._context.state
        known = next((person for page in state.pages() for person in page if person.address), None)
        return not self._is_new and (known is None or self._account(known.id) == known.address)

    def _account(self, person: int) -> bytes:
        return address_of(derive_key(self._secret, person))

    def registration(self, step: str) -> Executor:
        return TransactionExecutor(self._context, step, _registration)

    def gas(self, step: str) -> Executor:
        return TransactionExecutor(self._context, step, _gas)

    def faucet(self, step: str) -> Executor:
        return TransactionExecutor(self._context, step, _faucet)

    def traffic(self, step: str) -> Executor:
        return TrafficExecutor(self._context, step)

    def private_key(self, person: Person) -> bytes:
        """Raises StateRefusedError when the person has an account that was not derived from this secret."""
        return _private_key(self._secret, self._path, person)


def keys_in(directory: Path) -> Callable[[Person], bytes]:
    """What gives the private key of a person of the run in ``directory``; see ``EthBackend.private_key``."""
    path = directory / SECRET_FILE
    secret = cache(lambda: bytes.fromhex(secret_in(path)))  # of the first who has an account: a look makes no secret
    return lambda person: _private_key(secret(), path, person)


def _private_key(secret: bytes, path: Path, person: Person) -> bytes:
    key = derive_key(secret, person.id)
    if person.address is not None and address_of(key) != person.address:
        raise StateRefusedError(
            f"the account of person {person.id} was not derived from the secret in {path}",
            hint="restore the secret of this run; without it the keys of its accounts are lost",
        )
    return key


def _registration(context: RunContext, person: Person) -> Intent:
    return Intent(person.id, context.services.chain.contracts.accounts_index, pack(ADD, person.account))


def _gas(context: RunContext, person: Person) -> Intent:
    return Intent(person.id, person.account, value=context.scenario.gas)


def _faucet(context: RunContext, person: Person) -> Intent:
    faucet = context.services.chain.contracts.faucet
    if faucet is None:
        raise StepFailedError("the registry names no Faucet", hint="set `faucet: false` in the scenario")
    return Intent(person.id, faucet.address, pack(GIVE_TO, person.account))


def registration_needs(session: ChainSession) -> Sequence[Need]:
    """The role that the signer needs to register accounts, looked up on the chain."""
    hint = f"make {to_hex(session.signer.address)} a writer of the accounts index (addWriter)"
    index = session.contracts.accounts_index
    return [role(session, "write to the accounts index", index, pack(ADD, PROBE_ADDRESS), hint)]


def faucet_needs(pending: Pending, session: ChainSession) -> Sequence[Need]:
    """The tokens that the faucet needs for the people who are left, looked up on the chain."""
    faucet = session.contracts.faucet
    if faucet is None:
        hint = "set `faucet: false` in the scenario"
        return [Need("a faucet", "named by the registry", "none", ok=False, hint=hint)]
    (held,) = numbers(session.rpc, [eth_call(faucet.token.address, pack(BALANCE_OF, faucet.address))])
    needed = faucet.amount * pending.left
    hint = f"send {faucet.token.symbol} to the faucet {to_hex(faucet.address)}"
    need = amount(f"{faucet.token.symbol} in the faucet", needed, held, "base units", hint)
    # A faucet that mints needs no balance. So only a balance that is too low but not 0 is known to be unmet.
    return [need if held else replace(need, has="none (it may mint)", ok=True)]
