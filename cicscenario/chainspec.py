"""The chain spec: the stack's name for one chain, such as ``evm:byzantium:8996:bloxberg``."""

from dataclasses import dataclass
from typing import Any

from cicscenario.errors import InvalidError


@dataclass(frozen=True)
class ChainSpec:
    """Engine, fork, network id and common name of a chain, in the stack's colon form."""

    engine: str
    fork: str
    network_id: int
    common_name: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ChainSpec":
        """Reads ``engine:fork:network_id[:common_name]``; raises InvalidError when it is anything else."""
        parts = text.split(":")
        if len(parts) not in (3, 4) or not all(parts) or not parts[2].isdecimal():
            raise InvalidError(
                f"not a chain spec: {text!r}",
                hint="write engine:fork:network id:common name, such as evm:byzantium:8996:bloxberg",
            )
        return cls(parts[0], parts[1], int(parts[2]), parts[3] if len(parts) == 4 else None)

    def asdict(self) -> dict[str, Any]:
        """The form in which the custodial engine's tasks take and give it. Source: ``ChainSpec.asdict`` of chainlib."""
        return {
            "arch": self.engine,
            "fork": self.fork,
            "network_id": self.network_id,
            "common_name": self.common_name,
            "custom": [],
        }

    @property
    def identity_key(self) -> str:
        """The key of this chain under its fork in a person's identities, such as ``8996:bloxberg``."""
        return f"{self.network_id}:{self.common_name}" if self.common_name else str(self.network_id)

    def __str__(self) -> str:
        return f"{self.engine}:{self.fork}:{self.identity_key}"
