"""``cicscenario state``: shows, verifies and repairs the state of a run, also one that is damaged."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

from cicscenario.api import workspace
from cicscenario.api.naming import about
from cicscenario.api.runplace import SandboxChoice
from cicscenario.chain.abi import to_hex
from cicscenario.cli.atwork import at_work
from cicscenario.cli.interrupts import stopped_by_signals
from cicscenario.engine.identity import recall_named
from cicscenario.engine.services import open_services
from cicscenario.engine.statecheck import contradictions, nonce_ranges, unlike_the_chain
from cicscenario.engine.staterepair import Repaired, StateRepairRequest
from cicscenario.engine.staterepair import repair as repair_state
from cicscenario.errors import ChecksFailedError, ExitCode, InvalidError, ReconcileError
from cicscenario.files import write_whole
from cicscenario.invocation import NamedRun, going_on
from cicscenario.plan.compile import compile_plan
from cicscenario.printable import json_text, say
from cicscenario.state.database import damaged
from cicscenario.state.directory import damaged_states, directory_lock
from cicscenario.state.migrations import SCHEMA_VERSION
from cicscenario.state.salvage import Salvage, salvaged
from cicscenario.state.store import STATE
from cicscenario.vocabulary import load_scenario
from cicscenario.wording import counted

_IDENTITY = ("lineage", "chain_id", "genesis", "registry", "token", "signer")
_LISTED = 20  # as many faults are listed


@dataclass(frozen=True)
class StatePlace:
    """What the command line names: a scenario or a run directory, and its options."""

    path: Path
    overrides: Sequence[str]
    env: str | None = None
    directory: Path | None = None


def named(path: Path, overrides: Sequence[str], env: str | None, directory: Path | None) -> StatePlace:
    """The place; every command that is shown from now on is about it. A run directory does not name its scenario's file."""
    if path.is_dir():
        about(Path("SCENARIO"), overrides, env=env, directory=path)
    else:
        about(path, overrides, env=env, directory=directory)
    return StatePlace(path, overrides, env, directory)


def show(place: StatePlace, fmt: str) -> ExitCode:
    """Prints what a state holds, and its damage. Changes nothing, and needs no service."""
    with _read(place) as (path, found):
        facts = _facts(path, found)
    if fmt == "json":
        say(json_text(facts, indent=2))
        return ExitCode.OK
    say(f"{path}: state format {facts['format']} (this cicscenario: {SCHEMA_VERSION})")
    for key, value in facts["identity"].items():
        say(f"  {key:<14}{value}")
    for table, number in facts["rows"].items():
        say(f"  {table:<14}{number:>9}")
    for step, (ok, failed) in facts["outcomes"].items():
        say(f"  step {step:<22}{ok:>9} ok {failed:>7} failed")
    for signer, (first, last, without) in facts["nonces"].items():
        say(f"  signer {signer}: nonces {first} to {last}" + (f", {without} of them of others" if without else ""))
    _list("damaged", facts["damage"])
    return ExitCode.OK


def _facts(path: Path, found: Salvage) -> dict[str, Any]:
    held = found.meta()
    return {
        "state": str(path),
        "format": found.version,
        "identity": {key: held[key] for key in _IDENTITY if key in held},
        "rows": found.counts(),
        "outcomes": found.outcomes(),
        "nonces": {to_hex(signer): numbers for signer, numbers in nonce_ranges(found).items()},
        "damage": [str(damage) for damage in found.damage],
    }


def verify(place: StatePlace, *, services: bool) -> ExitCode:
    """Reads every row and holds the rows against each other; with ``services`` also the transactions against the chain.

    Raises StateRefusedError for damage, and ChecksFailedError for what contradicts something else.
    """
    with _read(place) as (path, found):
        if found.damage:
            _list("damaged", [str(damage) for damage in found.damage])
            raise damaged(path, f"{counted(len(found.damage), 'fault')}; the first: {found.damage[0]}")
        with at_work("reading the state"):
            wrong = list(contradictions(found))
        if services:
            with at_work("asking the chain about every transaction"):
                wrong += _unlike_the_chain(place, path, found)
        rows = sum(found.counts().values())
    if wrong:
        _list("contradiction", wrong)
        hint = f"{going_on('run')} looks up every transaction; if that does not help: cicscenario explain guarantees"
        raise ChecksFailedError(f"{path}: {len(wrong)} contradictions; the first: {wrong[0]}", hint=hint)
    say(f"{path}: {rows} rows are sound" + (", and as the chain has them" if services else ""))
    return ExitCode.OK


def _unlike_the_chain(place: StatePlace, state: Path, found: Salvage) -> list[str]:
    with _scenario(place, state, found) as path, ExitStack() as opened:
        plan = compile_plan(load_scenario(path, place.overrides))
        stopping = Event()
        opened.enter_context(stopped_by_signals(stopping.set))
        services = opened.enter_context(
            open_services(plan, lambda one: workspace.environment(one, place.env, SandboxChoice()), stopping)
        )
        return list(unlike_the_chain(found, services.chain.rpc))


def repair(place: StatePlace) -> ExitCode:
    """Makes a new state from what can be proven. Raises ReconcileError when something cannot, after it is done."""
    with ExitStack() as opened:
        with _read(place) as (state, found):
            path = opened.enter_context(_scenario(place, state, found))
        request = StateRepairRequest(
            path=path,
            directory=lambda scenario: _directory(place) or workspace.run_directory(scenario, place.directory),
            environment=lambda plan: workspace.environment(plan, place.env, SandboxChoice()),
            stoppable=stopped_by_signals,
            overrides=tuple(place.overrides),
        )
        with at_work("making the state anew"):
            done = repair_state(request)
    state = done.directory / STATE
    if not done.damage:
        say(f"{state} is sound; nothing was changed")
        return ExitCode.OK
    _list("damaged", [str(damage) for damage in done.damage])
    _tell(done, state)
    if done.unproven:
        raise ReconcileError(
            f"{state}: not everything could be proven: " + "; ".join(done.unproven),
            hint="the state is repaired without it. When you have done what is told above: " + going_on("run"),
        )
    return ExitCode.OK


def _tell(done: Repaired, state: Path) -> None:
    kept = ", ".join(f"{number} {table}" for table, number in done.rows.items())
    say(f"{state} was made anew: {kept}")
    for line in done.again:
        say(f"  {line}")
    say(f"  the damaged file is kept as {done.kept}")


def _list(what: str, lines: Sequence[str]) -> None:
    for line in lines[:_LISTED]:
        say(f"  {what}: {line}")
    if len(lines) > _LISTED:
        say(f"  and {len(lines) - _LISTED} more")


def _directory(place: StatePlace) -> Path | None:
    """The run directory, if the command line names one in the place of a scenario."""
    return place.path.absolute() if place.path.is_dir() else None


@contextmanager
def _read(place: StatePlace) -> Iterator[tuple[Path, Salvage]]:
    """The path of the state, or of the last damaged one that was set aside, and what can be read of it."""
    directory = _directory(place)
    if directory is None:
        directory = workspace.run_directory(load_scenario(place.path, place.overrides), place.directory)
    with ExitStack() as opened:
        if directory.is_dir() and os.access(directory, os.W_OK):  # else nobody can run in it
            opened.enter_context(directory_lock(directory))
        path = directory / STATE
        if not path.exists():
            kept = damaged_states(directory)
            if not kept:
                raise InvalidError(f"there is no state in {directory}", hint="name a scenario that has been run")
            path = kept[-1]
        found = opened.enter_context(salvaged(path))
        recall_named(found.meta())
        yield path, found


@contextmanager
def _scenario(place: StatePlace, state: Path, found: Salvage) -> Iterator[Path]:
    """The scenario file. That of a run directory is written anew from its state.

    Raises InvalidError when the state does not tell it any more.
    """
    directory = _directory(place)
    text = found.meta().get("scenario")
    with ExitStack() as opened:
        if directory is None:
            yield place.path
        elif text is None:
            raise InvalidError(
                f"{state} does not tell its scenario any more",
                hint=f"name the scenario: {NamedRun('SCENARIO', dir=str(directory)).command('state repair')}",
            )
        else:
            folder = opened.enter_context(TemporaryDirectory(prefix="cicscenario-state-"))
            written = Path(folder) / "scenario.yaml"
            write_whole(written, text)  # JSON is YAML
            yield written
