"""What an engine does on the chain, and where it keeps what, compared with the recordings of cic-eth 0.12.10."""

import json
import time
import uuid
from collections import Counter
from contextlib import closing
from typing import Any

import psycopg2.errors
import pytest

from cicscenario.chain.abi import pack, selector, to_hex
from cicscenario.chain.contracts import BALANCE_OF, eth_call
from cicscenario.chain.signer import address_of
from cicscenario.sandbox.custodial import database as tables
from cicscenario.sandbox.custodial.database import EngineDatabase
from cicscenario.sandbox.custodial.vault import Vault, read_secret
from tests.support.running_engine import CHAIN_SPEC, GAS_GIFT, TRANSFER, RunningEngine
from tests.support.sandboxes import send_from
from tests.support.waiting import PATIENCE, eventually

ADD, GIVE_TO = "0x0a3b0a4f", "0x63e4bff4"
FAUCET_GAS = 133_964  # recorded; 12 less for each zero byte in the address
SET_AMOUNT = selector("setAmount(uint256)")
ROLES = ("ACCOUNT_REGISTRY_WRITER", "GAS_GIFTER")


def block(engine: RunningEngine) -> int:
    return int(engine.rpc.call("eth_blockNumber"), 16)


def created(engine: RunningEngine, count: int) -> list[str]:
    """Creates accounts, all at once, and waits for their addresses."""
    with engine.listen() as listener:
        roots = [engine.create() for _ in range(count)]
        messages = listener.wait(count, PATIENCE + count / 10)
    assert sorted(message["root_id"] for message in messages) == sorted(roots)
    assert {message["status"] for message in messages} <= {0}
    return [message["result"] for message in messages]


def finished(engine: RunningEngine, accounts: list[str]) -> None:
    eventually(lambda: engine.are_done(accounts), patience=PATIENCE + len(accounts) / 5)


def seen(engine: RunningEngine, transaction: dict[str, Any], accounts: list[str]) -> tuple[Any, ...]:
    """A transaction as the recordings describe it."""
    names = {to_hex(engine.contracts.accounts_index): "AccountRegistry", f"0x{engine.role(ROLES[0])}": ROLES[0]}
    names[f"0x{engine.role(ROLES[1])}"] = ROLES[1]
    assert engine.contracts.faucet is not None
    names[to_hex(engine.contracts.faucet.address)] = "Faucet"
    names |= {f"0x{account}": "NEW_ACCOUNT" for account in accounts}
    return (
        names.get(transaction["from"].lower()),
        names.get((transaction["to"] or "").lower()),
        transaction["input"][:10],
        int(transaction["value"], 16),
        int(transaction["gas"], 16),
        int(transaction["gasPrice"], 16),
        int(transaction["receipt"]["status"], 16),
    )


REGISTRATION = ("ACCOUNT_REGISTRY_WRITER", "AccountRegistry", ADD, 0, 8_000_000, 1, 1)
GIFT = ("GAS_GIFTER", "NEW_ACCOUNT", "0x", GAS_GIFT, 8_000_000, 1, 1)
PAYOUT = ("NEW_ACCOUNT", "Faucet", GIVE_TO, 0, 8_000_000, 1, 1)


def test_one_account_becomes_the_recorded_transactions_in_their_order(engine: RunningEngine) -> None:
    before = block(engine)
    (account,) = created(engine, 1)
    finished(engine, [account])
    sent = engine.transactions(before)
    assert [seen(engine, each, [account]) for each in sent] == [REGISTRATION, GIFT, PAYOUT]
    assert sent[0]["input"] == ADD + account.rjust(64, "0")
    assert sent[2]["input"] == GIVE_TO + account.rjust(64, "0")
    assert int(sent[2]["nonce"], 16) == 0
    spent = int(sent[2]["receipt"]["gasUsed"], 16)
    assert FAUCET_GAS - 100 < spent <= FAUCET_GAS
    have, gas, tokens = engine.counts([account])[account]
    assert (have, gas) == (1, GAS_GIFT - spent), "the recorded 232,566,036 wei are left, or a few more"
    assert engine.contracts.faucet is not None
    assert tokens == engine.contracts.faucet.amount


def test_of_three_each_is_registered_gifted_and_paid_once_and_in_that_order(engine: RunningEngine) -> None:
    before = block(engine)
    accounts = created(engine, 3)
    finished(engine, accounts)
    sent = [(seen(engine, each, accounts), each) for each in engine.transactions(before)]
    assert Counter(what for what, _ in sent) == {REGISTRATION: 3, GIFT: 3, PAYOUT: 3}
    nonces = [int(each["nonce"], 16) for what, each in sent if what == REGISTRATION]
    assert nonces == list(range(nonces[0], nonces[0] + 3))
    for account in accounts:
        order = [what for what, each in sent if account in each["input"] or each["to"].lower() == f"0x{account}"]
        assert order == [REGISTRATION, GIFT, PAYOUT]


def test_an_account_that_is_only_created_is_neither_registered_nor_gifted(engine: RunningEngine) -> None:
    entry = engine.ask("cic_eth.eth.account.create", "", CHAIN_SPEC)
    account = entry["result"]
    finished(engine, created(engine, 1))  # what was asked for later is done
    assert engine.counts([account])[account] == [0, 0, 0]


def test_a_password_is_part_of_the_key_to_the_key(engine: RunningEngine) -> None:
    account = engine.ask("cic_eth.eth.account.create", "s3cret", CHAIN_SPEC)["result"]
    assert engine.ask("cic_eth.eth.account.have", account, CHAIN_SPEC)["result"] == account
    vault = Vault(_dsn(engine), read_secret(engine.home / "sandbox" / "custodial"))
    assert vault.keys([account]) == {}
    assert vault.held([account]) == {account}


def _dsn(engine: RunningEngine) -> str:
    return str(engine.database("cic_signer").dsn).replace("password=xxx", f"password={_password(engine)}")


def _password(engine: RunningEngine) -> str:
    return (engine.home / "sandbox" / "postgres.password").read_text().strip()


def test_keys_lie_encrypted_in_the_signers_own_table(engine: RunningEngine) -> None:
    (account,) = created(engine, 1)
    secret = engine.home / "sandbox" / "custodial" / "signer.secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    columns = engine.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'ethereum' ORDER BY ordinal_position",
        "cic_signer",
    )
    assert [name for (name,) in columns] == ["id", "key_ciphertext", "wallet_address_hex"]
    ((token,),) = engine.rows(
        f"SELECT key_ciphertext FROM ethereum WHERE wallet_address_hex = '{account}'", "cic_signer"
    )
    key = Vault(_dsn(engine), read_secret(secret.parent)).keys([account])[account]
    assert address_of(key).hex() == account
    assert key.hex() not in token
    assert Vault(_dsn(engine), b"another secret, of thirty-two by").keys([account]) == {}
    log = (engine.home / "sandbox" / "custodial.log").read_text()
    assert key.hex() not in log
    assert secret.read_text().strip() not in log
    assert _password(engine) not in log


def test_the_same_task_run_twice_makes_two_accounts(engine: RunningEngine) -> None:
    """As with cic-eth: what the broker delivers twice is done twice."""
    task, accounts = str(uuid.uuid4()), set()
    for _ in range(2):
        engine.redis.delete(f"celery-task-meta-{task}")
        engine.signature("cic_eth.eth.account.create", "", CHAIN_SPEC).apply_async(task_id=task)
        accounts.add(engine.entry(task)["result"])
    held = ",".join(f"'{account}'" for account in accounts)
    assert len(accounts) == 2
    assert engine.rows(f"SELECT count(*) FROM ethereum WHERE wallet_address_hex IN ({held})", "cic_signer") == [(2,)]


def test_roles_are_there_and_can_be_given(engine: RunningEngine) -> None:
    held = engine.ask("cic_eth.eth.account.role_account", None, CHAIN_SPEC)["result"]
    assert {tag for _, tag in held} >= set(ROLES)
    address = "ab" * 20
    assert engine.ask("cic_eth.eth.account.set_role", "TESTER", f"0x{address}", CHAIN_SPEC)["result"] == "TESTER"
    assert engine.role("TESTER") == address
    assert engine.ask("cic_eth.eth.account.role", address, CHAIN_SPEC)["result"] == [[address, "TESTER"]]
    refused = engine.ask("cic_eth.eth.account.set_role", "TESTER", "nonsense", CHAIN_SPEC)
    assert refused["result"] == {
        "exc_type": "ValueError", "exc_message": ["invalid address nonsense"], "exc_module": "builtins",
    }  # fmt: skip


def test_without_a_writer_a_client_hears_of_success_and_then_of_failure(engine: RunningEngine) -> None:
    """Seen with the real engine: status 0 means only that there is a key."""
    writer = engine.role(ROLES[0])
    engine.ask("cic_eth.eth.account.set_role", ROLES[0], "0" * 40, CHAIN_SPEC)
    try:
        with engine.listen() as listener:
            root = engine.create(error_link=True)
            good, bad = listener.wait(2)
    finally:
        engine.ask("cic_eth.eth.account.set_role", ROLES[0], writer, CHAIN_SPEC)
    assert (good["root_id"], good["status"]) == (bad["root_id"], 0) == (root, 0)
    assert bad["status"] == 1
    failure = engine.entry(bad["result"])
    assert failure["result"]["exc_type"] == "IntegrityError"
    assert failure["result"]["exc_module"] == "cic_eth.error"
    assert failure["result"]["exc_message"][0].startswith(f'"release" called on key {root}')
    assert engine.counts([good["result"]])[good["result"]][0] == 0


def test_a_payout_that_failed_on_the_chain_is_made_anew_when_it_is_asked_for(engine: RunningEngine) -> None:
    faucet, owner = engine.contracts.faucet, engine.box.owner
    assert faucet is not None
    send_from(engine.box.session(), owner, faucet.address, pack(SET_AMOUNT, 10**30))  # more than it has
    try:
        (account,) = created(engine, 1)
        payout = f"SELECT status FROM otx WHERE purpose = 'faucet' AND account = '{account}'"
        eventually(lambda: engine.rows(payout) == [("failed",)])
    finally:
        send_from(engine.box.session(), owner, faucet.address, pack(SET_AMOUNT, faucet.amount))
    before = block(engine)
    unreserved = engine.ask("cic_eth.eth.account.gift", account, CHAIN_SPEC)["result"]
    assert unreserved["exc_type"] == "IntegrityError"
    assert engine.ask_again("cic_eth.eth.account.gift", account)["status"] == "SUCCESS"
    finished(engine, [account])
    (sent,) = engine.transactions(before)
    assert seen(engine, sent, [account]) == PAYOUT
    assert int(sent["nonce"], 16) == 1
    assert engine.rows("SELECT count(*) FROM nonce_task_reservation WHERE address_hex = '" + account + "'") == [(0,)]


def test_gifting_again_sends_a_transaction_that_the_faucet_refuses(engine: RunningEngine) -> None:
    (account,) = created(engine, 1)
    finished(engine, [account])
    before, tokens = block(engine), engine.counts([account])[account][2]
    asked = engine.ask_again("cic_eth.eth.account.gift", account)
    (raw,) = asked["result"]
    payouts = f"SELECT status, signed_tx FROM otx WHERE purpose = 'faucet' AND account = '{account}' ORDER BY id"
    eventually(lambda: [status for status, _ in engine.rows(payouts)] == ["final", "failed"])
    assert engine.rows(payouts)[1][1] == raw
    (sent,) = engine.transactions(before)
    assert (sent["receipt"]["status"], int(sent["nonce"], 16)) == ("0x0", 1)
    assert engine.counts([account])[account][2] == tokens


def test_tokens_and_balances_are_told_as_the_start_menu_asks_for_them(engine: RunningEngine) -> None:
    (account,) = created(engine, 1)
    finished(engine, [account])
    token = engine.ask("cic_eth.eth.erc20.default_token")["result"]
    assert token == engine.ask("cic_eth.admin.token.default_token")["result"]
    listed = engine.ask("cic_eth.eth.erc20.resolve_tokens_by_symbol", ["GFT"], CHAIN_SPEC)["result"]
    assert listed == [{"address": token["address"], "symbol": "GFT", "converters": []}]
    assert token["address"].lower() == engine.contracts.token.address.hex() != token["address"]
    parts = [
        engine.ask("cic_eth.eth.erc20.balance", listed, account, CHAIN_SPEC)["result"],
        engine.ask("cic_eth.queue.balance.balance_incoming", listed, account, CHAIN_SPEC)["result"],
        engine.ask("cic_eth.queue.balance.balance_outgoing", listed, account, CHAIN_SPEC)["result"],
    ]
    assert engine.contracts.faucet is not None
    assert engine.ask("cic_eth.queue.balance.assemble_balances", parts)["result"] == [
        {
            "address": token["address"].lower(),
            "converters": [],
            "balance_network": engine.contracts.faucet.amount,
            "balance_incoming": 0,
            "balance_outgoing": 0,
        }
    ]
    unknown = engine.ask("cic_eth.eth.erc20.resolve_tokens_by_symbol", ["NOPE"], CHAIN_SPEC)
    assert unknown["result"]["exc_type"] == "UnknownContractError"


def test_a_stranger_in_the_accounts_index_is_none_of_its_business(engine: RunningEngine) -> None:
    stranger = "5a" * 20
    signer = engine.signer
    nonce = int(engine.rpc.call("eth_getTransactionCount", to_hex(signer.address), "pending"), 16)
    call = pack(bytes.fromhex(ADD[2:]), bytes.fromhex(stranger))
    index = engine.contracts.accounts_index
    signed = signer.sign(nonce=nonce, gas_price=1, gas=400_000, to=index, value=0, data=call)
    engine.rpc.call("eth_sendRawTransaction", to_hex(signed.raw))
    finished(engine, created(engine, 1))
    assert engine.counts([stranger])[stranger] == [1, 0, 0]


def test_the_engine_transfers_the_tokens_of_its_accounts(engine: RunningEngine) -> None:
    """With the tasks that cic-ussd sends when somebody pays by phone."""
    payer, payee = accounts = created(engine, 2)
    finished(engine, accounts)
    tokens = engine.ask("cic_eth.eth.erc20.resolve_tokens_by_symbol", ["GFT"], CHAIN_SPEC)["result"]
    before = [balance_of(engine, account) for account in accounts]
    transfer = engine.signature("cic_eth.eth.erc20.transfer", payer, payee, 1_500_000, CHAIN_SPEC)
    resolve = engine.signature("cic_eth.eth.erc20.resolve_tokens_by_symbol", CHAIN_SPEC)
    reserve = engine.signature("cic_eth.eth.nonce.reserve_nonce", ["GFT"], CHAIN_SPEC, payer)
    resolve.link(transfer)
    reserve.link(resolve)
    assert engine.entry(reserve.apply_async().id)["status"] == "SUCCESS"
    eventually(lambda: balance_of(engine, payee) != before[1])
    assert [balance_of(engine, account) for account in accounts] == [before[0] - 1_500_000, before[1] + 1_500_000]
    for account in accounts:
        made = engine.ask("cic_eth.queue.query.get_account_tx", CHAIN_SPEC, account)["result"]
        told = engine.ask("cic_eth.ext.tx.tx_collate", made, CHAIN_SPEC, 0, 9)["result"]
        (one,) = [one for one in told if one.get("source_token_symbol") == "GFT"]
        assert (one["sender"], one["recipient"], one["from_value"]) == (payer, payee, 1_500_000)
    several = engine.ask("cic_eth.eth.erc20.transfer", [*tokens, *tokens], payer, payee, 1, CHAIN_SPEC)
    assert several["result"]["exc_type"] == "NotImplementedError"
    unreserved = engine.ask("cic_eth.eth.erc20.transfer", tokens, payer, payee, 1, CHAIN_SPEC)
    assert unreserved["status"] == "FAILURE", "no nonce was reserved"
    assert balance_of(engine, payee) == before[1] + 1_500_000


def balance_of(engine: RunningEngine, account: str) -> int:
    """Base units of the default token, as the chain has them."""
    call = pack(BALANCE_OF, bytes.fromhex(account))
    return int(engine.rpc.calls([eth_call(engine.contracts.token.address, call)])[0], 16)


@pytest.mark.slow
def test_transfers_are_told_to_who_wants_to_know(engine: RunningEngine) -> None:
    def told() -> list[list[Any]]:
        return engine.queued("cic-ussd")

    task = "cic_ussd.tasks.callback_handler.transaction_callback"
    with engine.started_with("--transfer-callbacks", f"cic-ussd:{task}"):
        (account,) = created(engine, 1)
        gift = eventually(lambda: [m for m in told() if m[0]["recipient"] == account])[0]
        signer = engine.signer
        nonce = int(engine.rpc.call("eth_getTransactionCount", to_hex(signer.address), "pending"), 16)
        call = pack(TRANSFER, bytes.fromhex(account), 1_234_567)
        token = engine.contracts.token.address
        signed = signer.sign(nonce=nonce, gas_price=1, gas=400_000, to=token, value=0, data=call)
        engine.rpc.call("eth_sendRawTransaction", to_hex(signed.raw))
        assert json.loads(engine.redis.lindex("cic-ussd", 0))["headers"]["task"] == task
        transfer = eventually(lambda: [m for m in told() if m[0]["sender"] == signer.address.hex()])[0]
    assert engine.contracts.faucet is not None
    assert gift[1:] == ["tokengift", 0]
    assert gift[0] == RECORDED | {
        "hash": gift[0]["hash"],
        "sender": account,
        "recipient": account,
        "source_token": gift[0]["source_token"],
        "destination_token": gift[0]["source_token"],
        "source_token_value": engine.contracts.faucet.amount,
        "destination_token_value": engine.contracts.faucet.amount,
    }
    assert transfer[1:] == ["transfer", 0]
    assert transfer[0]["recipient"] == account
    assert transfer[0]["source_token_value"] == transfer[0]["destination_token_value"] == 1_234_567
    assert transfer[0]["hash"] == signed.hash.hex()


#: What the real engine told after a faucet's payout, without what differs.
RECORDED = json.loads("""{
  "chain_spec": {"arch": "evm", "fork": "byzantium", "network_id": 8996, "common_name": "bloxberg", "custom": []},
  "destination_token_decimals": 6, "destination_token_name": "Giftable Token", "destination_token_symbol": "GFT",
  "recipient_label": "", "sender_label": "",
  "source_token_decimals": 6, "source_token_name": "Giftable Token", "source_token_symbol": "GFT",
  "status": "SUCCESS", "status_code": 0
}""")


@pytest.mark.slow
def test_two_hundred_people_are_taken_in(engine: RunningEngine) -> None:
    count = 200
    began = time.monotonic()
    accounts = created(engine, count)
    assert len(set(accounts)) == count
    finished(engine, accounts)
    print(f"{count / (time.monotonic() - began):.0f} accounts a second")
    purposes = engine.rows(
        "SELECT purpose, count(*) FROM otx WHERE status = 'final' AND account IN"
        f" ({','.join(repr(a) for a in accounts)}) GROUP BY 1 ORDER BY 1"
    )
    assert purposes == [("faucet", count), ("gas", count), ("register", count)]
    gas = [gas for _, gas, _ in engine.counts(accounts).values()]
    assert GAS_GIFT - FAUCET_GAS <= min(gas) <= max(gas) < GAS_GIFT - FAUCET_GAS + 200, "one gift and one payout each"


def test_no_statement_about_an_account_or_a_transaction_reads_a_whole_table(engine: RunningEngine) -> None:
    address, tx_hash = "ab" * 20, "cd" * 32
    with closing(engine.database("cic_eth")) as connection:
        dsn = f"postgresql://{connection.info.user}:{connection.info.password}@127.0.0.1:{connection.info.port}/"
    database, vault = EngineDatabase(f"{dsn}cic_eth"), Vault(f"{dsn}cic_signer", bytes(32))
    database.dated([tx_hash])
    database.otx_id(tx_hash)
    database.mark_ready(tx_hash)
    database.is_filling(address)
    database.was_registered(address)
    database.signed_of(address)
    database.locked("::", 4, [address])
    with database.transaction() as cursor:
        tables.open_by_hash(cursor, [tx_hash])
        tables.waiting_for_gas(cursor, [address])
    vault.held([address])
    vault.keys([address])
    for connection, count in ((database._connection, 9), (vault._connection, 2)):
        with closing(connection), connection.cursor() as cursor:
            assert len(connection.prepared) == count, "each has been planned once, for all values"
            for statement, call in connection.prepared.items():
                cursor.execute(f"EXPLAIN {call.replace('%s', 'NULL')}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
                assert "Seq Scan" not in plan, f"{statement}\n{plan}"


def test_two_gifts_of_gas_to_one_account_are_signed_one_after_the_other(engine: RunningEngine) -> None:
    """The second is a small one then: a payout is asked for twice when the engine is killed before it has stored that it did."""
    account, other = "ab" * 20, "cd" * 20
    with closing(engine.database("cic_eth")) as connection:
        dsn = f"postgresql://{connection.info.user}:{connection.info.password}@127.0.0.1:{connection.info.port}/cic_eth"
    first, second = EngineDatabase(dsn), EngineDatabase(dsn)
    with closing(first._connection), closing(second._connection):
        second._connection.cursor().execute("SET lock_timeout = 300")  # milliseconds
        with first.alone(account), second.alone(other):
            pass
        with first.alone(account), pytest.raises(psycopg2.errors.LockNotAvailable), second.alone(account):
            pass
        with second.alone(account):
            pass
