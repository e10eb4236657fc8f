"""When nothing moves, it is told which account of the engine waits for which nonce, and where to read on."""

from pathlib import Path
from typing import Any

import pytest

from cicscenario.backends.work.standstill import READ_ON, standstill
from cicscenario.errors import UnavailableError
from cicscenario.resources import page_path

WRITER, GIFTER = bytes([0xAA]) * 20, bytes([0xBB]) * 20
ROLES = {"ACCOUNT_REGISTRY_WRITER": WRITER, "GAS_GIFTER": GIFTER}
PAGES = Path(__file__).parent.parent.parent / "docs"


class Node:
    """``has`` is the latest and the pending nonce and the balance of each address."""

    name = "http://node"

    def __init__(self, **has: tuple[int, int, int]) -> None:
        self._has = {"0x" + "aa" * 20: has["writer"], "0x" + "bb" * 20: has["gifter"]}
        self.requests = 0

    def calls(self, calls: list[tuple[str, list[str]]]) -> list[str]:
        self.requests += 1
        place = {("eth_getTransactionCount", "latest"): 0, ("eth_getTransactionCount", "pending"): 1}
        return [hex(self._has[who][place.get((method, block), 2)]) for method, (who, block) in calls]


def said(node: Any, roles: dict[str, bytes], waits: str) -> str:
    return standstill(node, roles, waits)


def test_the_role_that_people_wait_for_waits_for_the_chains_next_nonce() -> None:
    node = Node(writer=(17, 17, 5_000), gifter=(40, 40, 0))
    assert said(node, ROLES, "ACCOUNT_REGISTRY_WRITER") == (
        f"; ACCOUNT_REGISTRY_WRITER 0x{'aa' * 20} has 5,000 wei, and waits for nonce 17: the node has no transaction with it,"
        f" and all after it wait for that one; GAS_GIFTER 0x{'bb' * 20} has 0 wei, and its next nonce is 40;"
        " `cicscenario explain engine-standstill` tells how to mend it"
    )
    assert node.requests == 1


def test_transactions_that_the_node_has_and_does_not_mine_are_told_apart() -> None:
    text = said(Node(writer=(3, 3, 1), gifter=(40, 44, 9)), ROLES, "GAS_GIFTER")
    assert "its transactions with the nonces 40 to 43 are with the node and not mined" in text
    assert "ACCOUNT_REGISTRY_WRITER" in text
    assert "its next nonce is 3" in text


def test_a_role_that_the_engine_does_not_tell_of_is_said_to_be_unknown() -> None:
    text = said(Node(writer=(3, 3, 1), gifter=(1, 1, 1)), {"GAS_GIFTER": GIFTER}, "GAS_GIFTER")
    assert "the engine does not say which account has the role ACCOUNT_REGISTRY_WRITER" in text


def test_an_answer_that_is_none_of_ethereums_is_told_as_such() -> None:
    class Odd(Node):
        def calls(self, calls: list[tuple[str, list[str]]]) -> list[str]:
            return ["odd"] * len(calls)

    with pytest.raises(UnavailableError):
        said(Odd(writer=(0, 0, 0), gifter=(0, 0, 0)), ROLES, "GAS_GIFTER")


def test_the_page_that_is_named_is_there_and_is_linked() -> None:
    page = READ_ON.removeprefix("`cicscenario explain ").removesuffix("`")
    text = page_path(page).read_text("utf-8")
    assert "ACCOUNT_REGISTRY_WRITER" in text
    assert "GAS_GIFTER" in text
    for command in ("cic-eth-inspect", "cic-eth-resend", "cic-eth-tag -i SPEC", "cic_eth.eth.tx.custom"):
        assert command in text
    name = f"{page}.md"
    assert f"]({name})" in (PAGES / "recipes.md").read_text("utf-8")
    assert f"](docs/{name})" in (PAGES.parent / "README.md").read_text("utf-8")
