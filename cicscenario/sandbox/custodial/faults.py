"""Fault switches of the custodial engine."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cicscenario.sandbox.custodial.database import Otx

_DROP, _DUPLICATE = "drop-callback", "duplicate-callback"


@dataclass(frozen=True)
class EngineFaults:
    """drop-callback=SHARE, duplicate-callback=SHARE (of root ids, always the same ids), delay=SECONDS before a callback,
    fail-task=NAME, revert-registration (each account's first one runs out of gas), die-after=TASKS, signer-down."""

    drop_callback: float = 0.0
    duplicate_callback: float = 0.0
    delay: float = 0.0
    fail_task: tuple[str, ...] = ()
    revert_registration: bool = False
    die_after: int = 0
    signer_down: bool = False

    @classmethod
    def parse(cls, texts: Sequence[str]) -> "EngineFaults":
        """Reads switches in the form ``NAME[=VALUE]``. Raises ValueError for an unknown name or a wrong value."""
        faults = cls()
        for text in texts:
            name, _, value = text.partition("=")
            faults = faults._with(name, value)
        return faults

    def _with(self, name: str, value: str) -> "EngineFaults":
        if name in (_DROP, _DUPLICATE):
            share = float(value or "1")
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is a share from 0 to 1, not {value}")
            return replace(self, drop_callback=share) if name == _DROP else replace(self, duplicate_callback=share)
        match name:
            case "delay":
                return replace(self, delay=float(value))
            case "die-after":
                return replace(self, die_after=int(value))
            case "fail-task":
                return replace(self, fail_task=(*self.fail_task, value))
            case "revert-registration":
                return replace(self, revert_registration=True)
            case "signer-down":
                return replace(self, signer_down=True)
        raise ValueError(f"no such fault: {name}")

    def drops(self, root_id: str) -> bool:
        """Whether the callbacks of this root task are dropped."""
        return _hash_share("drop", root_id) < self.drop_callback

    def duplicates(self, root_id: str) -> bool:
        """Whether the callbacks of this root task are sent twice."""
        return _hash_share("duplicate", root_id) < self.duplicate_callback

    def reverts(self, row: Otx) -> bool:
        """Whether this transaction must fail on the chain."""
        return self.revert_registration and row.purpose == "register" and row.nonce is None


def _hash_share(fault: str, root_id: str) -> float:
    """A number from 0 to below 1 that depends only on the fault and the root id."""
    return int.from_bytes(hashlib.sha256(f"{fault}:{root_id}".encode()).digest()[:7], "big") / 2**56
