"""What can be wrong with one entry of the metadata store, and what is wrong with its server."""

from cicscenario.errors import InvalidError, StepFailedError, UnavailableError


class UnreadableEntryError(UnavailableError):
    """The server answers, but not with the entry: only the person whose entry it is has a problem."""


class NoReplyError(UnavailableError):
    """The server does not answer at all."""


class StoresNothingError(UnavailableError):
    """The server says that it stores what it is sent, and does not: everybody has this problem."""


def keys_expired(server: object, seen: str) -> StoresNothingError:
    """The error for a server whose own keys have expired; ``seen`` says how it behaved.

    Source: cic-meta encrypts what it stores with its own OpenPGP keys. When they have expired, it answers 200 to a write in one
    step and drops it; after a write in two steps it answers 200 and ends.
    """
    return StoresNothingError(
        f"metadata server {server} {seen}: so does cic-meta when its own OpenPGP keys have expired",
        hint="look at the keys in cic-meta's PGP_EXPORTS_DIR (gpg --show-keys): those of the stack's repository expired in"
        " November 2022; give it keys that do not expire. The key in `meta.key` is not the cause",
    )


def immutable(server: object, pointer: bytes) -> StepFailedError:
    """The error for an entry with another value that nobody can replace."""
    return StepFailedError(
        f"metadata server {server} has an immutable entry with another value at {pointer.hex()}: it can never be replaced,"
        " and writing there would end the server"
    )


def more_keys(pointer: bytes, keys: list[str]) -> StepFailedError:
    """The error for an object that has keys beside ours, which a two-step write keeps."""
    return StepFailedError(
        f"the entry at {pointer.hex()} has more keys than expected ({', '.join(keys)}), and a two-step write keeps them:"
        " `meta.write: one-step` in the environment file replaces the whole entry"
    )


def not_replaced(pointer: bytes) -> InvalidError:
    """The error for a two-step write that would end the server, or do nothing."""
    return InvalidError(
        f"two-step writing cannot replace the value at {pointer.hex()}: only an object can be merged into an object;"
        " `meta.write: one-step` in the environment file replaces any value"
    )


def read_back_failed(server: object, pointer: bytes, error: UnavailableError) -> UnavailableError:
    """The error for an entry that the server took, and then could not give back."""
    return UnavailableError(
        f"metadata server {server} answered 200 to the write of {pointer.hex()}, but the entry cannot be read: {error.message}",
        hint="what does cic-meta's log say? Under Node.js 20 with RSA keys it needs --security-revert=CVE-2023-46809",
    )
