"""Two workers against one, on two cores, and the work in this process against the work as it was before there were workers.

Run by its own command: ``python -m pytest -n 0 -m benchmark -s tests/benchmarks/test_workers.py``. The ratios are those of one
session, since machines differ; other programs must not use the cores meanwhile. The sizes are for a machine of its own;
CICSCENARIO_SHARE=0.1 makes a tenth of them.
"""

import os
import secrets
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.chain.keyfile import encrypt
from cicscenario.services.meta import Wanted
from cicscenario.workers import names
from cicscenario.workers.entries import entry_item
from cicscenario.workers.hands import Hands
from cicscenario.workers.kinds import ENTRIES, HASHES, KEYFILES, KINDS, keystore_item
from tests.benchmarks.figures import noted
from tests.support.valkey import Valkey
from tests.support.waiting import eventually
from tests.support.worker_processes import LINEAGE, NO_SERVICES, environment_file, pool_at, working

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

COMMAND = "python -m pytest -n 0 -m benchmark -s tests/benchmarks/test_workers.py"
_NAMES = {KEYFILES: "{:,} `light` keystore files", HASHES: "{:,} hashes of PINs, cost 8"}
LEAST = 1.7  # times as fast with two workers
MOST = 1.03  # times the CPU time in this process
MICROSECONDS = 30  # for an entry; its write takes a client 2,000 to 4,000 of CPU time
SHARE = float(os.environ.get("CICSCENARIO_SHARE", "1"))
LIGHT = {"kdf": "light", "password": "of the benchmark"}
COST_8 = {"scheme": "bcrypt", "cost": 8, "pepper": None}
WORK = {
    KEYFILES: (LIGHT, [keystore_item(secrets.token_bytes(31)) for _ in range(int(2000 * SHARE))]),
    HASHES: (COST_8, [f"{number % 10_000:04}" for number in range(int(5000 * SHARE))]),
}


def seconds(folder: Path, kind: str, workers: int) -> float:
    common, items = WORK[kind]
    with Valkey(folder) as valkey:
        environment = environment_file(folder / "environment", valkey.url)
        with working(environment, workers), pool_at(valkey) as pool:
            eventually(lambda: valkey.client.hlen(names.BEATS) == workers, "waited for workers", 60)
            began = time.monotonic()
            assert len(dict(pool.each(LINEAGE, kind, common, items, NO_SERVICES))) == len(items)
            return time.monotonic() - began


@pytest.mark.parametrize("kind", list(WORK))
def test_two_workers_are_nearly_twice_as_fast_as_one(kind: str, tmp_path: Path) -> None:
    taken = {}
    for workers in (1, 2):
        (tmp_path / str(workers)).mkdir()
        taken[workers] = seconds(tmp_path / str(workers), kind, workers)
    ratio = taken[1] / taken[2]
    print(
        f"{kind}: {len(WORK[kind][1])} in {taken[1]:.1f} s with one worker, {taken[2]:.1f} s with two: {ratio:.2f} times as fast"
    )
    noted(
        "Workers",
        COMMAND,
        {_NAMES[kind].format(len(WORK[kind][1])): f"{taken[1]:.1f} s with one, {taken[2]:.1f} s with two"},
    )
    assert ratio >= LEAST


def test_the_way_of_metadata_within_one_process_costs_next_to_nothing() -> None:
    """CPU time of one thread around the client for the same entries, by turns, the shortest of each."""
    written: Any = SimpleNamespace(
        ensure_many=lambda wanted: [(number, "written") for number, _ in enumerate(wanted)], was_away=False
    )
    entries = [(secrets.token_bytes(32), {"preferred_language": "sw", "number": n}) for n in range(1000)]
    hands = Hands(SimpleNamespace(meta=written), threading.Event())
    plain, way = [], []
    for _ in range(9):
        began = time.thread_time()
        assert len(written.ensure_many([Wanted(at, value) for at, value in entries])) == len(entries)
        between = time.thread_time()
        items = [entry_item(at, value) for at, value in entries]
        assert len(list(KINDS[ENTRIES].work(hands, {"keeps": False}, items))) == len(entries)
        plain.append(between - began)
        way.append(time.thread_time() - between)
    more = (min(way) - min(plain)) / len(entries) * 1e6
    print(f"{len(entries)} entries: {more:.1f} microseconds more for each")
    assert more < MICROSECONDS


def test_the_way_within_one_process_costs_nothing() -> None:
    """CPU time of one thread for the same files, by turns, the shortest of each."""
    keys = WORK[KEYFILES][1][:20]
    hands = Hands(NO_SERVICES, threading.Event())
    plain, way = [], []
    for _ in range(9):
        began = time.thread_time()
        for key in keys:
            encrypt(bytes.fromhex(key), LIGHT["password"], "light")
        between = time.thread_time()
        assert len(list(KINDS[KEYFILES].work(hands, LIGHT, keys))) == len(keys)
        plain.append(between - began)
        way.append(time.thread_time() - between)
    ratio = min(way) / min(plain)
    print(f"{len(keys)} keystore files: {ratio:.3f} times the CPU time of the bare function")
    assert ratio < MOST
