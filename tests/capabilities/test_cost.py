"""What the signer may do is asked of the contract; a node that refuses to tell is not taken for a no."""

from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.capabilities.roles import role
from cicscenario.chain.rpc import RpcError


def session(answer: Any) -> Any:
    rpc = SimpleNamespace(results=lambda calls: [answer])
    return SimpleNamespace(rpc=rpc, signer=SimpleNamespace(address=bytes(20)))


def error(code: int, message: str) -> RpcError:
    return RpcError("eth_call", "http://127.0.0.1", {"code": code, "message": message})


def test_a_call_that_goes_through_is_a_yes_and_a_revert_a_no() -> None:
    assert role(session("0x"), "mint", bytes(20), b"", "hint").ok
    need = role(session(error(3, "execution reverted: not a minter")), "mint", bytes(20), b"", "make it one")
    assert (need.ok, need.has, need.hint) == (False, "no", "make it one")


@pytest.mark.parametrize(
    ("code", "message"),
    [(-32005, "limit exceeded"), (-32603, "internal error"), (-32000, "request timed out"), (429, "too many requests")],
)
def test_a_node_that_refuses_the_call_says_nothing_about_the_signer(code: int, message: str) -> None:
    with pytest.raises(RpcError, match=message):
        role(session(error(code, message)), "mint", bytes(20), b"", "hint")
