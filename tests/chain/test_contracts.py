"""The selectors of the contracts' functions are those of their signatures."""

import re

import pytest

from cicscenario.chain import contracts
from cicscenario.chain.abi import selector

SIGNATURES = {
    "ADD": "add(address)",
    "HAVE": "have(address)",
    "GIVE_TO": "giveTo(address)",
    "TRANSFER": "transfer(address,uint256)",
    "MINT_TO": "mintTo(address,uint256)",
    "BALANCE_OF": "balanceOf(address)",
    "COOLDOWN": "cooldown(address)",
    "CHECK": "check(address)",
}


@pytest.mark.parametrize(("name", "signature"), SIGNATURES.items())
def test_a_selector_is_the_hash_of_its_signature(name: str, signature: str) -> None:
    assert getattr(contracts, name) == selector(signature)


def test_every_selector_is_looked_at() -> None:
    named = {name for name, value in vars(contracts).items() if re.fullmatch("[A-Z_]+", name) and type(value) is bytes}
    assert named == SIGNATURES.keys()
