"""A gas limit that is too low for some people is ours: everybody arrives, each once. What a contract refuses stays refused."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cicscenario.capabilities.executor import Batch
from cicscenario.capabilities.redo import Redo
from cicscenario.capabilities.sending import TransactionExecutor
from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import GIVE_TO, TRANSFER
from cicscenario.chain.intent import Intent
from cicscenario.chain.rpc import RpcError
from cicscenario.chain.session import ChainSession
from cicscenario.state.store import Store
from tests.support.paying_ledger import AMOUNT, balance, ledger, payee, sent, state_of_fifty
from tests.support.sandboxes import Sandbox

PEOPLE = 4
TOO_LOW = 40_000  #: for a transfer to an account that has no tokens


@dataclass(frozen=True)
class Miserly(ChainSession):
    """A node whose first estimate is for somebody who needs little."""

    def estimate(self, *_: Any, **__: Any) -> int:
        return TOO_LOW


@dataclass(frozen=True)
class Forgetful(Miserly):
    """One that estimates the same again."""

    def estimates(self, intents: Any, *_: Any, **__: Any) -> list[int | RpcError]:
        return [TOO_LOW for _ in intents]


@pytest.fixture
def session(sandbox: Sandbox) -> ChainSession:
    return sandbox.session()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with state_of_fifty(tmp_path) as store:
        yield store


def sent_by(
    session: ChainSession, store: Store, function: bytes, to: bytes, *arguments: int, purpose: str = "gift"
) -> dict[int, str]:
    """Executes the step; gives each person's reason, empty for one who is done, and says when somebody has two outcomes."""
    people = store.people(0, PEOPLE)
    with ledger(session, store) as opened:
        context = SimpleNamespace(
            services=SimpleNamespace(chain=session), state=store, ledger=opened, stopping=threading.Event(),
            redo=Redo(), clock=lambda: 0.0,
        )  # fmt: skip
        executor = TransactionExecutor(
            cast("Any", context), purpose, lambda _, one: Intent(one.id, to, pack(function, one.account, *arguments))
        )
        outcomes = executor(Batch(range(PEOPLE), people)).outcomes
    assert sorted(outcome.person for outcome in outcomes) == list(range(PEOPLE)), "each person has one outcome"
    return {outcome.person: "" if outcome.ok else str(outcome.detail) for outcome in outcomes}


def kind_of(session: ChainSession, kind: type[ChainSession]) -> ChainSession:
    return kind(**vars(session))


def test_who_ran_out_of_gas_gets_another_transaction_and_who_was_refused_none(
    session: ChainSession, store: Store
) -> None:
    token = session.contracts.token.address
    sent(session, session.signer, token, pack(TRANSFER, payee(0), 1))  # 40,000 gas are enough for this person
    assert sent_by(kind_of(session, Miserly), store, TRANSFER, token, AMOUNT) == dict.fromkeys(range(PEOPLE), "")
    assert store.transaction_counts() == {"gift": {"mined": PEOPLE, "failed": PEOPLE - 1}}
    assert [balance(session, payee(n)) for n in range(PEOPLE)] == [AMOUNT + 1, *[AMOUNT] * (PEOPLE - 1)]
    assert {row.gas for row in store.transactions() if row.status == "failed"} == {TOO_LOW}
    assert session.contracts.faucet
    refused = sent_by(kind_of(session, Miserly), store, GIVE_TO, session.contracts.faucet.address, purpose="faucet")
    assert all("ERR_ACCOUNT_NOT_IN_INDEX" in why for why in refused.values())
    assert store.transaction_counts()["faucet"] == {"failed": PEOPLE}, "what the contract refuses is sent once"


def test_nothing_is_sent_again_while_the_node_says_that_it_was_enough(session: ChainSession, store: Store) -> None:
    """The next run looks again. The failure says what may be the cause."""
    token = session.contracts.token.address
    said = sent_by(kind_of(session, Forgetful), store, TRANSFER, token, AMOUNT)
    assert all("the gas limit of 40000 was not enough" in why for why in said.values())
    assert store.transaction_counts() == {"gift": {"failed": PEOPLE}}
    assert sent_by(session, store, TRANSFER, token, AMOUNT) == dict.fromkeys(range(PEOPLE), "")
    assert [balance(session, payee(n)) for n in range(PEOPLE)] == [AMOUNT] * PEOPLE
