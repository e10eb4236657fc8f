"""A scenario in Python: ``cicscenario.load`` gives it, and it is planned, run and verified any number of times.

Nothing is printed, and no process is ended: what goes wrong is raised as an exception of ``cicscenario.errors``, with what to do
about it in ``hint``. See docs/python.md.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cicscenario.api import workspace
from cicscenario.api.naming import about
from cicscenario.api.runplace import RunPlace, SandboxChoice
from cicscenario.engine.deadline import Deadline
from cicscenario.engine.events import Event, Listener
from cicscenario.errors import ExitCode, as_told
from cicscenario.language import Scenario
from cicscenario.vocabulary import load_scenario

if TYPE_CHECKING:  # each is loaded when it is first needed: who only reads the people of a run needs no engine
    from cicscenario.api.people import Participant
    from cicscenario.api.planning import RunPlan
    from cicscenario.api.result import RunResult
    from cicscenario.api.running import Running, Stop
    from cicscenario.engine.run import Stoppable
    from cicscenario.report.listeners import Listening
    from cicscenario.state.rows import CheckRow

#: Values by dotted key, such as ``{"population.size": 50}``; or texts as the command line has them: ``population.size=50``.
Overrides = Mapping[str, Any] | Sequence[str]
_Body = Callable[[Listener, "Stoppable"], tuple[ExitCode, list["CheckRow"]]]


def load(
    path: str | PathLike[str],
    set: Overrides = (),
    *,
    environment: str | PathLike[str] | None = None,
    directory: str | PathLike[str] | None = None,
    home: str | PathLike[str] | None = None,
    node: str | None = None,
    contracts: str | None = None,
    pace: str | None = None,
    keep: bool = False,
) -> "LoadedScenario":
    """The scenario in the file ``path``, with the values of ``set`` in the place of its own.

    ``environment`` is ``"sandbox"`` or an environment file, in the place of the scenario's own; ``directory`` the run directory;
    ``home`` the home folder, which has run directories and the sandbox (the usual one is that of the command line). ``node``,
    ``contracts`` and ``pace`` are those of a sandbox that is started, and ``keep`` does not stop it afterwards.

    Raises InvalidError with every error of the file, and when its matrix gives several scenarios.
    """
    place = RunPlace(
        Path(path),
        _overrides(set),
        None if directory is None else Path(directory),
        None if environment is None else str(environment),
        SandboxChoice(node, contracts, keep, pace),
        None if home is None else Path(home).absolute(),
    )
    with _told():
        return LoadedScenario(load_scenario(place.scenario, place.overrides), place)


class LoadedScenario:
    """A scenario without errors, and where it is run. ``load`` makes it."""

    def __init__(self, model: Scenario, place: RunPlace) -> None:
        self.model = model
        self._place = place

    def __repr__(self) -> str:
        return f"<scenario {self.name} of {self.path}>"

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def path(self) -> Path:
        """The scenario's file."""
        return self._place.scenario

    @property
    def document(self) -> dict[str, Any]:
        """The scenario with all defaults and overrides as plain data, without secrets. Written as YAML it is the same one."""
        return self.model.canonical()

    @property
    def directory(self) -> Path:
        """The run directory, whether it is there or not."""
        with self._named():
            return workspace.run_directory(self.model, self._place.directory, self._place.home)

    def plan(self) -> "RunPlan":
        """What a run would do and what it needs, as ``cicscenario plan``. Changes nothing, and starts no service.

        Raises StateRefusedError when the state in the run directory is of another scenario or chain.
        """
        from cicscenario.api.planning import plan_of

        with self._named():
            return plan_of(self.model, self._place, lambda event: None, lambda stop: nullcontext())

    def run(
        self,
        listener: Listener = lambda event: None,
        *,
        until: str | None = None,
        since: str | None = None,
        only: Sequence[str] = (),
        fresh: bool = False,
        reconcile: bool = False,
        save: str | PathLike[str] | None = None,
        deadline: float | None = None,
    ) -> "RunResult":
        """Starts or resumes the run, and verifies that all people arrived; ``listener`` is called with each event.

        ``until``, ``since`` and ``only`` are names of steps. ``fresh`` starts anew, ``reconcile`` sends transactions again
        whose nonce another program has used, ``save`` is a file for a snapshot of the sandbox when all went well, and
        ``deadline`` the seconds after which it stops in order with a DeadlineError: the options of ``cicscenario run``. After a
        KeyboardInterrupt, what was begun is finished and saved first.

        Raises UnavailableError, StepFailedError, StateRefusedError, ReconcileError or InvalidError when it is stopped; the next
        call resumes it. Checks that find errors are no exception here, see ``RunResult.require``.
        """
        running = self.start(
            until=until, since=since, only=only, fresh=fresh, reconcile=reconcile, save=save, deadline=deadline
        )
        return _listened(running, listener)

    def start(
        self,
        *,
        until: str | None = None,
        since: str | None = None,
        only: Sequence[str] = (),
        fresh: bool = False,
        reconcile: bool = False,
        save: str | PathLike[str] | None = None,
        deadline: float | None = None,
    ) -> "Running":
        """As ``run``; the run goes on in a thread, and what is returned gives its events one after the other."""
        from cicscenario.api import actions
        from cicscenario.engine.select import Selection

        options = actions.RunOptions(
            Selection(until, since, tuple(only)), fresh, reconcile, None if save is None else Path(save).absolute()
        )
        return self._begun(
            lambda listener, stoppable: actions.run(
                self._absolute, replace(options, deadline=_begins(deadline)), listener, stoppable
            )
        )

    def verify(
        self,
        listener: Listener = lambda event: None,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        thorough: bool = False,
        deadline: float | None = None,
    ) -> "RunResult":
        """Asks the services again whether all people arrived; ``listener`` is called with each event.

        ``include`` and ``exclude`` are names of checks. Possible at any time, also during a run. Raises InvalidError when nothing
        has been run, and UnavailableError when a service could not be asked about everybody.
        """
        running = self.start_verification(include=include, exclude=exclude, thorough=thorough, deadline=deadline)
        return _listened(running, listener)

    def start_verification(
        self,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        thorough: bool = False,
        deadline: float | None = None,
    ) -> "Running":
        """As ``verify``; it goes on in a thread, and what is returned gives its events one after the other."""
        from cicscenario.api import actions

        options = actions.VerifyOptions(tuple(include), tuple(exclude), thorough)
        return self._begun(
            lambda listener, stoppable: actions.verify(
                self._absolute, replace(options, deadline=_begins(deadline)), listener, stoppable
            )
        )

    def people(self) -> Iterator["Participant"]:
        """The people of the run so far, in order, with PINs and keys. Holds a page of them in memory at a time.

        Raises InvalidError when nothing has been run, and StateRefusedError when the state is that of another scenario.
        """
        from cicscenario.api.people import people_of

        with self._named():
            yield from people_of(self.model, self.directory)

    @property
    def _absolute(self) -> RunPlace:
        """The place, whatever the current folder becomes while the run goes on in a thread."""
        place = self._place
        directory = None if place.directory is None else place.directory.absolute()
        return replace(place, scenario=place.scenario.absolute(), directory=directory)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Commands that errors and reports show are about this scenario."""
        place = self._place
        about(
            place.scenario,
            place.overrides,
            env=place.env,
            directory=place.directory,
            node=place.sandbox.node,
            contracts=place.sandbox.contracts,
            pace=place.sandbox.pace,
        )
        with _told():
            yield

    def _begun(self, body: _Body) -> "Running":
        from cicscenario.api.running import Running
        from cicscenario.report.listeners import telling

        def carried_out(listener: Listener, stop: "Stop") -> "RunResult":
            with self._named(), telling(listener) as heard:
                return _ended(lambda: body(heard, stop.stoppable), heard)

        return Running(carried_out)


def _begins(seconds: float | None) -> Deadline | None:
    """A deadline whose time begins now."""
    return None if seconds is None else Deadline(seconds)


def _ended(body: Callable[[], tuple[ExitCode, list["CheckRow"]]], heard: "Listening") -> "RunResult":
    """Calls ``body`` and tells the verdict, also when it raises."""
    from cicscenario.api.result import result_of

    try:
        result = result_of(*body(), heard)
    except BaseException as error:
        heard.end(heard.failed(error))
        raise
    return replace(result, verdict=heard.end(result.code).verdict, unwritten=heard.unwritten)


def _listened(running: "Running", listener: Callable[[Event], None]) -> "RunResult":
    with running:
        for event in running:
            listener(event)
        return running.result


@contextmanager
def _told() -> Iterator[None]:
    """Raises what the operating system refuses as an exception of this package."""
    try:
        yield
    except OSError as error:
        told = as_told(error)
        if told is None:
            raise
        raise told from error


def _overrides(given: Overrides) -> tuple[str, ...]:
    if isinstance(given, str):
        raise TypeError("set is a mapping or a list of texts, not one text")
    if isinstance(given, Mapping):
        return tuple(f"{key}={_text(value)}" for key, value in given.items())
    return tuple(given)


def _text(value: Any) -> str:
    """A value as YAML. JSON is YAML."""
    return json.dumps(value, ensure_ascii=False, default=str)
