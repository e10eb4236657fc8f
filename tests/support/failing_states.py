"""Runs in which people failed in several ways, without any service: a scenario, its plan, and a state that says so."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cicscenario.plan.compile import Plan, compile_plan
from cicscenario.state.rows import CheckRow, Made, Outcome
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenario

_SCENARIO = """
version: 1
name: broken
population: {size: SIZE, seed: 11, locales: [sl, en_US], languages: {en: 1}}
backend: cic_ussd
metadata: [person, phone, preferences, custom]
pins: {scheme: bcrypt}
ussd_data: true
environment: sandbox
"""


@dataclass(frozen=True)
class FailingRun:
    """A scenario file, its run directory, its plan, and its open state."""

    path: Path
    directory: Path
    plan: Plan
    store: Store

    def address(self, person: int) -> bytes:
        return (0xB000 + person).to_bytes(20, "big")

    def make(self, *, without_account: Mapping[int, str]) -> None:
        """Makes everybody; all have an account and are done in every step, but those in ``without_account``."""
        size = self.plan.size
        people = [self.plan.population.person(number) for number in range(size)]
        self.store.commit("population", [Outcome(n, ok=True) for n in range(size)], people=people)
        done = [n for n in range(size) if n not in without_account]
        self.store.commit("accounts", [Outcome(n, ok=False, detail=why) for n, why in without_account.items()])
        for step in self.plan.steps[1:]:
            addresses = [(n, self.address(n)) for n in done] if step.name == "accounts" else []
            self.store.commit(step.name, [Outcome(n, ok=True) for n in done], addresses=addresses)

    def fail_step(self, step: str, reasons: Mapping[int, str]) -> None:
        self.store.commit(step, [Outcome(n, ok=False, detail=why) for n, why in reasons.items()])

    def fail_check(self, name: str, found: Mapping[int, str], made: Made = Made.YES) -> None:
        """The check, with these people, and with those who have no account."""
        lack = {p.id for p in self.store.all_people() if p.address is None}
        whole = {n: (why, made) for n, why in found.items()} | dict.fromkeys(
            lack, ("has no account yet", Made.NOT_MADE)
        )
        self.store.begin_findings(name)
        self.store.add_findings(name, 0, whole)
        first = [{"person": n, "problem": whole[n][0]} for n in sorted(whole)[:20]]
        self.store.record_checks([CheckRow(name, len(whole), self.plan.size, None, first)])


def failing_run(folder: Path, size: int = 30) -> FailingRun:
    """A run that has just begun; see ``FailingRun.make``."""
    path = folder / "broken.yaml"
    path.write_text(_SCENARIO.replace("SIZE", str(size)))
    directory = folder / "run"
    directory.mkdir()
    scenario = load_scenario(path)
    store = Store(directory / STATE)
    store.set_meta({"lineage": "a", "scenario": json.dumps(scenario.canonical())})
    return FailingRun(path, directory, compile_plan(scenario), store)
