"""``cicscenario watch`` and ``run --serve``: the page of a run, live, for browsers of this machine."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cicscenario.api import workspace
from cicscenario.errors import ExitCode
from cicscenario.printable import say
from cicscenario.serve.server import serving
from cicscenario.serve.view import EVERY, RunView
from cicscenario.vocabulary import load_scenario


def watch(path: Path, overrides: Sequence[str], directory: Path | None, port: int) -> ExitCode:
    """Serves the page until ^C. Asks no service, and changes nothing."""
    with _view(path, overrides, directory) as view, serving(view.page, port) as page:
        say(f"{page.address}  (^C ends it)", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    return ExitCode.OK


@contextmanager
def page_of(path: Path, overrides: Sequence[str], directory: Path | None, port: int) -> Iterator[str]:
    """Serves the page of the run that is in the block, and at its end shows how it ended; gives the address."""
    with _view(path, overrides, directory) as view, serving(view.page, port) as page:
        try:
            yield page.address
        finally:
            view.renew()
            page.say_goodbye(EVERY)


@contextmanager
def _view(path: Path, overrides: Sequence[str], directory: Path | None) -> Iterator[RunView]:
    scenario = load_scenario(path, overrides)
    view = RunView(scenario, workspace.run_directory(scenario, directory))
    try:
        yield view
    finally:
        view.close()
