"""The connections of one engine process. Each is opened at its first use, and again after ``reconnect``."""

from functools import cached_property

from cicscenario.chain.abi import from_hex, pack, selector, text32
from cicscenario.chain.contracts import Contracts, eth_call
from cicscenario.chain.rpc import Rpc
from cicscenario.people.person import checksum
from cicscenario.sandbox.custodial.database import EngineDatabase
from cicscenario.sandbox.custodial.leanrpc import LeanRpc
from cicscenario.sandbox.custodial.settings import EngineSettings
from cicscenario.sandbox.custodial.vault import Vault, read_secret

_NAME, _ADDRESS_OF = selector("name()"), selector("addressOf(bytes32)")
_BATCH = 100  # calls in one round trip to the node


class EngineContext:
    """Settings and connections; not thread-safe."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.chain = str(settings.chain_spec)

    @cached_property
    def database(self) -> EngineDatabase:
        return EngineDatabase(self.settings.dsn("cic_eth"))

    @cached_property
    def vault(self) -> Vault:
        return Vault(self.settings.dsn("cic_signer"), read_secret(self.settings.data))

    @cached_property
    def rpc(self) -> Rpc:
        return LeanRpc(self.settings.rpc, batch=_BATCH)

    @cached_property
    def contracts(self) -> Contracts:
        from cicscenario.chain.discovery import discover  # loads eth_abi

        return discover(self.rpc, self.settings.registry, None)

    @cached_property
    def token_name(self) -> str:
        """The default token's full name."""
        method, params = eth_call(self.contracts.token.address, _NAME)
        return text_of(self.rpc.call(method, *params))

    def registered(self, name: str) -> bytes:
        """The address of the contract that the registry has under ``name``; zeros when there is none."""
        method, params = eth_call(self.settings.registry, pack(_ADDRESS_OF, text32(name)))
        return bytes.fromhex(self.rpc.call(method, *params)[-40:])

    def reconnect(self) -> None:
        """Drops the database connections; the next use opens new ones."""
        for name in ("database", "vault"):
            self.__dict__.pop(name, None)


def checksummed(address: bytes) -> str:
    """A contract's address as cic-eth writes it: with checksum capitals, without 0x."""
    return checksum(address).removeprefix("0x")


def text_of(answer: str) -> str:
    """The text that a contract's function gave as a dynamic ABI value; ``answer`` is hexadecimal with 0x."""
    raw = from_hex(answer)
    length = int.from_bytes(raw[32:64], "big")
    return raw[64 : 64 + length].decode("utf-8", "replace")
