"""Fault switches of the custodial engine."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

_LARGEST = 10**9  # seconds


@dataclass(frozen=True)
class EngineFaults:
    """drop-callback=SHARE, duplicate-callback=SHARE (of root ids, always the same ids), delay=SECONDS before a callback,
    fail-task=NAME, revert-registration (each account's first one runs out of gas), die-after=TASKS, signer-down,
    nonce-hole=N (the Nth registration since the start fails after its nonce was reserved, so that nonce is never used; may
    be repeated), gas-nonce-hole=N (the same for gifts of gas), gifter-balance=WEI (the gas gifter's balance at the start; 0
    is an empty one), pause=SECONDS or pause=SECONDS@TASKS (once, after so many tasks, none begins for that time),
    visibility-timeout=SECONDS (after which another worker takes the prefetched tasks of a killed one; 3600 without it)."""

    drop_callback: float = 0.0
    duplicate_callback: float = 0.0
    delay: float = 0.0
    fail_task: tuple[str, ...] = ()
    revert_registration: bool = False
    die_after: int = 0
    signer_down: bool = False
    nonce_hole: tuple[int, ...] = ()
    gas_nonce_hole: tuple[int, ...] = ()
    gifter_balance: int | None = None
    pause: float = 0.0
    pause_after: int = 0
    visibility_timeout: float = 3600.0  # seconds; kombu's own default

    @classmethod
    def parse(cls, texts: Sequence[str]) -> "EngineFaults":
        """Reads switches in the form ``NAME[=VALUE]``. Raises ValueError for an unknown name or a wrong value."""
        faults = cls()
        for text in texts:
            name, _, value = text.partition("=")
            if name not in _READERS:
                raise ValueError(f"no such fault: {name}")
            faults = replace(faults, **_READERS[name](faults, value))
        return faults

    def drops(self, root_id: str) -> bool:
        """Whether the callbacks of this root task are dropped."""
        return _hash_share("drop", root_id) < self.drop_callback

    def duplicates(self, root_id: str) -> bool:
        """Whether the callbacks of this root task are sent twice."""
        return _hash_share("duplicate", root_id) < self.duplicate_callback


def _hash_share(fault: str, root_id: str) -> float:
    """A number from 0 to below 1 that depends only on the fault and the root id."""
    return int.from_bytes(hashlib.sha256(f"{fault}:{root_id}".encode()).digest()[:7], "big") / 2**56


def _share(name: str, value: str) -> float:
    share = _number(value or "1")
    if not 0 <= share <= 1:
        raise ValueError(f"{name} is a share from 0 to 1, not {value}")
    return share


def _positive(name: str, value: str) -> float:
    number = _number(value)
    if not 0 < number < _LARGEST:
        raise ValueError(f"{name} is a number of seconds above 0, not {value or 'nothing'}")
    return number


def _seconds(name: str, value: str) -> float:
    number = _number(value)
    if not 0 <= number < _LARGEST:
        raise ValueError(f"{name} is a number of seconds from 0, not {value or 'nothing'}")
    return number


def _counted(name: str, value: str, least: int) -> int:
    if not (value.isascii() and value.isdecimal() and int(value) >= least):
        raise ValueError(f"{name} is a whole number from {least}, not {value or 'nothing'}")
    return int(value)


def _number(value: str) -> float:
    """The number, or NaN, which is in no range."""
    try:
        return float(value)
    except ValueError:
        return float("nan")


def _flag(name: str, value: str) -> bool:
    if value:
        raise ValueError(f"{name} takes no value")
    return True


def _named(name: str, value: str) -> str:
    if not value:
        raise ValueError(f"{name} is the name of a task, such as cic_eth.eth.account.register")
    return value


def _read_pause(_: EngineFaults, value: str) -> dict[str, Any]:
    seconds, at, tasks = value.partition("@")
    return {"pause": _positive("pause", seconds), "pause_after": _counted("pause", tasks, 0) if at else 0}


#: How each switch is read: from the switches so far and the text of the value, the fields that it sets.
_READERS: dict[str, Callable[[EngineFaults, str], dict[str, Any]]] = {
    "drop-callback": lambda _, value: {"drop_callback": _share("drop-callback", value)},
    "duplicate-callback": lambda _, value: {"duplicate_callback": _share("duplicate-callback", value)},
    "delay": lambda _, value: {"delay": _seconds("delay", value)},
    "fail-task": lambda faults, value: {"fail_task": (*faults.fail_task, _named("fail-task", value))},
    "revert-registration": lambda _, value: {"revert_registration": _flag("revert-registration", value)},
    "die-after": lambda _, value: {"die_after": _counted("die-after", value, 0)},
    "signer-down": lambda _, value: {"signer_down": _flag("signer-down", value)},
    "nonce-hole": lambda faults, value: {"nonce_hole": (*faults.nonce_hole, _counted("nonce-hole", value, 1))},
    "gas-nonce-hole": lambda faults, value: {
        "gas_nonce_hole": (*faults.gas_nonce_hole, _counted("gas-nonce-hole", value, 1))
    },
    "gifter-balance": lambda _, value: {"gifter_balance": _counted("gifter-balance", value, 0)},
    "pause": _read_pause,
    "visibility-timeout": lambda _, value: {"visibility_timeout": _positive("visibility-timeout", value)},
}
