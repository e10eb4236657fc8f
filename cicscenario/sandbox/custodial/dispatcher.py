"""Signs what is queued and sends what is signed: a hundred transactions in one round trip."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import execute_values

from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import ADD, GIVE_TO
from cicscenario.chain.rpc import RpcError
from cicscenario.chain.signer import Signed, Signer
from cicscenario.sandbox.custodial.ledger import Otx, draw_nonces, end, take_queued
from cicscenario.sandbox.custodial.room import EngineContext

# Source: recordings of cic-eth 0.12.10 with ETH_MIN_FEE_PRICE=1.
GAS_LIMIT = 8_000_000
_TOO_LITTLE_GAS = 30_000  # pays for a transaction to the accounts index, but not for what it does there
GAS_PRICE = 1  # wei
GAS_GIFT = (180_000 * 15 + 8_000_000) * 21 + 8_000_000  #: wei, 232,700,000
_WINDOW = 2_000  # transactions in flight: anvil loses what it has accepted when a block fills
_STALE = 3.0  # seconds without being mined, after which the same bytes are sent again
_HELD_BY_NODE = ("already known", "already imported", "nonce too low")  # it has it, or has mined it
_log = logging.getLogger(__name__)


class Dispatcher:
    def __init__(self, room: EngineContext) -> None:
        self._room = room
        self._role_signers: dict[str, Signer] = {}

    def step(self) -> bool:
        """Signs and sends once; says whether there was anything to do."""
        ledger = self._room.ledger
        free = _WINDOW - ledger.in_flight()
        made = 0
        if free > 0 and not self._room.settings.faults.signer_down:
            with ledger.transaction() as cursor:
                made = len(self.sign(cursor, take_queued(cursor, free)))
        return bool(self._send(ledger.signed(_WINDOW)) or made)

    def send_again(self) -> None:
        """Gives the node once more what it should have mined by now."""
        self._send(self._room.ledger.stale(_STALE, _WINDOW))

    def sign(self, cursor: Cursor, rows: Sequence[Otx]) -> list[Signed]:
        """Draws nonces and signs; the bytes are in the database before anybody else sees them.

        What still waits for gas goes on waiting. What nobody here can sign has failed.
        """
        signers = self._signers(cursor, {row.sender for row in rows}) if rows else {}
        end(cursor, [row.id for row in rows if row.sender not in signers], "failed")
        rows = [row for row in rows if row.sender in signers]
        if not rows:
            return []
        nonces = draw_nonces(cursor, dict(Counter(row.sender for row in rows)))
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
        account, contracts = bytes.fromhex(row.account), self._room.contracts
        to, value, data = account, 0, b""
        if row.purpose == "gas":
            value = GAS_GIFT
        elif row.purpose == "register":
            to, data = contracts.accounts_index, pack(ADD, account)
        else:
            assert contracts.faucet is not None  # otherwise nothing is queued for it
            to, data = contracts.faucet.address, pack(GIVE_TO, account)
        gas = _TOO_LITTLE_GAS if self._room.settings.faults.reverts(row) else GAS_LIMIT
        return nonce, signer.sign(nonce=nonce, gas_price=GAS_PRICE, gas=gas, to=to, value=value, data=data)

    def _signers(self, cursor: Cursor, addresses: Iterable[str]) -> dict[str, Signer]:
        """Signers of those whose keys are here; those of roles are kept."""
        unknown = [address for address in addresses if address not in self._role_signers]
        chain_id = self._room.settings.chain_spec.network_id
        made = {address: Signer(key, chain_id) for address, key in self._room.vault.keys(unknown).items()}
        cursor.execute("SELECT address_hex FROM account_role WHERE address_hex = ANY(%s)", (unknown,))
        self._role_signers |= {address: made[address] for (address,) in cursor.fetchall() if address in made}
        return self._role_signers | made

    def _send(self, rows: Sequence[Otx]) -> int:
        answers = self._room.rpc.results([("eth_sendRawTransaction", [f"0x{row.signed_tx}"]) for row in rows])
        taken = []
        for row, answer in zip(rows, answers, strict=True):
            if not isinstance(answer, RpcError) or any(words in answer.text for words in _HELD_BY_NODE):
                taken.append(row.id)
            else:
                _log.warning("%s of %s: the node refuses it: %s", row.purpose, row.account, answer.text)
        if taken:
            self._room.ledger.mark_sent(taken)
        return len(taken)
