"""Whatever goes wrong in a simulated world, the same command brings everybody to their place exactly once."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from cicscenario.backends import all_backends
from cicscenario.capabilities.descriptor import descriptor
from cicscenario.checks import all_checks
from cicscenario.steps import all_steps
from tests.soak.faults import Fault, Kind
from tests.soak.known_cases import KNOWN
from tests.soak.scenes import SCENES, scene
from tests.soak.seeds import Case, case_of, case_with
from tests.soak.simulation import KILLED, simulated


def slow(value: object) -> object:
    """A parameter of a slow test."""
    return pytest.param(value, marks=pytest.mark.slow)


@pytest.fixture(scope="module", autouse=True)
def _simulated() -> Iterator[None]:
    with simulated():
        yield


@pytest.mark.parametrize("where", SCENES)
def test_without_faults_one_run_is_enough(where: str) -> None:
    ended = Case(1, where, 20, ()).run()
    assert (ended.codes, ended.problems) == ([0], [])


@pytest.mark.parametrize(
    ("where", "number"),
    [
        ("eth", 6),
        ("cic_eth", 4),
        ("cic_ussd", 2),
        ("cic_ussd_pins", 2),
        ("existing", 4),
        ("cic_eth_traffic", 3),
        ("cic_ussd_traffic", 2),
    ],
)
def test_whatever_goes_wrong_everybody_arrives_exactly_once(where: str, number: int) -> None:
    for seed in range(number):
        case = case_of(seed, [where])
        assert case.run().problems == [], case


@pytest.mark.slow
@pytest.mark.parametrize("where", SCENES)
def test_many_more_seeds(where: str) -> None:
    for seed in range(1000, 1036):
        case = case_of(seed, [where])
        assert case.run().problems == [], case


def boundaries(where: str, size: int = 20) -> dict[str, int]:
    """The number of the first boundary of each name in a run without faults."""
    found: dict[str, int] = {}
    for line in Case(1, where, size, ()).run().history:
        _, number, name = [*line.split(" ", 2), "", ""][:3]
        if number.isdigit():
            found.setdefault(name, int(number))
    return found


@pytest.mark.parametrize(
    "where",
    [
        "eth",
        "eth_traffic",
        "existing",
        *map(slow, ("cic_eth", "cic_eth_traffic", "cic_ussd", "cic_ussd_pins", "cic_ussd_traffic")),
    ],
)
def test_after_a_kill_at_any_named_boundary_one_more_run_is_enough(where: str) -> None:
    named = {name: at for name, at in boundaries(where).items() if name.startswith(("before ", "after "))}
    assert len(named) > 15
    for name, at in named.items():
        ended = Case(1, where, 20, (Fault(at, Kind.KILL),)).run()
        assert (ended.codes, ended.problems) == ([KILLED, 0], []), name


@pytest.mark.slow
def test_after_a_kill_at_any_moment_one_more_run_is_enough() -> None:
    for at in range(1, max(boundaries("eth", 8).values()) + 1):
        case = Case(1, "eth", 8, (Fault(at, Kind.KILL),))
        ended = case.run()
        assert (ended.codes, ended.problems) == ([KILLED, 0], []), case


@pytest.mark.parametrize("after", [3, *map(slow, (1, 2, 4, 5))])
def test_a_choice_by_phone_that_may_have_been_taken_is_not_made_again(after: int) -> None:
    """The run is killed while it makes a choice, and the tasker stands still, so that the next run sees no account yet."""
    asked = boundaries("cic_ussd")["after state.requested"]
    faults = (Fault(asked, Kind.TASKER_PAUSED, 150), Fault(asked + after, Kind.KILL))
    ended = Case(1, "cic_ussd", 20, faults).run()
    assert ended.problems == []
    assert ended.accounts == 20


def test_a_payment_by_phone_whose_answer_is_lost_is_waited_for() -> None:
    """The engine stands still, so that nothing shows of it for a while."""
    asked = boundaries("cic_ussd_traffic")["after state.payments_asked"]
    for after in (50, 59, 71, 86):
        ended = Case(1, "cic_ussd_traffic", 20, (Fault(asked, Kind.PAUSED, 30), Fault(asked + after, Kind.LOST))).run()
        assert (ended.codes, ended.problems) == ([0], []), after


@pytest.mark.parametrize(
    "kind", [Kind.DROP, Kind.LOST, *map(slow, (Kind.UNSENT, Kind.DOUBLED, Kind.SLOW, Kind.LAG))], ids=str
)
def test_what_passes_is_borne_in_the_same_run(kind: Kind) -> None:
    """But for an answer that is waited for in vain when the chain is opened: then a node is given up after its time-out."""
    named = boundaries("eth")
    for name, at in named.items():
        if name.startswith(("request ", "after chain.send")):
            ended = Case(1, "eth", 20, (Fault(at, kind, 3),)).run()
            may_be_given_up = kind is Kind.LOST and at < named["before state.make"]
            assert ended.problems == [], name
            assert ended.codes == [0] or (may_be_given_up and ended.codes == [3, 0]), name


@pytest.mark.slow
@pytest.mark.parametrize("kind", Kind, ids=str)
def test_each_kind_of_fault_alone(kind: Kind) -> None:
    """What ``tests/mutations`` breaks the defence against one kind with."""
    for seed in range(6):
        case = case_with(seed, kind)
        assert case.run().problems == [], case


@pytest.mark.slow
def test_a_restart_of_postgresql_while_a_change_is_made_loses_nothing() -> None:
    named = boundaries("existing")
    for at in range(named["before accounts.change"], named["after accounts.change"]):
        assert Case(1, "existing", 20, (Fault(at, Kind.RESTARTED),)).run().problems == [], at


@pytest.mark.slow
@pytest.mark.parametrize("case", KNOWN, ids=repr)
def test_what_once_failed(case: Case) -> None:
    assert case.run().problems == []


@pytest.mark.parametrize("where", ["eth", "eth_traffic", *map(slow, ("cic_eth", "cic_eth_traffic"))])
def test_a_chain_that_goes_back_after_the_last_look_is_seen_by_the_next_run(where: str) -> None:
    last = max(boundaries(where).values())
    case = Case(1, where, 20, (Fault(last, Kind.SET_BACK, 40),))
    assert case.run().problems == []


def test_the_same_seed_has_the_same_history() -> None:
    cases = [case_of(seed, [name]) for name in ("eth", "cic_eth") for seed in (3,)]
    first, second = ([case.run().digest for case in cases] for _ in range(2))
    assert first == second
    assert len(set(first)) == len(cases)


@pytest.mark.slow
def test_another_process_has_the_same_history() -> None:
    """Also with other hashes of texts, by which the order of sets differs."""
    program = (
        "from tests.soak.scenes import SCENES\nfrom tests.soak.seeds import case_of\n"
        "from tests.soak.simulation import simulated\n"
        "with simulated():\n    print([case_of(seed, [name]).run().digest for name in SCENES for seed in range(8)])\n"
        "    print(case_of(18).run().digest)"  # the order of a set of steps that wait once made two worlds of it
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hashes in ("1", "2")
    ]
    assert said[0] == said[1]


@pytest.mark.parametrize("where", ["eth", slow("cic_eth"), slow("cic_ussd")])
def test_after_a_power_cut_nobody_is_lost_or_paid_twice(where: str) -> None:
    for name, at in boundaries(where).items():
        if name.startswith(("after state.", "carried out redis LPUSH", "after chain.send")):
            ended = Case(1, where, 20, (Fault(at, Kind.POWER),)).run()
            assert (ended.codes, ended.problems) == ([KILLED, 0], []), name


@pytest.mark.parametrize("kind", [Kind.FULL, slow(Kind.BROKEN)], ids=str)
def test_after_a_write_that_failed_one_more_run_is_enough(kind: Kind) -> None:
    codes = set()
    for at in range(1, 240, 24):
        ended = Case(at, "eth", 20, (Fault(at, kind, 1),)).run()
        assert ended.problems == [], at
        assert ended.codes in ([0], [3, 0]), at
        codes.add(tuple(ended.codes))
    assert len(codes) == 2


@pytest.mark.parametrize("where", ["eth", slow("cic_eth")])
def test_an_older_state_pays_nobody_again(where: str) -> None:
    """From before the first payment on. What the state does not know is found on the chain, or a person is asked."""
    codes = Counter[tuple[int, ...]]()
    named = boundaries(where)
    for at in range(named["after state.identity"] + 1, max(named.values()), 37):
        ended = Case(1, where, 20, (Fault(at, Kind.OLDER, 1),)).run()
        assert ended.problems == [], at
        codes[tuple(ended.codes)] += 1
    assert codes[0, 0] > 1
    assert set(codes) <= {(0, 0), (0, 5)}


@pytest.mark.parametrize("where", ["eth", slow("cic_eth")])
def test_another_scenario_with_the_same_signer_runs_between_two_runs(where: str) -> None:
    codes = Counter[tuple[int, ...]]()
    for name, at in boundaries(where).items():
        if name.startswith(("before chain.", "after state.signed", "after state.broadcast", "after state.settled")):
            ended = Case(1, where, 20, (Fault(at, Kind.OTHER), Fault(at, Kind.KILL))).run()
            assert ended.problems == [], name
            codes[tuple(ended.codes)] += 1
    assert set(codes) <= {(KILLED, 0), (KILLED, 5)}
    assert codes[KILLED, 0] > codes[KILLED, 5]


def test_every_kind_of_fault_is_drawn() -> None:
    drawn = {fault.kind for seed in range(300) for fault in case_of(seed).faults}
    assert drawn == set(Kind)


def test_every_step_check_and_backend_is_in_a_scene() -> None:
    """A new one needs a scene, and the models that it asks."""
    plans = [scene(name, 20).plan for name in SCENES]
    assert {step.name for step in all_steps()} == {step.name for plan in plans for step in plan.steps}
    assert {check.name for check in all_checks()} == {check.name for plan in plans for check in plan.checks}
    assert {backend.kind for backend in all_backends()} == {descriptor(plan.scenario).kind for plan in plans}


@pytest.mark.parametrize("after", [4, *map(slow, (3, 5, 6))])
def test_a_request_that_was_sent_is_on_the_disk(after: int) -> None:
    """Else accounts are made after a power cut of which the run does not know."""
    asked = boundaries("cic_eth")["after state.requested"]
    ended = Case(1, "cic_eth", 20, (Fault(asked + after, Kind.POWER),)).run()
    assert (ended.codes, ended.problems) == ([KILLED, 0], [])


@pytest.mark.parametrize("kind", [Kind.LOST, slow(Kind.LATE)], ids=str)
def test_a_request_that_may_have_been_taken_is_not_made_again(kind: Kind) -> None:
    asked = boundaries("cic_eth")["before engine.create"]
    ended = Case(1, "cic_eth", 20, (Fault(asked, kind, 3),)).run()
    assert ended.problems == []
    assert ended.accounts == 20


def test_what_redis_is_asked_is_asked_again_when_the_answer_is_too_late() -> None:
    for name in ("request redis MGET", "request redis INFO"):
        ended = Case(1, "cic_eth", 20, (Fault(boundaries("cic_eth")[name], Kind.SLOW, 20),)).run()
        assert (ended.codes, ended.problems) == ([0], []), name


def test_what_is_lost_with_a_worker_is_asked_for_again() -> None:
    asked = boundaries("cic_eth")["before engine.create"]
    ended = Case(1, "cic_eth", 20, (Fault(asked + 6, Kind.WORKERS),)).run()
    assert any(line.endswith("lost cic_eth.eth.account.create") for line in ended.history)
    assert ended.problems == []
    assert ended.accounts == 20
