"""Where a request without a result is: on the queue, with a worker, or nowhere; and whether workers move."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cicscenario.chainspec import ChainSpec
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.custodial.client import CustodialClient
from cicscenario.services.custodial.outcome import AccountOutcome, Lost, Trace
from cicscenario.services.custodial.pending import PendingTasks, TaskPlace, clock_time
from tests.support.celery_engine import CHAIN, roots, worker
from tests.support.valkey import Valkey
from tests.support.waiting import eventually, soon

SPEC = ChainSpec.parse(CHAIN)


def test_without_a_worker_everybody_is_in_the_queue(alone: Valkey) -> None:
    ids = roots(3)
    with CustodialClient(alone.url, SPEC).accounts("nobody") as accounts:
        accounts.submit(ids)
        found = accounts.wait([*ids, "never-sent"], soon(1.5))
    assert {one.trace for root, one in found.items() if root in ids and isinstance(one, Lost)} == {Trace.QUEUED}
    assert f"no worker has taken its task from the queue 'cic-eth' of Redis 127.0.0.1:{alone.port}/0" in str(
        found[ids[0]]
    )
    never = found["never-sent"]
    assert isinstance(never, Lost)
    assert never.trace is Trace.UNKNOWN


@pytest.mark.parametrize("name", ["unacked", "cic-eth.worker1.unacked_key"])
def test_what_a_worker_has_fetched_is_not_unknown(alone: Valkey, name: str) -> None:
    """Sending it again would make a second account."""
    ids = roots(2)
    with CustodialClient(alone.url, SPEC).accounts("fetched") as accounts:
        accounts.submit(ids)
        for _ in ids:  # as kombu does
            message = json.loads(str(alone.client.rpop("cic-eth")))
            tag = message["properties"]["delivery_tag"]
            alone.client.hset(name, tag, json.dumps([message, "", "cic-eth"]))
        found = accounts.recover([*ids, "never-sent"])
    traces = {root: one.trace for root, one in found.items() if isinstance(one, Lost)}
    assert traces == {ids[0]: Trace.FETCHED, ids[1]: Trace.FETCHED, "never-sent": Trace.UNKNOWN}
    assert "another one gets the task after the visibility timeout" in str(found[ids[0]])


def test_what_a_killed_worker_had_fetched_is_told_from_what_it_had_begun_and_from_what_waits(alone: Valkey) -> None:
    """A real worker of Celery, killed: it had begun one task, and fetched some more."""
    alone.client.hset("faults", "delay", 30)
    ids = roots(20)
    with CustodialClient(alone.url, SPEC).accounts("killed") as accounts:
        with worker(alone.url, 1) as process:
            accounts.submit(ids)
            began = time.time()
            eventually(lambda: alone.client.exists("begun") and traces(accounts.recover(ids)) == AT_WORK)
            process.kill()
            process.wait()
        found = accounts.recover(ids)
    assert traces(found) == AT_WORK
    for end in found.values():
        assert isinstance(end, Lost)
        if end.trace is Trace.FETCHED:
            assert end.until is not None
            assert abs(end.until - (began + 3600)) < 60
            assert f"another one gets the task soon after {clock_time(end.until)}" in str(end)
        assert end.nowhere == (end.trace is Trace.RUNNING)


#: A worker that runs one task at a time has fetched four more.
AT_WORK = {Trace.RUNNING: 1, Trace.FETCHED: 4, Trace.QUEUED: 15}


def traces(outcomes: Mapping[str, AccountOutcome]) -> Counter[Trace | None]:
    return Counter(end.trace if isinstance(end, Lost) else None for end in outcomes.values())


def test_many_places_are_found_in_a_few_requests(alone: Valkey) -> None:
    """One look at the queue and at what was fetched, and the times a hundred at once: nothing for each person."""
    ids = roots(1000)
    with alone.client.pipeline() as pipe:
        for number, root in enumerate(ids):
            message = {"headers": {"id": root}, "properties": {"delivery_tag": f"tag {number}"}}
            pipe.hset("unacked", f"tag {number}", json.dumps([message, "", "cic-eth"]))
            pipe.zadd("unacked_index", {f"tag {number}": 1_000_000.0 + number})
        pipe.execute()
    before = alone.client.info("stats")["total_net_input_bytes"], calls(alone)
    found = PendingTasks(Broker(alone.url, "cic-eth"), timeout=100).find(ids)
    assert found == {root: TaskPlace(fetched=True, until=1_000_100.0 + number) for number, root in enumerate(ids)}
    assert calls(alone) - before[1] < 20, "scans and looks, but none for each"


def calls(valkey: Valkey) -> int:
    """Commands that were sent, but for the times, which go a hundred in one round trip."""
    return sum(stat["calls"] for name, stat in valkey.client.info("commandstats").items() if name != "cmdstat_zscore")


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        (lambda redis: redis.lpush("cic-eth", json.dumps({"headers": {"id": "newer"}})), False),
        (lambda redis: redis.rpop("cic-eth"), True),
        (lambda redis: redis.hset("unacked", "another", "[]"), True),
        (lambda redis: redis.hdel("unacked", "tag"), True),
    ],
    ids=["pushed", "taken", "fetched", "begun"],
)
def test_workers_move_when_they_take_and_begin_tasks_and_not_when_others_push_more(
    alone: Valkey, change: Callable[[Any], Any], moves: bool
) -> None:
    alone.client.lpush("cic-eth", *[json.dumps({"headers": {"id": f"task {n}"}}) for n in range(3)])
    alone.client.hset("unacked", "tag", "[]")
    custodial = CustodialClient(alone.url, SPEC)
    before = custodial.activity()
    assert custodial.activity() == before
    change(alone.client)
    assert (custodial.activity() != before) is moves


def test_a_redis_that_does_not_tell_of_its_commands_shows_the_queue_at_least(alone: Valkey) -> None:
    alone.client.acl_setuser("guest", enabled=True, passwords=["+word"], commands=["+@all", "-info"], keys=["*"])
    custodial = CustodialClient(alone.url.replace("redis://", "redis://guest:word@"), SPEC)
    before = custodial.activity()
    alone.client.lpush("cic-eth", json.dumps({"headers": {"id": "first"}}))
    assert custodial.activity() != before
