"""Seconds and memory to plan payments like those of Sarafu.

Run by its own command: ``python -m pytest -n 0 -m benchmark -s tests/benchmarks/test_payments.py``.
"""

import time
import tracemalloc

import pytest

from cicscenario.payments.planner import plan_payments
from cicscenario.payments.spec import PaymentsSpec

pytestmark = pytest.mark.benchmark

UNIT = 1_000_000
MOST_SECONDS, MOST_MEMORY = 10.0, 40.0  # MiB, by people and not by payments


@pytest.mark.parametrize("payments", [1000, 75_000, 300_000])
def test_twenty_thousand_people_plan_in_seconds(payments: int) -> None:
    people = 20_000
    places, balances = [index % 80 for index in range(people)], [index * 37 % 401 * UNIT for index in range(people)]
    spec = PaymentsSpec(payments, "sarafu-2020", 30)
    began = time.perf_counter()
    assert sum(1 for _ in plan_payments(spec, 1, places, balances, UNIT)) == payments
    seconds = time.perf_counter() - began
    tracemalloc.start()
    for _ in plan_payments(spec, 1, places, balances, UNIT):
        pass
    memory = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    print(f"{payments:,} payments of {people:,} people: {seconds:.1f} s, {memory:.0f} MiB")
    assert seconds < MOST_SECONDS * max(1, payments / 75_000)
    assert memory < MOST_MEMORY
