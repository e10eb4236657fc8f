"""The engine works on anvil too, and with the latest contracts."""

from pathlib import Path

import pytest

from cicscenario.sandbox import stack
from tests.support.running_engine import GAS_GIFT, RunningEngine
from tests.support.sandboxes import needs_anvil
from tests.support.waiting import eventually


@pytest.mark.slow
@pytest.mark.parametrize(
    ("node", "contracts"), [pytest.param("anvil", "classic", marks=needs_anvil), ("embedded", "latest")]
)
def test_twenty_people_are_taken_in(tmp_path: Path, node: str, contracts: str) -> None:
    engine = RunningEngine(tmp_path)
    try:
        stack.up(tmp_path, services=["custodial"], node=node, contracts=contracts)
        with engine.listen() as listener:
            for _ in range(20):
                engine.create()
            accounts = [message["result"] for message in listener.wait(20)]
        assert len(set(accounts)) == 20
        eventually(lambda: engine.are_done(accounts))
        gas = [gas for _, gas, _ in engine.counts(accounts).values()]
        assert GAS_GIFT - 200_000 < min(gas) <= max(gas) < GAS_GIFT, "one gift, less what the faucet cost"
    finally:
        engine.close()
