"""What the engine's exceptions mean. Source: recordings of cic-eth 0.12.10 with each of these causes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cicscenario.printable import foreign
from cicscenario.services.custodial import tasks
from cicscenario.services.custodial.outcome import Failed


@dataclass(frozen=True)
class _Failure:
    task: str
    exception: str
    message: str
    spec: str  # the chain spec, for commands in hints


_Words = tuple[str, str]  # message and hint
_NOT_SIGNED = (
    "SignerError",
    "RPCException",
    "JSONRPCException",
)  # what cic-eth and chainlib raise when they cannot sign
_SPEC = "SPEC"


def explain(task: str, result: Any, spec: str = _SPEC) -> Failed:
    """Reads the ``result`` of a result entry with state FAILURE: exc_type, exc_message and exc_module.

    ``spec`` is the chain spec, so that commands in the hint can be run as they stand.
    """
    entry = result if isinstance(result, dict) else {"exc_message": result}
    name, message = entry.get("exc_type"), entry.get("exc_message", "")
    if name == "UnpickleableExceptionWrapper" and isinstance(message, list) and len(message) > 2:
        _, name, message = message[:3]  # Celery's stand-in for what it cannot carry: module, class, arguments
    if isinstance(message, list):
        message = ", ".join(str(part) for part in message)
    failure = _Failure(task, foreign(name or "unknown exception", 80), foreign(message), spec)
    unsigned = failure.exception in _NOT_SIGNED or _no_signer(failure) is not None
    for words in _KNOWN:
        found = words(failure)
        if found:
            return Failed(failure.task, failure.exception, failure.message, *found, unsigned=unsigned)
    return Failed(failure.task, failure.exception, failure.message, "the custodial engine failed")


def locked(flags: int, spec: str = _SPEC) -> _Words:
    """Message and hint for a lock with these flags."""
    names = _names(flags)
    what = "account creation is locked" if flags & tasks.CREATE_LOCK else f"it is locked by {', '.join(names)}"
    unlock = ",".join(names) or "CREATE"
    return f"in the custodial engine {what}", f"unlock it there with `cic-eth-ctl -i {spec} unlock {unlock}`"


def only_locked(failed: Failed, account: str, spec: str) -> Failed:
    """``failed``, which ``is_locked``, for a lock of this account alone; ``account`` has 0x and a checksum."""
    names = _names(_flags(failed.message))
    return replace(
        failed,
        meaning=f"in the custodial engine the account {account} is locked by {', '.join(names)}",
        hint=f"unlock it there with `cic-eth-ctl -i {spec} unlock {','.join(names)} {account}`",
    )


def _names(flags: int) -> list[str]:
    return [name for bit, name in tasks.LOCKS.items() if flags & bit]


def _flags(message: str) -> int:
    return int(message) if message.isdecimal() else tasks.CREATE_LOCK


def _locked(failure: _Failure) -> _Words | None:
    if failure.exception != tasks.LOCKED:
        return None
    return locked(_flags(failure.message), failure.spec)


def _other_chain(failure: _Failure) -> _Words | None:
    if failure.exception != "KeyError" or failure.message.count(":") < 2:
        return None
    chain = failure.message.strip("'\"")
    return (
        f"the custodial engine does not know the chain {chain}: it works on another one",
        "the chain spec of the environment has to be the engine's CHAIN_SPEC, to the letter",
    )


def _no_signer(failure: _Failure) -> _Words | None:
    unreachable = any(part in failure.message for part in ("refused", "URLError", "timed out"))
    if failure.exception == "SignerError" or (unreachable and failure.task in (tasks.CREATE, tasks.HAVE)):
        return "the custodial engine cannot reach its signer, which holds the keys", "is the signer running?"
    if unreachable and failure.task in (tasks.RESERVE_NONCE, tasks.REGISTER, tasks.GIFT):
        return (
            "the custodial engine cannot reach its signer, which holds the keys, or its chain node",
            "are the signer and the engine's chain node running?",
        )
    return None


def _no_such_task(failure: _Failure) -> _Words | None:
    if failure.exception != "NotRegistered":
        return None
    return (
        f"the worker on this queue has no task {failure.message.strip(chr(39))}",
        "is it the custodial engine that takes tasks from this queue, and in a version that has this task?",
    )


def _no_writer(failure: _Failure) -> _Words | None:
    if failure.task not in (tasks.RESERVE_NONCE, tasks.REGISTER):
        return None
    if failure.exception not in ("IntegrityError", "RoleMissingError"):
        return None
    return no_role(tasks.WRITER_ROLE, failure.spec)


def no_role(role: str, spec: str) -> _Words:
    """Message and hint for an engine that has no account for one of the roles that it needs."""
    without, more = _WITHOUT[role]
    tag = f"`cic-eth-tag -i {spec} --set --tag {role} ADDRESS`"
    return (
        f"the custodial engine has no account with the role {role}: {without}",
        f"make an account with `cic-eth-create -i {spec} --no-register`, give it the role with {tag}, and {more}",
    )


_WITHOUT = {
    tasks.WRITER_ROLE: ("it makes keys, but registers none", "make it a writer of the accounts index"),
    tasks.GIFTER_ROLE: ("it can give nobody gas", "send it native currency"),
}


def _no_callback(failure: _Failure) -> _Words | None:
    if failure.task != tasks.CALLBACK or failure.exception not in ("ConnectionError", "TimeoutError"):
        return None
    return (
        "the custodial engine cannot reach the address that it is to call back",
        "the callback address has to be Redis as the engine's worker sees it",
    )


_KNOWN: tuple[Callable[[_Failure], _Words | None], ...] = (
    _locked,
    _other_chain,
    _no_callback,
    _no_such_task,
    _no_writer,
    _no_signer,
)
