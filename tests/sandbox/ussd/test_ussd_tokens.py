"""Tokens and balances from the chain."""

from collections.abc import Iterator

import pytest

from cicscenario.chain.rpc import Rpc
from cicscenario.errors import UnavailableError
from cicscenario.sandbox.ussd.tokens import ChainTokens, TokenInfo, registry_address
from tests.support.fake_chain import DET, GFT, REGISTRY, FakeChain


@pytest.fixture
def chain() -> Iterator[FakeChain]:
    with FakeChain() as chain:
        yield chain


def test_the_default_token_is_the_registrys(chain: FakeChain) -> None:
    assert ChainTokens(Rpc(chain.url), REGISTRY).default() == TokenInfo("GFT", "Giftable Token", 6, GFT)


def test_other_tokens_are_found_by_symbol(chain: FakeChain) -> None:
    tokens = ChainTokens(Rpc(chain.url), REGISTRY)
    assert tokens.by_symbol("DET") == TokenInfo("DET", "Demurrage Token", 6, DET)
    with pytest.raises(UnavailableError, match="knows no token"):
        tokens.by_symbol("NIX")


def test_a_balance_is_asked_for_each_time(chain: FakeChain) -> None:
    tokens = ChainTokens(Rpc(chain.url), REGISTRY)
    assert tokens.balance(GFT, b"\x01" * 20) == 1_234_567_890
    chain.units = 0
    assert tokens.balance(GFT, b"\x01" * 20) == 0


def test_an_address_is_0x_and_40_digits() -> None:
    assert registry_address("0x" + "ab" * 20) == b"\xab" * 20
    for wrong in ("ab" * 20, "0x", "0xab", "0x" + "zz" * 20):
        with pytest.raises(ValueError, match=r"address|hexadecimal"):
            registry_address(wrong)
