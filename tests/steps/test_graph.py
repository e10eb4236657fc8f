"""``payments.graphml`` is GraphML that programs read: everybody is a node, and each payment that was made an edge."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.payments import payments_in, units
from cicscenario.chain.contracts import COOLDOWN, Contracts, Faucet, Token
from cicscenario.plan.compile import compile_plan
from cicscenario.steps.work import graph
from cicscenario.steps.work.traffic import EndedPayment
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written

SPACE = {"g": "http://graphml.graphdrawing.org/xmlns"}


def context(folder: Path, decimals: int = 6) -> RunContext:
    keys = {"gift": "{threshold: 50}", "backend": "eth", "traffic": "{payments: 30, span: 9 days, overdrafts: 10%}"}
    plan = compile_plan(load_scenario(written(folder, **keys)))
    token = Token(b"\x70" * 20, "GFT", decimals, None)
    contracts = Contracts(b"", b"", token, Faucet(b"\x72" * 20, token, 7, COOLDOWN))
    services: Any = SimpleNamespace(chain=SimpleNamespace(contracts=contracts))
    nothing: Any = None
    return RunContext(plan.scenario, folder, plan.population, services, nothing, threading.Event(), size=plan.size)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    """All payments but the first were made."""

    def from_the_plan(run: RunContext) -> Iterator[EndedPayment]:
        plan, contracts = payments_in(run), run.services.chain.contracts
        return (EndedPayment(one, units(plan, one, contracts), b"\x01" * 32) for one in plan if one.number)

    monkeypatch.setattr(graph, "made", from_the_plan)


def written_graph(run: RunContext) -> ElementTree.Element:
    graph.write_file(run, run.directory / "payments.graphml")
    return ElementTree.parse(run.directory / "payments.graphml").getroot()


def data(one: ElementTree.Element) -> dict[str, str | None]:
    return {str(each.get("key")).partition(".")[2]: each.text for each in one.iterfind("g:data", SPACE)}


def test_people_and_payments_are_nodes_and_edges(tmp_path: Path, made: None) -> None:
    run = context(tmp_path)
    root, plan = written_graph(run), payments_in(run)
    (inner,) = root.iterfind("g:graph", SPACE)
    assert (root.tag, inner.get("edgedefault")) == (f"{{{SPACE['g']}}}graphml", "directed")
    nodes = {one.get("id"): data(one) for one in inner.iterfind("g:node", SPACE)}
    assert list(nodes) == [f"n{person}" for person in range(5)]
    left = list(plan.gifts)
    for one, edge in zip(list(plan)[1:], inner.iterfind("g:edge", SPACE), strict=True):
        assert (edge.get("source"), edge.get("target")) == (f"n{one.payer}", f"n{one.payee}")
        state = "refused" if one.refused else "paid"
        amount = str(units(plan, one, run.services.chain.contracts))
        assert data(edge) == {"number": str(one.number), "day": str(one.day), "state": state, "amount": amount}
        if not one.refused:
            left[one.payer] -= one.amount
            left[one.payee] += one.amount
    for person in range(5):
        held = nodes[f"n{person}"]
        place = run.population.person(person).document["location"]["area_name"]
        assert (held["person"], held["place"]) == (str(person), place)
        assert (held["given"], held["balance"]) == (
            str(plan.gifts[person] * 10**6),
            str(left[person] * 10**6 + 7),  # the faucet's payout
        )


def test_what_it_uses_is_declared_first_with_a_type_that_holds_it(tmp_path: Path, made: None) -> None:
    keys = {one.get("id"): one for one in written_graph(context(tmp_path)).iterfind("g:key", SPACE)}
    root = written_graph(context(tmp_path))
    for kind in ("node", "edge"):
        for one in root.iterfind(f"g:graph/g:{kind}", SPACE):
            for each in one.iterfind("g:data", SPACE):
                assert keys[each.get("key")].get("for") == kind
    assert keys["edge.amount"].get("attr.type") == "long"
    vast = written_graph(context(tmp_path, decimals=18))
    assert {one.get("attr.type") for one in vast.iterfind("g:key[@id='edge.amount']", SPACE)} == {"double"}


def test_hostile_places_are_text(tmp_path: Path, made: None, monkeypatch: pytest.MonkeyPatch) -> None:
    run = context(tmp_path)
    usual = graph.places_of(run.population, run.size)
    hostile = ["</data><node id='x'/>&\x00"] * len(usual.names)
    monkeypatch.setattr(graph, "places_of", lambda *_: usual._replace(names=hostile))
    root = written_graph(run)
    assert len(root.findall("g:graph/g:node", SPACE)) == 5
    assert data(root.findall("g:graph/g:node", SPACE)[0])["place"] == "</data><node id='x'/>&\\x00"


def test_it_holds_no_payment(tmp_path: Path, made: None) -> None:
    """It is written line by line: the payments are read twice, and never as a list."""
    lines = graph._lines(context(tmp_path))
    assert next(lines).startswith("<?xml")
    assert isinstance(lines, Iterator)
