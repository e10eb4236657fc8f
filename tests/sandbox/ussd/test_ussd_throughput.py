"""How fast people can join by phone, on whatever else the machine is doing: ``pytest -n 0 -m benchmark -s``."""

import time
import uuid
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.fake_chain import FakeChain
from tests.support.fake_engine import FakeEngine
from tests.support.fake_meta import FakeMeta
from tests.support.postgres import Postgres
from tests.support.ussd_process import UssdProcess
from tests.support.ussd_world import CODE, FORM, request
from tests.support.valkey import Valkey
from tests.support.waiting import eventually

PEOPLE = 1000


@pytest.mark.benchmark
def test_requests_a_second(
    tmp_path: Path, worlds: object, valkey: Valkey, postgres: Postgres, meta: FakeMeta, running_engine: FakeEngine
) -> None:
    worlds.close()  # type: ignore[attr-defined]  # no other may take its messages
    running_engine.paused = True
    with FakeChain() as chain, UssdProcess(tmp_path, valkey, postgres, meta, chain) as process:
        begun = time.monotonic()
        for number in range(PEOPLE):
            session = uuid.uuid4().hex
            for text in ("", "1"):
                fields = {"sessionId": session, "serviceCode": CODE, "phoneNumber": f"+2547{number:08d}", "text": text}
                answer = request(process.port, "POST", "/", {"Content-Type": FORM}, urlencode(fields).encode())
                assert answer.status == 200
        rate = 2 * PEOPLE / (time.monotonic() - begun)
        running_engine.paused = False
        begun = time.monotonic()
        eventually(lambda: len(meta.values) == 3 * PEOPLE, "waited for everybody's metadata", 120)
        people = PEOPLE / (time.monotonic() - begun)
    print(f"\n{rate:.0f} requests a second by one caller; then {people:.0f} people a second reported and written")
    assert rate > 100
    assert people > 30
