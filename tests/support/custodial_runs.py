"""How a run through the custodial engine ends when all is well."""

import subprocess

from tests.support.running_engine import GAS_GIFT
from tests.support.sandboxes import Run, Sandbox, gifts_since, registered_since

CUSTODIAL_CHECKS = ["accounts_index", "gas", "faucet", "balance", "custodial_key"]
CUSTODIAL_STEPS = ["population", "accounts", "registration", "gift", "gas", "faucet"]
ASKED = "SELECT 1 FROM requests WHERE status = 'asked'"


def everybody_arrived(run: Run, size: int, since: int, *, gas_again: int = 0) -> None:
    """By the report, and by the chain: each is registered once and was given the gift once, and no stranger was."""
    assert run.errors() == dict.fromkeys(CUSTODIAL_CHECKS, (0, size))
    assert run.steps() == dict.fromkeys(CUSTODIAL_STEPS, (size, 0))
    assert gifts_since(run.box, since) == run.given()
    assert len(set(run.addresses())) == size
    registered = registered_since(run.box, since)
    assert {address: registered[address] for address in run.addresses()} == dict.fromkeys(run.addresses(), 1)
    held = run.box.session().rpc.calls([("eth_getBalance", [address, "latest"]) for address in run.addresses()])
    assert all(0 < int(gas, 16) < 2 * GAS_GIFT for gas in held)
    twice = sum(int(gas, 16) >= GAS_GIFT for gas in held)
    assert twice <= gas_again, "each was given gas once, and paid for the faucet with it"


def ends_well(run: Run, size: int, since: int, *more: str, gas_again: int = 0) -> None:
    """One more run, after which everybody is there."""
    done = run.command(*more)
    assert done.returncode == 0, done.stdout + done.stderr
    everybody_arrived(run, size, since, gas_again=gas_again)


def clean(box: Sandbox, done: subprocess.CompletedProcess[str]) -> str:
    """What a command said, which has neither a traceback nor a secret in it."""
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    for name in ("signer.key", "owner.key", "postgres.password"):
        assert (box.home / "sandbox" / name).read_text().strip() not in said
    return said
