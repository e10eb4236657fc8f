"""``cicscenario report``: writes the reports of a run again, from its directory only."""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from cicscenario.api import workspace
from cicscenario.boundaries import Boundary
from cicscenario.engine.identity import recall_named
from cicscenario.errors import CicScenarioError, ExitCode, InvalidError
from cicscenario.files import write_whole
from cicscenario.printable import one_line, say
from cicscenario.report import all_forms
from cicscenario.report.rendered import recorded, write_reports
from cicscenario.report.summary import REPORT
from cicscenario.state.directory import existing_store
from cicscenario.vocabulary import load_scenario

_OUTPUT = Boundary("report.output")


def _place(path: Path, overrides: Sequence[str], directory: Path | None) -> Path:
    """The run directory. One with a report needs no scenario, nor does one without a scenario file."""
    if directory and ((directory / REPORT).exists() or not path.exists()):
        return directory.absolute()
    return workspace.run_directory(load_scenario(path, overrides), directory)


def report(
    path: Path, overrides: Sequence[str], directory: Path | None, fmt: str | None, output: Path | None
) -> ExitCode:
    """Prints one form of the report, or writes it to ``output``. Without ``fmt``, writes every form to the run directory.

    The scenario is read only to find its run directory, so not when ``directory`` has a report.

    Raises InvalidError when the run directory has no report.
    """
    forms = {form.name: form for form in all_forms()}
    if fmt is not None and fmt not in forms:
        raise InvalidError(f"there is no report form `{fmt}`", hint=f"choose one of {', '.join(forms)}")
    if output and fmt is None:
        fmt = next((name for name, form in forms.items() if Path(form.file).suffix == output.suffix), None)
        if fmt is None:
            raise InvalidError(
                f"the name {output} does not tell the report form", hint=f"give --format: {', '.join(forms)}"
            )
    place = _place(path, overrides, directory)
    _recall(place)
    if fmt is None:
        say("\n".join(one_line(str(written)) for written in write_reports(place)))
        return ExitCode.OK
    text = forms[fmt].render(recorded(place))
    if output is None:
        say(text, end="")
        return ExitCode.OK
    with _OUTPUT:
        write_whole(output, text, mode=forms[fmt].mode)
    say(one_line(str(output)))
    return ExitCode.OK


def _recall(place: Path) -> None:
    """Completes the commands that the report shows; a report is written without the state, too."""
    with suppress(CicScenarioError, OSError), ExitStack() as opened:
        if store := existing_store(place, rows=False):
            opened.callback(store.close)
            recall_named(store.meta())
