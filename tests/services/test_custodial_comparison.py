"""What the engine says of itself is compared with the chain: every mismatch is told, with both addresses."""

from dataclasses import replace

import pytest

from cicscenario.services.custodial.client import EngineSurvey, EngineToken
from cicscenario.services.custodial.comparison import ChainFacts, described, mismatches

REGISTRY, TOKEN, WRITER, GIFTER, OTHER = (bytes([n]) * 20 for n in (1, 2, 3, 4, 9))
ROLES = {"ACCOUNT_REGISTRY_WRITER": WRITER, "GAS_GIFTER": GIFTER}
ENGINE = EngineSurvey(EngineToken("GFT", "Giftable Token", TOKEN, 6), REGISTRY, ROLES, waiting=7, fetched=2, workers=3)
CHAIN = ChainFacts("http://node:8545", REGISTRY, TOKEN, "GFT", TOKEN, dict.fromkeys(ROLES, 10**9))


def test_an_engine_of_this_chain_has_no_mismatch() -> None:
    assert mismatches(ENGINE, CHAIN) == []


@pytest.mark.parametrize(
    ("engine", "chain", "words"),
    [
        (
            replace(ENGINE, registry=OTHER),
            CHAIN,
            f"it works with the contract registry 0x{'09' * 20}, but `chain.registry` is 0x{'01' * 20}",
        ),
        (
            replace(ENGINE, token=EngineToken("GFT", "", OTHER, 6)),
            CHAIN,
            f"its default token GFT is 0x{'09' * 20}, but on http://node:8545 it is 0x{'02' * 20}",
        ),
        (
            replace(ENGINE, token=EngineToken("SRF", "", OTHER, 6)),
            CHAIN,
            f"its default token SRF is 0x{'09' * 20}, but on http://node:8545 it is 0x{'02' * 20}",
        ),
        (
            ENGINE,
            replace(CHAIN, balances={"GAS_GIFTER": 0, "ACCOUNT_REGISTRY_WRITER": 1}),
            f"its GAS_GIFTER 0x{'04' * 20} has no native currency on http://node:8545, so it can give nobody gas",
        ),
    ],
)
def test_each_mismatch_is_told_with_both_addresses(engine: EngineSurvey, chain: ChainFacts, words: str) -> None:
    ((message, hint),) = mismatches(engine, chain)
    assert message == words
    assert hint


def test_all_mismatches_are_told_at_once() -> None:
    engine = replace(ENGINE, registry=OTHER, token=EngineToken("GFT", "", OTHER, 6))
    assert len(mismatches(engine, replace(CHAIN, balances={"GAS_GIFTER": 0}))) == 3


def test_gifts_of_another_token_than_the_engines_are_no_mismatch() -> None:
    assert mismatches(ENGINE, replace(CHAIN, gift_token=OTHER, gift_symbol="SRF")) == []


def test_a_writer_without_native_currency_is_none_either_since_the_engine_refills_it() -> None:
    assert mismatches(ENGINE, replace(CHAIN, balances={"ACCOUNT_REGISTRY_WRITER": 0, "GAS_GIFTER": 1})) == []


def test_what_the_engine_does_not_say_is_not_known_and_no_mismatch() -> None:
    older = EngineSurvey(None, None, {}, waiting=0, fetched=0, workers=None)
    assert mismatches(older, replace(CHAIN, balances={})) == []
    assert described(older, {}) == "0 tasks wait; not known: its default token, its registry, the number of its workers"


def test_the_state_of_an_engine_is_told_in_one_line() -> None:
    assert described(ENGINE, {"GAS_GIFTER": 1_000}) == (
        f"3 workers, 7 tasks wait, ACCOUNT_REGISTRY_WRITER 0x{'03' * 20}, GAS_GIFTER 0x{'04' * 20} has 1,000 wei"
    )
