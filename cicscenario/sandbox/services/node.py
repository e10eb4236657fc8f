"""The chain: an Ethereum node with the upstream contracts.

One key signs the transactions of scenarios, another owns the contracts: during a run nobody else may send transactions
from the signer's account, because the run counts its nonces.
"""

from pathlib import Path

from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import address_of
from cicscenario.errors import CicScenarioError, StateRefusedError
from cicscenario.sandbox import nodes
from cicscenario.sandbox.daemon import Command
from cicscenario.sandbox.record import Record
from cicscenario.sandbox.services.base import ServiceDaemon, Site

SIGNER_KEY = "signer.key"
_OWNER_KEY = "owner.key"


def private_key(site: Site) -> bytes:
    """The key that signs scenarios. Its account is funded, and may register people and mint."""
    return bytes.fromhex(site.secret(SIGNER_KEY))


def owner_file(site: Site) -> Path:
    """The file with the key of the contracts' owner, whose account is funded.

    In a sandbox from before the owner had its own key, the signer owns the contracts.
    """
    path = site.folder / _OWNER_KEY
    if site.record.registry and not path.exists():
        return site.folder / SIGNER_KEY
    site.secret(_OWNER_KEY)
    return path


def _owner_key(site: Site) -> bytes:
    return bytes.fromhex(owner_file(site).read_text("ascii"))


def _funded_accounts(site: Site) -> list[bytes]:
    """Addresses of signer and owner, which pay for transactions; one address when they are the same."""
    return list(dict.fromkeys(address_of(key) for key in (private_key(site), _owner_key(site))))


class NodeDaemon(ServiceDaemon):
    """The embedded node or anvil."""

    name = "node"
    kept = ("chain", SIGNER_KEY, _OWNER_KEY)

    def form(self, record: Record) -> str:
        return nodes.FORMS[record.node]()

    def command(self, site: Site) -> Command:
        make = nodes.NODES[site.record.node]
        return make(site.folder / "chain", site.port(self.name), _funded_accounts(site))

    def answers(self, site: Site) -> bool:
        if not site.listens(self.name):
            return False
        try:
            return int(Rpc(self.address(site), timeout=5, patience=0).call("eth_chainId"), 16) == nodes.CHAIN_ID
        except CicScenarioError:
            return False

    def provision(self, site: Site) -> None:
        rpc, record = Rpc(self.address(site)), site.record
        if not record.registry:
            from cicscenario.sandbox.contracts import deploy  # its encoder is slow to load, and is needed only here

            for account in _funded_accounts(site):
                nodes.fund(rpc, account)
            runner = address_of(private_key(site))
            made = deploy(rpc.url, _owner_key(site), runner, nodes.CHAIN_ID, record.contracts)
            record.registry = f"0x{made.registry.hex()}"
        elif rpc.call("eth_getCode", record.registry, "latest") == "0x":
            raise StateRefusedError(
                f"the chain in {site.folder} has lost the contracts: there is no contract at the registry's address"
                f" {record.registry}; was the {record.node} node killed before it saved its chain?",
                hint="`cicscenario stack down --purge` deletes the rest of the chain; then start again",
            )

    def detail(self, site: Site) -> str:
        record = site.record
        return f"{record.node} node, {record.contracts} contracts, registry {record.registry or 'not deployed'}"

    def variables(self, site: Site) -> dict[str, str]:
        return {
            "CHAIN_RPC": self.address(site),
            "CHAIN_SPEC": nodes.CHAIN_SPEC,
            "CHAIN_ID": str(nodes.CHAIN_ID),
            "REGISTRY_ADDRESS": site.record.registry,
            "SIGNER_ADDRESS": f"0x{address_of(private_key(site)).hex()}",
            "SIGNER_KEY_FILE": str(site.folder / SIGNER_KEY),
            "OWNER_ADDRESS": f"0x{address_of(_owner_key(site)).hex()}",
            "OWNER_KEY_FILE": str(owner_file(site)),
        }

    def section(self, site: Site) -> str:
        return f"""chain:
  rpc: {self.address(site)}
  spec: {nodes.CHAIN_SPEC}
  registry: "{site.record.registry}"
  signer:
    private_key: "file:{SIGNER_KEY}"
  batch: 200
""" + (f'  copy: "{site.record.copy}"\n' if site.record.copy else "")
