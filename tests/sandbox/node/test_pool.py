"""Another transaction with the same nonce takes the place of one that waits when it pays more."""

import pytest

from cicscenario.chain.gasprice import DynamicFee, GasPrice
from cicscenario.chain.signer import Signer
from cicscenario.sandbox.node.errors import JsonRpcError
from cicscenario.sandbox.node.pool import Pool
from cicscenario.sandbox.node.transaction import Transaction, decode

SIGNER = Signer(b"\1" * 32, 8996)


def waiting(price: GasPrice) -> Transaction:
    return decode(SIGNER.sign(nonce=0, gas_price=price, gas=21_000, to=b"\2" * 20, value=1, data=b"").raw)


@pytest.mark.parametrize("fee", [DynamicFee(200, 50), DynamicFee(200, 54), DynamicFee(109, 100)])
def test_both_fees_must_be_a_tenth_higher(fee: DynamicFee) -> None:
    """As in geth (core/txpool/legacypool/list.go); anvil 1.7.1 looks at the maximum alone."""
    pool = Pool()
    pool.add(waiting(DynamicFee(100, 50)), 0)
    with pytest.raises(JsonRpcError, match="replacement transaction underpriced"):
        pool.add(waiting(fee), 0)
    second = waiting(DynamicFee(110, 55))
    pool.add(second, 0)
    assert pool.get(second.hash) is second
    assert len(pool) == 1
