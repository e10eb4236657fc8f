"""Finds run directories and environments."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cicscenario.api.home import home, made_home
from cicscenario.api.runplace import SandboxChoice
from cicscenario.connections import Service
from cicscenario.engine.events import Listener, ServiceStarting
from cicscenario.errors import InvalidError
from cicscenario.files import own_folder
from cicscenario.language import Environment, Scenario, load_environment
from cicscenario.sandbox.pacing import refused, require_pace
from cicscenario.sandbox.seen import faults_of, pace_of
from cicscenario.sandbox.stack import finish_restore, sandbox, used

if TYPE_CHECKING:
    from cicscenario.plan.compile import Plan


def run_directory(scenario: Scenario, directory: Path | None, where: Path | None = None, *, make: bool = False) -> Path:
    """``directory``, or the one of this scenario in the home folder. ``where`` is the home folder if it is not the usual one.

    With ``make``, the home folder is made if the run directory is in it.

    Each combination of a matrix has a folder of its own in it; ``directory`` may name that, too.
    """
    if directory is not None:
        place = directory.absolute()
        if make and place.is_relative_to(where or home()):
            made_home(where)  # before there is another folder in it: then nobody could say that the home folder is ours
    else:
        home_folder = made_home(where) if make else where or home()
        finish_restore(home_folder)
        place = (home_folder / "runs" / scenario.name).absolute()
    one = scenario.combination
    return place if one is None or (directory and place.name == one.folder) else place / one.folder


def make_folder_of_all(directory: Path) -> None:
    """Makes the folder that ``--dir`` names for all runs of a matrix, and keeps it out of repositories."""
    place = directory.absolute()
    if place.is_relative_to(home()):
        made_home()
    own_folder(place)


def named_environment(scenario: Scenario, override: str | None) -> str | None:
    """What the command line or the scenario names: ``sandbox`` or a file; None for nothing.

    Raises InvalidError when the matrix varies it, and the command line names another one: the run would have a wrong name.
    """
    varied = scenario.combination and any(key == "environment" for key, _ in scenario.combination.values)
    if override and varied:
        raise InvalidError(
            f"{scenario.path} varies `environment` in its matrix, and --env names one",
            hint="choose one of the matrix with --set environment=…, without --env",
        )
    return override or scenario.environment


@contextmanager
def environment(
    plan: "Plan",
    override: str | None,
    choice: SandboxChoice,
    listener: Listener = lambda event: None,
    where: Path | None = None,
) -> Iterator[Environment]:
    """Opens the environment that ``override`` or the scenario names. A sandbox is started, and stopped at the end.

    ``where`` is the home folder if it is not the usual one.
    """
    scenario = plan.scenario
    named = named_environment(scenario, override)
    if named is None:
        raise InvalidError(
            f"{scenario.path} names no environment", hint="add `environment: sandbox` to it, or give --env"
        )
    user = f"the scenario {scenario.title} ({scenario.path})"
    if named == "sandbox":
        dialect = "2021" if scenario.backend.option("dialect") == "2021" else None
        with sandbox(
            made_home(where),
            services=sandbox_services(plan),
            node=choice.node,
            contracts=choice.contracts,
            dialect=dialect,
            pace=choice.pace,
            keep=choice.keep,
            progress=lambda *what: listener(ServiceStarting(*what)),
            user=user,
        ) as info:
            yield _as_seen(load_environment(info.environment))
    else:
        path = Path(named)
        found = load_environment(path)  # first: what is wrong with the file is told before a lock is waited for
        with used(path, user):
            found = _as_seen(found)
            _require_pace(found, choice.pace)
            yield found


def _as_seen(found: Environment) -> Environment:
    """An environment; if it is that of a sandbox, with its pace and the faults that are on in it."""
    return replace(found, faults=faults_of(found.path), pace=pace_of(found.path))


def _require_pace(found: Environment, asked: str | None) -> None:
    """Raises an error unless the services of an environment that a file names have the pace that is asked for."""
    require_pace(asked)
    if asked is None or found.pace == asked:
        return
    if found.pace is None:
        raise InvalidError(
            f"--pace {asked}: {found.path} is not of a sandbox that has services with a pace",
            hint="leave --pace out, or name the sandbox: --env sandbox",
        )
    raise refused(found.path.resolve().parent, found.pace, asked)


def sandbox_services(plan: "Plan") -> list[str]:
    """The sandbox daemons that a plan needs. Always includes the node, because a sandbox environment has a chain."""
    daemons = {Service.CHAIN: "node", Service.ACCOUNTS: "ussd"}
    return ["node", *(daemons.get(service, service.value) for service in plan.services)]
