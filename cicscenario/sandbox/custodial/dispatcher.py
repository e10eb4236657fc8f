"""Signs queued transactions and sends them to the node, a hundred in one round trip."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import execute_values

from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import ADD, GIVE_TO
from cicscenario.chain.rpc import RpcError
from cicscenario.chain.signer import Signed, Signer
from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.database import Otx, allocate_nonces, finish, take_queued

# Source: recordings of cic-eth 0.12.10 with ETH_MIN_FEE_PRICE=1.
GAS_LIMIT = 8_000_000
_TOO_LITTLE_GAS = 30_000  # enough to call the accounts index, too little to register an account
GAS_PRICE = 1  # wei
GAS_GIFT = (180_000 * 15 + 8_000_000) * 21 + 8_000_000  #: wei, 232,700,000
_WINDOW = 2_000  # limit of transactions in flight: anvil loses accepted transactions when a block is full
_STALE = 3.0  # seconds after which a transaction that is not mined is sent again
_KNOWN_TO_NODE = ("already known", "already imported", "nonce too low")  # errors for a pending or mined transaction
_log = logging.getLogger(__name__)


class Dispatcher:
    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._role_signers: dict[str, Signer] = {}  # of the engine's own accounts, by address

    def step(self) -> bool:
        """Signs and sends what is due; says whether there was anything to do."""
        database = self._context.database
        free = _WINDOW - database.in_flight()
        made = 0
        if free > 0 and not self._context.settings.faults.signer_down:
            with database.transaction() as cursor:
                made = len(self.sign(cursor, take_queued(cursor, free)))
        return bool(self._send(database.signed(_WINDOW)) or made)

    def resend_stale(self) -> None:
        """Sends transactions again that should have been mined by now."""
        self._send(self._context.database.stale(_STALE, _WINDOW))

    def sign(self, cursor: Cursor, rows: Sequence[Otx]) -> list[Signed]:
        """Allocates nonces, signs, and stores the signed bytes within the cursor's transaction.

        A row that waits for gas keeps that status. A row whose key is not in the vault gets the status failed.
        """
        signers = self._signers_of(cursor, {row.sender for row in rows}) if rows else {}
        finish(cursor, [row.id for row in rows if row.sender not in signers], "failed")
        rows = [row for row in rows if row.sender in signers]
        if not rows:
            return []
        nonces = allocate_nonces(cursor, dict(Counter(row.sender for row in rows)))
        made = []
        for row in rows:
            made.append(self._transaction(row, signers[row.sender], nonces[row.sender]))
            nonces[row.sender] += 1
        execute_values(
            cursor,
            "UPDATE otx SET status = CASE status WHEN 'queued' THEN 'signed' ELSE status END,"
            " nonce = v.nonce, tx_hash = v.tx_hash, signed_tx = v.raw"
            " FROM (VALUES %s) AS v (id, nonce, tx_hash, raw) WHERE otx.id = v.id",
            [
                (row.id, nonce, signed.hash.hex(), signed.raw.hex())
                for row, (nonce, signed) in zip(rows, made, strict=True)
            ],
            page_size=1000,
        )
        return [signed for _, signed in made]

    def _transaction(self, row: Otx, signer: Signer, nonce: int) -> tuple[int, Signed]:
        account, contracts = bytes.fromhex(row.account), self._context.contracts
        to, value, data = account, 0, b""
        if row.purpose == "gas":
            value = GAS_GIFT
        elif row.purpose == "register":
            to, data = contracts.accounts_index, pack(ADD, account)
        else:
            assert contracts.faucet is not None  # without a faucet, no payout is queued
            to, data = contracts.faucet.address, pack(GIVE_TO, account)
        gas = _TOO_LITTLE_GAS if self._context.settings.faults.reverts(row) else GAS_LIMIT
        return nonce, signer.sign(nonce=nonce, gas_price=GAS_PRICE, gas=gas, to=to, value=value, data=data)

    def _signers_of(self, cursor: Cursor, addresses: Iterable[str]) -> dict[str, Signer]:
        """Signers of the addresses whose keys are in the vault. Signers of the engine's own accounts are kept."""
        unknown = [address for address in addresses if address not in self._role_signers]
        chain_id = self._context.settings.chain_spec.network_id
        made = {address: Signer(key, chain_id) for address, key in self._context.vault.keys(unknown).items()}
        cursor.execute("SELECT address_hex FROM account_role WHERE address_hex = ANY(%s)", (unknown,))
        self._role_signers |= {address: made[address] for (address,) in cursor.fetchall() if address in made}
        return self._role_signers | made

    def _send(self, rows: Sequence[Otx]) -> int:
        answers = self._context.rpc.results([("eth_sendRawTransaction", [f"0x{row.signed_tx}"]) for row in rows])
        accepted = []
        for row, answer in zip(rows, answers, strict=True):
            if not isinstance(answer, RpcError) or any(text in answer.text for text in _KNOWN_TO_NODE):
                accepted.append(row.id)
            else:
                _log.warning("%s of %s: the node refuses the transaction: %s", row.purpose, row.account, answer.text)
        if accepted:
            self._context.database.mark_sent(accepted)
        return len(accepted)
