"""Fault switches: how the engine misbehaves on request."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cicscenario.sandbox.custodial.ledger import Otx

_DROP, _DUPLICATE = "drop-callback", "duplicate-callback"


@dataclass(frozen=True)
class EngineFaults:
    """drop-callback=SHARE, duplicate-callback=SHARE (of root ids, always the same ones), delay=SECONDS before a callback,
    fail-task=NAME, revert-registration (the first one of each account runs out of gas), die-after=TASKS, signer-down."""

    drop_callback: float = 0.0
    duplicate_callback: float = 0.0
    delay: float = 0.0
    fail_task: tuple[str, ...] = ()
    revert_registration: bool = False
    die_after: int = 0
    signer_down: bool = False

    @classmethod
    def parse(cls, texts: Sequence[str]) -> "EngineFaults":
        """Reads ``NAME[=VALUE]``; raises ValueError when it is not one of those above."""
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
        """Says whether the callbacks of this root are dropped."""
        return _draw("drop", root_id) < self.drop_callback

    def duplicates(self, root_id: str) -> bool:
        return _draw("duplicate", root_id) < self.duplicate_callback

    def reverts(self, row: Otx) -> bool:
        """Says whether a transaction is to fail on the chain."""
        return self.revert_registration and row.purpose == "register" and row.nonce is None


def _draw(what: str, root_id: str) -> float:
    """A number from 0 to below 1 that is always the same for the same root."""
    return int.from_bytes(hashlib.sha256(f"{what}:{root_id}".encode()).digest()[:7], "big") / 2**56
