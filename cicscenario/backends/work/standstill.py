"""What the chain shows of the custodial engine's own accounts when nothing moves: which of them waits for which nonce."""

from collections.abc import Mapping

from cicscenario.chain.abi import to_hex
from cicscenario.chain.rpc import Rpc, protocol_errors
from cicscenario.services.custodial.tasks import GIFTER_ROLE, WRITER_ROLE

#: Prints the page that tells an operator how to mend it.
READ_ON = "`cicscenario explain engine-standstill`"


def nonces(rpc: Rpc, roles: Mapping[str, bytes]) -> dict[str, tuple[int, int, int]]:
    """The accounts' next nonce in the latest block, the next one with the node's pending transactions, and balance in wei."""
    questions = []
    for address in roles.values():
        account = to_hex(address)
        questions += [
            ("eth_getTransactionCount", [account, "latest"]),
            ("eth_getTransactionCount", [account, "pending"]),
            ("eth_getBalance", [account, "latest"]),
        ]
    with protocol_errors(rpc):
        numbers = [int(answer, 16) for answer in rpc.calls(questions)]
    return {role: (numbers[3 * n], numbers[3 * n + 1], numbers[3 * n + 2]) for n, role in enumerate(roles)}


def standstill(rpc: Rpc, roles: Mapping[str, bytes], waits: str) -> str:
    """In words that follow a semicolon: both roles' nonces and balances, and where to read on.

    ``waits`` is the role for whose transactions people wait.
    """
    found = nonces(rpc, roles)
    parts = []
    for role in (WRITER_ROLE, GIFTER_ROLE):
        if role not in roles:
            parts.append(f"the engine does not say which account has the role {role}")
            continue
        latest, pending, balance = found[role]
        parts.append(
            f"{role} {to_hex(roles[role])} has {balance:,} wei, and {_nonce(latest, pending, waits=role == waits)}"
        )
    return f"; {'; '.join(parts)}; {READ_ON} tells how to mend it"


def _nonce(latest: int, pending: int, *, waits: bool) -> str:
    if pending > latest:
        return f"its transactions with the nonces {latest} to {pending - 1} are with the node and not mined"
    if waits:
        return f"waits for nonce {latest}: the node has no transaction with it, and all after it wait for that one"
    return f"its next nonce is {latest}"
