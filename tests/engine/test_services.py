"""The listener is told where the services are, and how many requests they got."""

import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from cicscenario.engine.events import Event, Noted, RequestsCounted, ServicesOpened, StageStarted
from cicscenario.engine.services import RequestCount, open_services
from cicscenario.language import load_environment
from cicscenario.plan.compile import compile_plan
from cicscenario.transport.traffic import Ending, Traffic
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written

ENVIRONMENT = """\
version: 1
name: staging
chain:
  rpc: http://user:hunter2@127.0.0.1:1/v3/hunter2
  spec: evm:byzantium:8996:bloxberg
  registry: "0x0000000000000000000000000000000000000001"
  signer:
    private_key: "{{ env.CIC_KEY }}"
"""


def test_requests_are_counted_when_there_are_more_and_at_the_end() -> None:
    traffic, told = Traffic(), list[Event]()
    count = RequestCount(traffic, told.append)
    count()
    assert told == []
    traffic.of("meta").ended(0.1, Ending.ANSWERED)
    count()
    count()
    assert [event.services["meta"]["requests"] for event in told if isinstance(event, RequestsCounted)] == [1]
    traffic.of("chain").ended(0.1, Ending.REFUSED)
    count()
    assert isinstance(told[-1], RequestsCounted)
    assert told[-1].services["chain"]["refused"] == 1


def test_faults_that_are_on_are_told_once_when_the_services_are_open(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CIC_KEY", "0x" + "12" * 32)
    place = tmp_path / "staging.yaml"
    place.write_text(ENVIRONMENT)
    plan = compile_plan(load_scenario(written(tmp_path, backend="eth", environment=str(place))))
    for faults in ((), ("custodial.delay=2", "meta.strict")):
        where, told = replace(load_environment(place), faults=faults), list[Event]()
        with open_services(plan, lambda plan, where=where: nullcontext(where), threading.Event(), told.append):
            pass
        said = [event.text for event in told if isinstance(event, Noted)]
        assert said == (["the sandbox has faults on: custodial.delay=2, meta.strict"] if faults else [])
        assert "faults" not in next(event for event in told if isinstance(event, ServicesOpened)).settings


def test_the_real_pace_is_told_and_the_fast_one_is_not(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CIC_KEY", "0x" + "12" * 32)
    place = tmp_path / "staging.yaml"
    place.write_text(ENVIRONMENT)
    plan = compile_plan(load_scenario(written(tmp_path, backend="eth", environment=str(place))))
    for pace in (None, "fast", "real"):
        where, told = replace(load_environment(place), pace=pace), list[Event]()
        with open_services(plan, lambda plan, where=where: nullcontext(where), threading.Event(), told.append):
            pass
        said = [event.text for event in told if isinstance(event, Noted)]
        assert said == (["the sandbox keeps the real services' pace"] if pace == "real" else [])
        assert "pace" not in next(event for event in told if isinstance(event, ServicesOpened)).settings


def test_where_they_are_is_told_without_secrets(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CIC_KEY", "0x" + "12" * 32)
    place = tmp_path / "staging.yaml"
    place.write_text(ENVIRONMENT)
    plan = compile_plan(load_scenario(written(tmp_path, backend="eth", environment=str(place))))
    told: list[Event] = []
    opened = open_services(plan, lambda plan: nullcontext(load_environment(place)), threading.Event(), told.append)
    with opened as services:
        services.traffic.of("chain").ended(0.1, Ending.UNANSWERED)
    first, last, closing = told
    assert isinstance(first, ServicesOpened)
    assert first.settings["chain.rpc"] == "http://127.0.0.1:1"
    assert "hunter2" not in str(told)
    assert "12" * 32 not in str(told)
    assert isinstance(last, RequestsCounted)
    assert last.services["chain"]["unanswered"] == 1
    assert closing == StageStarted("closing the services")
