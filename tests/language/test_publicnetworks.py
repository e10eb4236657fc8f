"""Which chain ids are those of public networks."""

import pytest

from cicscenario.language.publicnetworks import public_network

PUBLIC = {
    1: "Ethereum Mainnet", 10: "OP Mainnet", 56: "BNB Smart Chain Mainnet", 61: "Ethereum Classic", 100: "Gnosis",
    137: "Polygon Mainnet", 8453: "Base", 8995: "bloxberg", 17000: "Holesky", 42161: "Arbitrum One", 42220: "Celo Mainnet",
    44787: "Celo Alfajores Testnet", 560048: "Hoodi", 11155111: "Sepolia",
}  # fmt: skip


@pytest.mark.parametrize("chain_id", PUBLIC)
def test_a_public_network_is_known_by_its_number(chain_id: int) -> None:
    assert public_network(chain_id) == PUBLIC[chain_id]


@pytest.mark.parametrize("chain_id", [8996, 1337, 31337, 5777, 0, 20220129, 2**64])
def test_numbers_of_development_nodes_and_unknown_ones_are_free(chain_id: int) -> None:
    assert public_network(chain_id) is None
