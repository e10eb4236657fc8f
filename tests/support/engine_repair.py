"""What an operator does with an engine that was killed: docs/engine-standstill.md, on the sandbox's engine."""

import json

from tests.support.running_engine import CHAIN_SPEC, QUEUE, RunningEngine


def repair(engine: RunningEngine) -> None:
    """Sends what was signed and not sent, fills gaps in the nonces, and gives back what a killed worker had fetched."""
    for text in engine.redis.hvals("unacked"):
        engine.redis.rpush(QUEUE, json.dumps(json.loads(text)[0]))
    engine.redis.delete("unacked", "unacked_index")
    for (unsent,) in engine.rows("SELECT tx_hash FROM otx WHERE status = 'pending' ORDER BY id"):
        engine.ask("cic_eth.queue.state.set_ready", CHAIN_SPEC, unsent)
    engine.mend()
    engine.redis.close()
