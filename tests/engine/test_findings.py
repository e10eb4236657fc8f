"""What a repair would do: what is known to be safe, and nothing else."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.capabilities.check import Check, NotKnown
from cicscenario.capabilities.remedy import LeftAlone, MadeAgain, MendedWith, Remedy, always
from cicscenario.engine.events import RepairLooked
from cicscenario.engine.findings import RepairPlan, Scope, find
from cicscenario.invocation import going_on
from cicscenario.report.words import item_line, looked_line
from cicscenario.state.store import Store
from tests.support.states import filled


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Four people, the last of whom has no account."""
    opened = Store(filled(tmp_path / "state.sqlite"))
    yield opened
    opened.close()


def check(name: str, problems: dict[int, str], remedy: Remedy | None = None, **more: Any) -> Check:
    return Check(name, name, (), lambda context: lambda people: dict(problems), remedy=remedy, **more)


def repeated(step: str, how: str) -> Remedy:
    """The remedy of a check for which a step may always be executed again."""
    return Remedy(always(MadeAgain(step, how)), (step,))


def found(
    store: Store,
    *checks: Check,
    scope: Scope = Scope(),  # noqa: B008
    heard: list[Any] | None = None,
) -> RepairPlan:
    steps = (SimpleNamespace(name="pins"), SimpleNamespace(name="custom"))
    plan: Any = SimpleNamespace(checks=checks, steps=steps, size=4)
    context: Any = SimpleNamespace(state=store, stopping=threading.Event())
    return find(plan, context, scope, lambda *asked: heard.append(asked) if heard is not None else None)


def said(plan: RepairPlan) -> dict[str, list[str]]:
    planned = plan.event()
    return {"again": list(map(item_line, planned.again)), "left": list(map(item_line, planned.left))}


def test_what_can_be_repeated_is_and_the_rest_is_told_with_its_reason(store: Store) -> None:
    asked = check("pins", {0: "none", 1: NotKnown("not asked")}, repeated("pins", "is written"))
    unknown = check("moon", {2: "is new"})
    plan = found(store, asked, unknown)
    assert list(plan.redo.of("pins")) == [0]
    assert plan.redo.steps == {"pins"}
    told = said(plan)
    assert told["again"] == ["pins: 1 person (0): is written; first: none"]
    goes_on = f"{going_on('run')} goes on with what has not been done"
    no_account = f"pins: 1 person (3): they have no account yet: {goes_on}; first: has no account yet"
    assert no_account in told["left"]
    assert any(line.startswith("pins: 1 person (1): the service could not be asked") for line in told["left"])
    assert "moon: 1 person (2): nothing is known that makes it again; first: is new" in told["left"]


def test_each_check_is_named_before_it_is_asked(store: Store) -> None:
    told: list[str] = []

    def slow(name: str) -> Check:
        return Check(name, name, (), lambda context: lambda people: told.append(f"asks {name}") or {})

    plan: Any = SimpleNamespace(checks=(slow("gas"), slow("pins")), steps=(), size=4)
    context: Any = SimpleNamespace(state=store, stopping=threading.Event())
    find(plan, context, Scope(), lambda name, *_: told.append(f"{name} is asked"), told.append)
    assert list(dict.fromkeys(told)) == ["gas", "asks gas", "gas is asked", "pins", "asks pins", "pins is asked"]


def test_what_follows_is_mended_with_its_cause_and_left_alone_without(store: Store) -> None:
    follows = Remedy(always(MendedWith(("pins",), "look at it")))
    plan = found(
        store, check("ussd", {0: "a", 2: "b"}, follows), check("pins", {2: "none"}, repeated("pins", "is written"))
    )
    told = said(plan)
    assert any(line.startswith("ussd: 1 person (2): should be right again with pins") for line in told["again"])
    assert any(line.startswith("ussd: 1 person (0): look at it") for line in told["left"])


def test_what_follows_from_what_is_left_alone_says_so(store: Store) -> None:
    """The account table's row is gone: the interface's screen is no riddle of its own."""
    follows = Remedy(always(MendedWith(("pins",), "what the account table has is right")))
    alone = Remedy(always(LeftAlone("the row is gone")), ("pins",))
    told = said(found(store, check("ussd", {0: "a", 1: "b"}, follows), check("pins", {0: "none"}, alone)))
    assert "ussd: 1 person (0): it may follow from what pins found, which is left alone; first: a" in told["left"]
    assert any(line.startswith("ussd: 1 person (1): what the account table has is right") for line in told["left"])


def test_a_step_that_the_scenario_does_not_have_makes_nothing(store: Store) -> None:
    plan = found(store, check("gas", {0: "none"}, repeated("gas", "is sent")))
    assert not plan.redo
    assert any("the scenario has no step that makes it" in line for line in said(plan)["left"])


def test_one_step_and_some_people_are_looked_at_where_they_are_named(store: Store) -> None:
    pins, custom = repeated("pins", "is written"), repeated("custom", "is written")
    checks = check("pins", {0: "none", 1: "none"}, pins), check("custom", {0: "none", 1: "none"}, custom)
    plan = found(store, *checks, scope=Scope("custom", frozenset({1})))
    assert (plan.redo.steps, list(plan.redo.of("custom")), plan.asked) == ({"custom"}, [1], 1)


def test_everybody_is_looked_at_closely_when_a_quick_look_finds_anything(store: Store) -> None:
    thorough = {"thorough": lambda context: lambda people: {0: "wrong", 1: "wrong", 2: "wrong"}}
    heard: list[Any] = []
    seen = found(store, check("pins", {0: "wrong"}, repeated("pins", "is written"), **thorough), heard=heard)
    assert list(seen.redo.of("pins")) == [0, 1, 2]
    ((name, problems, people, closely),) = heard
    assert looked_line(RepairLooked(name, problems, people, closely)) == (
        f"looked at pins: 4 problems of 4, all of them looked at closely (as with {going_on('verify', '--thorough')})"
    )


def test_a_look_that_was_not_closer_than_that_of_a_verification_says_nothing_of_it(store: Store) -> None:
    heard: list[Any] = []
    found(store, check("gas", {0: "none"}, repeated("gas", "is sent")), heard=heard)
    assert looked_line(RepairLooked(*heard[0])) == "looked at gas: 2 problems of 4"


def test_decisions_of_one_person_do_not_touch_another(store: Store) -> None:
    decided = {0: MadeAgain("pins", "is written"), 1: LeftAlone("it is theirs")}
    plan = found(
        store, check("pins", {0: "a", 1: "b"}, Remedy(lambda context, people, problems: dict(decided), ("pins",)))
    )
    assert list(plan.redo.of("pins")) == [0]
    assert any("pins: 1 person (1): it is theirs" in line for line in said(plan)["left"])
