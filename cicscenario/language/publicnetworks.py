"""Which chain ids are those of public networks: what is sent there costs money, and stays.

The list is that of https://chainid.network, as the package ``eth_utils`` has it: some fifteen hundred networks.
"""

#: Numbers that development nodes have by default: anvil and Hardhat, geth and Besu, Ganache; and that of the sandbox.
#: The list gives some of them a name, too.
_OF_DEVELOPMENT = frozenset({31337, 1337, 5777, 8996})
#: Newer than the list. Source: https://github.com/eth-clients/hoodi.
_ADDED = {560048: "Hoodi"}


def public_network(chain_id: int) -> str | None:
    """The name of the public network with this chain id; None when no public network is known to have it."""
    if chain_id in _OF_DEVELOPMENT:
        return None
    if chain_id in _ADDED:
        return _ADDED[chain_id]
    from eth_utils.exceptions import ValidationError  # not at the top: slow to load
    from eth_utils.network import name_from_chain_id

    try:
        return str(name_from_chain_id(chain_id))
    except ValidationError:
        return None
