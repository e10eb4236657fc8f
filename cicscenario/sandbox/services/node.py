"""The chain: an Ethereum node with the upstream contracts."""

from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import address_of
from cicscenario.errors import CicScenarioError, StateRefusedError
from cicscenario.sandbox import nodes
from cicscenario.sandbox.daemon import Command
from cicscenario.sandbox.services.base import Service, Site

SIGNER_KEY = "signer.key"


def private_key(site: Site) -> bytes:
    """The key of the account that is rich and may do everything."""
    return bytes.fromhex(site.secret(SIGNER_KEY))


class Node(Service):
    """Either kind of node, as ``nodes`` starts them."""

    name = "node"

    def command(self, site: Site) -> Command:
        make = nodes.NODES[site.record.node]
        return make(site.folder / "chain", site.port(self.name), address_of(private_key(site)))

    def answers(self, site: Site) -> bool:
        try:
            return int(Rpc(self.address(site), timeout=5).call("eth_chainId"), 16) == nodes.CHAIN_ID
        except CicScenarioError:
            return False

    def furnish(self, site: Site) -> None:
        rpc, record = Rpc(self.address(site)), site.record
        if not record.registry:
            from cicscenario.sandbox.contracts import deploy  # its encoder takes long to load, and is needed once

            nodes.enrich(rpc, address_of(private_key(site)))
            made = deploy(rpc.url, private_key(site), nodes.CHAIN_ID, record.contracts)
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
