"""The chain: an Ethereum node with the upstream contracts.

Scenarios are signed with one key and the contracts owned with another: a run keeps a nonce sequence of its own, in which
nobody else may send anything while it lasts.
"""

from pathlib import Path

from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import address_of
from cicscenario.errors import CicScenarioError, StateRefusedError
from cicscenario.sandbox import nodes
from cicscenario.sandbox.daemon import Command
from cicscenario.sandbox.services.base import Service, Site

SIGNER_KEY = "signer.key"
_OWNER_KEY = "owner.key"


def private_key(site: Site) -> bytes:
    """The key that scenarios are signed with: its account is rich, and may register people and mint."""
    return bytes.fromhex(site.secret(SIGNER_KEY))


def owner_file(site: Site) -> Path:
    """Where the key is of the account that owns the contracts, and is rich.

    Contracts that were deployed before it had a key of its own are the signer's.
    """
    path = site.folder / _OWNER_KEY
    if site.record.registry and not path.exists():
        return site.folder / SIGNER_KEY
    site.secret(_OWNER_KEY)
    return path


def _owner_key(site: Site) -> bytes:
    return bytes.fromhex(owner_file(site).read_text("ascii"))


def _rich(site: Site) -> list[bytes]:
    """Addresses of those who pay for transactions; each once."""
    return list(dict.fromkeys(address_of(key) for key in (private_key(site), _owner_key(site))))


class Node(Service):
    """Either kind of node, as ``nodes`` starts them."""

    name = "node"

    def command(self, site: Site) -> Command:
        make = nodes.NODES[site.record.node]
        return make(site.folder / "chain", site.port(self.name), _rich(site))

    def answers(self, site: Site) -> bool:
        try:
            return int(Rpc(self.address(site), timeout=5, patience=0).call("eth_chainId"), 16) == nodes.CHAIN_ID
        except CicScenarioError:
            return False

    def furnish(self, site: Site) -> None:
        rpc, record = Rpc(self.address(site)), site.record
        if not record.registry:
            from cicscenario.sandbox.contracts import deploy  # its encoder takes long to load, and is needed once

            for account in _rich(site):
                nodes.enrich(rpc, account)
            runner = address_of(private_key(site))
            made = deploy(rpc.url, _owner_key(site), runner, nodes.CHAIN_ID, record.contracts)
            record.registry = f"0x{made.registry.hex()}"
        elif rpc.call("eth_getCode", record.registry, "latest") == "0x":
            raise StateRefusedError(
                f"the chain in {site.folder} has lost the contracts: there is nothing at the registry's address"
                f" {record.registry}; was the {record.node} node killed before it saved its chain?",
                hint="`cicscenario stack down --purge` deletes what is left of it; then start again",
            )

    def detail(self, site: Site) -> str:
        record = site.record
        return f"{record.node} node, {record.contracts} contracts, registry {record.registry or 'not deployed'}"

    def section(self, site: Site) -> str:
        return f"""chain:
  rpc: {self.address(site)}
  spec: {nodes.CHAIN_SPEC}
  registry: "{site.record.registry}"
  signer:
    private_key: "file:{SIGNER_KEY}"
  batch: 200
"""
