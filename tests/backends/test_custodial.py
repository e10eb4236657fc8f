"""What both custodial backends share: they see the engine's work, and ask it again where the environment says where it is."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cicscenario.backends.work.custodial import CustodialBackend
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Result
from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import Signing

WRITER, GIFTER = bytes([0xAA]) * 20, bytes([0xBB]) * 20


class World:
    """An engine and a node. ``nonces`` are the latest and the pending nonce by account."""

    name = "http://node"

    def __init__(self) -> None:
        self.now = 1000.0
        self.sent: list[tuple[str, bytes]] = []
        self.custodial: str | None = "where the engine is"
        self.known_roles: dict[str, bytes] = {}
        self.asked_for_roles = 0
        self.answers = True
        self.nonces = {WRITER: (3, 3), GIFTER: (5, 5)}
        self.done = 5

    # the engine
    def roles(self) -> dict[str, bytes]:
        self.asked_for_roles += 1
        if self.answers:
            self.known_roles = {"ACCOUNT_REGISTRY_WRITER": WRITER, "GAS_GIFTER": GIFTER}
        return self.known_roles

    def register(self, accounts: list[bytes]) -> list[str]:
        self.sent += [("register", account) for account in accounts]
        return ["a task" for _ in accounts]

    def gift(self, accounts: list[bytes]) -> list[str]:
        self.sent += [("gift", account) for account in accounts]
        return ["a task" for _ in accounts]

    def signings(self, requests: list[str], task: str) -> dict[str, Signing]:
        return dict.fromkeys(requests, Signing())

    def unwell(self) -> None:
        return None

    def activity(self) -> int:
        return self.done

    # the node
    def calls(self, calls: list[tuple[str, list[Any]]]) -> list[str]:
        by_address = {f"0x{address.hex()}": found for address, found in self.nonces.items()}
        answers = []
        for method, (who, block) in calls:
            if method == "eth_getTransactionCount":
                answers.append(hex(by_address[who][block == "pending"]))
            else:
                answers.append(f"0x{0:064x}")
        return answers

    def backend(self) -> "Backend":
        services: Any = SimpleNamespace(
            custodial=self,
            chain=SimpleNamespace(rpc=self, contracts=SimpleNamespace(accounts_index=bytes(20), faucet=None)),
            environment=SimpleNamespace(custodial=self.custodial),
        )
        nothing: Any = None
        return Backend(RunContext(nothing, Path(), nothing, services, nothing, nothing, clock=lambda: self.now))


class Backend(CustodialBackend):
    """One that makes no accounts."""

    def accounts(self, batch: Batch) -> Result:
        raise NotImplementedError

    def seen(self) -> list[Any]:
        return [look() for look in self.movements()]


def people(count: int) -> list[Person]:
    return [Person(n, "{}", "", "en", (), b"", 1, bytes([n + 1]) * 20) for n in range(count)]


def test_the_engine_is_asked_again_for_one_and_the_other_request_is_a_matter_of_its_own() -> None:
    world = World()
    backend = world.backend()
    assert [backend.register_again(people(3)), backend.register_again(people(3))] == [True, False]
    assert [backend.gift_again(people(3)), backend.gift_again(people(3))] == [True, False]
    assert world.sent == [("register", bytes([1]) * 20), ("gift", bytes([1]) * 20)]


def test_an_engine_of_which_the_environment_says_nothing_is_neither_asked_nor_seen() -> None:
    world = World()
    world.custodial = None
    backend = world.backend()
    assert not backend.register_again(people(1))
    assert not backend.gift_again(people(1))
    assert world.sent == []
    assert backend.seen() == [()]


def test_a_role_whose_transactions_the_node_has_not_mined_keeps_its_own_requests_back_alone() -> None:
    world = World()
    world.nonces[GIFTER] = (5, 7)
    backend = world.backend()
    assert not backend.gift_again(people(1))
    assert backend.register_again(people(1))
    world.nonces[GIFTER] = (7, 7)
    assert backend.gift_again(people(1))


def test_it_sees_the_work_of_workers_and_the_nonces_of_both_roles() -> None:
    world = World()
    backend = world.backend()
    before = backend.seen()
    assert backend.seen() == before
    world.nonces[WRITER] = (4, 4)
    with_nonce = backend.seen()
    assert with_nonce != before
    world.done += 1
    assert backend.seen() != with_nonce
    world.nonces[WRITER] = (4, 9)
    assert backend.seen()[1] == with_nonce[1], "what is sent and not mined is no movement of the chain"


def test_an_engine_that_does_not_answer_is_not_asked_for_its_roles_all_the_time() -> None:
    world = World()
    world.answers = False
    backend = world.backend()
    for _ in range(30):
        backend.seen()
        world.now += 2
    assert world.asked_for_roles == 1
    world.answers, world.now = True, world.now + 60
    assert len(backend.seen()[1]) == 2
