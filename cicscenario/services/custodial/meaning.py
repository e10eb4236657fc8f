"""What the engine's exceptions mean. Source: recordings of cic-eth 0.12.10 with each of these causes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cicscenario.services.custodial import tasks
from cicscenario.services.custodial.outcome import Failed

_LONGEST = 300


@dataclass(frozen=True)
class _Failure:
    task: str
    exception: str
    message: str


_Words = tuple[str, str]  # message and hint


def explain(task: str, result: Any) -> Failed:
    """Reads the ``result`` of a result entry with state FAILURE: exc_type, exc_message and exc_module."""
    entry = result if isinstance(result, dict) else {"exc_message": result}
    name, message = entry.get("exc_type"), entry.get("exc_message", "")
    if name == "UnpickleableExceptionWrapper" and isinstance(message, list) and len(message) > 2:
        _, name, message = message[:3]  # Celery's stand-in for what it cannot carry: module, class, arguments
    if isinstance(message, list):
        message = ", ".join(str(part) for part in message)
    failure = _Failure(task, str(name or "unknown exception"), str(message)[:_LONGEST])
    for words in _KNOWN:
        found = words(failure)
        if found:
            return Failed(failure.task, failure.exception, failure.message, *found)
    return Failed(failure.task, failure.exception, failure.message, "the custodial engine failed", None)


def locked(flags: int) -> _Words:
    """Message and hint for a lock with these flags."""
    names = [name for bit, name in tasks.LOCKS.items() if flags & bit]
    what = "account creation is locked" if flags & tasks.CREATE_LOCK else f"it is locked by {', '.join(names)}"
    unlock = ",".join(names) or "CREATE"
    return f"in the custodial engine {what}", f"unlock it there with `cic-eth-ctl unlock {unlock}`"


def _locked(failure: _Failure) -> _Words | None:
    if failure.exception != "LockedError":
        return None
    return locked(int(failure.message) if failure.message.isdecimal() else tasks.CREATE_LOCK)


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
    signing = failure.task in (tasks.CREATE, tasks.HAVE)
    if failure.exception == "SignerError" or (signing and unreachable and failure.exception != "KeyError"):
        return "the custodial engine cannot reach its signer, which holds the keys", "is the signer running?"
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
    return no_writer()


def no_writer() -> _Words:
    """Message and hint for an engine that cannot register accounts."""
    return (
        f"the custodial engine has no account with the role {tasks.WRITER_ROLE}: it makes keys, but registers none",
        f"make one, give it the role with `cic-eth-tag {tasks.WRITER_ROLE} ADDRESS`, and make it a writer of the index",
    )


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
