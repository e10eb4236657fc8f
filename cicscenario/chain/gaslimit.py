"""Gas limits: one for a call that is sent for many people, from a node's estimates for one of them.

The same call may need more gas for somebody else. The account may hold nothing yet, so that a slot of the contract's storage is
written for the first time; and its address, or the amount, may have fewer zero bytes. So the node also estimates the call for
an account that nobody has, which is the worst case of both. Where the contract rejects that, such as a faucet that pays only
registered accounts, the price of a new slot is added.

Sources: the yellow paper, appendix G (storage, data); EIP-2028 (the price of data; before it a byte cost more); EIP-2929
(storage: the difference is smaller since then).
"""

from dataclasses import replace

from cicscenario.chain.intent import Intent

#: An account that nobody has a key of; no byte of it is zero.
NOBODY = bytes.fromhex("c1c5ce9a10e3f7b5a8d94c6e2b7f81d3a6953e4d")
_NEW_SLOT = 20_000  # gas; of a slot that was written before it is 2,900 or more
_NONZERO = 64  # gas that a byte of data costs more than a zero byte, at most
_DRIFT = 0.02  # what a contract's own state, or the time, may change between the estimate and the block
_PADDING = bytes(12)  # before an address in a word of call data


def for_nobody(intent: Intent) -> Intent | None:
    """The same call for ``NOBODY``; None when its first argument is no account."""
    data = intent.data
    if len(data) < 36 or data[4:16] != _PADDING:
        return None
    return replace(intent, data=data[:16] + NOBODY + data[36:])


def gas_limit(intent: Intent, own: int, nobodys: int | None) -> int:
    """A limit for calls like ``intent``, whoever they are for.

    ``own`` is the estimate for it, ``nobodys`` that for the call of ``for_nobody``; None when there is none.
    """
    arguments = intent.data[4 if for_nobody(intent) is None else 16 if nobodys is None else 36 :]
    most = own + _NEW_SLOT if nobodys is None else max(own, nobodys)
    return int((most + _NONZERO * arguments.count(0)) * (1 + _DRIFT))
