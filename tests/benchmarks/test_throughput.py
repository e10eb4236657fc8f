"""People per second, as a share of what the same node takes when it is given nothing but pre-signed transactions.

Run by its own command: ``python -m pytest -n 0 -m benchmark -s tests/benchmarks``.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

import pytest

from cicscenario.sandbox import stack
from tests.benchmarks.ceiling import Ceiling, ceiling
from tests.benchmarks.table import CHAIN, OWN_KEYS, ROOT, Work, of_run
from tests.support.commands import command_environment
from tests.support.sandboxes import NODES, Sandbox

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

TINY, SMALL, LARGE = 50, 1000, 10_000
#: The short runs are where noise shows most, and cost least.
ROUND, ROUNDS = (TINY, SMALL, SMALL, LARGE, SMALL), 3


@dataclass(frozen=True)
class Measured:
    """One run: seconds of the whole command and of its longest step on chain, and the runner's peak memory in MiB."""

    whole: float
    chain: float
    memory: float


def run(box: Sandbox, size: int) -> Measured:
    """Runs ``size`` new people, with checks, in a process of its own."""
    found = of_run(Work("keys of their own", "", size, OWN_KEYS, CHAIN), box.home, command_environment(box.home), ROOT)
    return Measured(found.seconds, size / found.rate, found.memory)


def median(runs: Sequence[Measured]) -> Measured:
    """Figure by figure: one slow moment of the machine spoils none of them."""
    return Measured(*(statistics.median(figures) for figures in zip(*map(astuple, runs), strict=True)))


@pytest.mark.parametrize("node", NODES)
def test_cost_a_person_is_flat_and_near_the_nodes_ceiling(sandbox_of: Callable[..., Sandbox], node: str) -> None:
    runs: dict[int, list[Measured]] = {size: [] for size in (TINY, SMALL, LARGE)}
    tops: dict[str, list[Ceiling]] = {"new": [], "full": []}
    for size in ROUND * ROUNDS:
        # Always a new chain: what one run leaves behind would be the next one's burden.
        box = sandbox_of(node)
        runs[size].append(run(box, size))
        if size != SMALL:
            tops["full" if size == LARGE else "new"].append(ceiling(box, 1000))
        stack.down(box.home, purge=True)
    tiny, small, large = (median(runs[size]) for size in (TINY, SMALL, LARGE))
    new, full = (statistics.median_low(tops[chain]) for chain in ("new", "full"))
    # What starting costs is paid once; what a person costs is the rest: chain, files and checks.
    cost = (large.whole - tiny.whole) / (LARGE - TINY) / ((small.whole - tiny.whole) / (SMALL - TINY))
    small_rate, large_rate = SMALL / small.chain, LARGE / large.chain
    print(
        f"\n{node}: on chain {small_rate:.0f} people/s at {SMALL:,}, {large_rate:.0f} at {LARGE:,};"
        f" ceiling {new} on a new chain, {full} on one of {LARGE:,} people;"
        f" ratio {small_rate / new.rate:.2f} and {large_rate / full.rate:.2f};"
        f" whole command {small.whole:.1f} s and {large.whole:.1f} s, cost a person {cost:.2f} times;"
        f" memory {tiny.memory:.0f}, {small.memory:.0f} and {large.memory:.0f} MiB"
    )
    assert cost <= 1.2
    assert large.memory <= small.memory * 1.25
