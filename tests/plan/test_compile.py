"""A scenario becomes an ordered plan; steps that cannot be put in order are refused by name."""

import re

import pytest

from cicscenario.capabilities.step import Lane, Part, Step
from cicscenario.errors import InvalidError
from cicscenario.plan.compile import compile_plan, ordered
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written

PART = Part("does something", Lane.CPU, lambda context, step: None)  # type: ignore[arg-type, return-value]


def step(name: str, *after: str) -> Step:
    return Step(name, lambda scenario: PART, after=after)


def names(steps: tuple[Step, ...]) -> list[str]:
    return [one.name for one in steps]


def test_steps_stay_in_their_order_where_nothing_else_is_asked_for() -> None:
    assert names(ordered([step("c"), step("a"), step("b")])) == ["c", "a", "b"]


def test_a_step_comes_behind_those_it_is_after_and_no_further_than_that() -> None:
    steps = [step("late", "second"), step("first"), step("second", "first"), step("other")]
    assert names(ordered(steps)) == ["first", "second", "late", "other"]


def test_two_steps_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidError, match="two steps have the name `a`"):
        ordered([step("a"), step("b"), step("a")])


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InvalidError, match="the step `b` must come after `moon`, but there is no such step") as caught:
        ordered([step("a"), step("b", "moon")])
    assert caught.value.hint == "the steps are: a, b"


@pytest.mark.parametrize("steps", [[step("a", "a")], [step("x"), step("a", "c"), step("b", "a"), step("c", "b", "x")]])
def test_a_circle_is_refused(steps: list[Step]) -> None:
    with pytest.raises(InvalidError, match="the order of the steps has a cycle: ") as caught:
        ordered(steps)
    circle = re.split(": | -> ", caught.value.message)[1:]
    assert circle[0] == circle[-1]
    assert "x" not in circle


@pytest.mark.parametrize(
    ("backend", "steps"),
    [
        ("eth", ["population", "accounts", "registration", "gift", "faucet", "gas", "keystore"]),
        ("{kind: eth, keystore: {kdf: none}}", ["population", "accounts", "registration", "gift", "faucet", "gas"]),
        ("cic_eth", ["population", "accounts", "registration", "gift", "faucet", "gas"]),
        ("cic_ussd", ["population", "accounts", "registration", "gift", "faucet", "gas"]),
    ],
)
def test_each_backend_has_its_steps(tmp_path_factory: pytest.TempPathFactory, backend: str, steps: list[str]) -> None:
    path = written(tmp_path_factory.mktemp("scenario"), backend=backend, gift="{threshold: 5}")
    plan = compile_plan(load_scenario(path))
    assert [one.name for one in plan.steps] == steps
    assert plan.on_chain
    assert plan.sends


def test_a_step_is_carried_out_in_the_way_of_the_backend(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("scenario")
    lanes = {}
    for backend in ("eth", "cic_eth"):
        plan = compile_plan(load_scenario(written(folder, backend=backend)))
        lanes[backend] = {one.name: (one.lane, one.cost is not None) for one in plan.steps}
    assert lanes["eth"]["registration"] == (Lane.CHAIN, True)
    assert lanes["cic_eth"]["registration"] == (Lane.SERVICE, False)
