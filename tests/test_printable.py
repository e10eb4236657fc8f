"""Nothing that services, files or people's names say is obeyed by a terminal, or looks like a line of the program's own."""

import ast
import io
import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicscenario import printable as module
from cicscenario.chain.rpc import Rpc
from cicscenario.engine.events import (
    CheckFinished,
    CheckProgressed,
    CommandFailed,
    DirectoryTaken,
    Event,
    Noted,
    ReportWritten,
    RequestRepeated,
    RunStarted,
    ServiceStarting,
    StageStarted,
    StepProgressed,
    Waiting,
)
from cicscenario.errors import CicScenarioError, InvalidError
from cicscenario.language.diagnostic import Code, Diagnostic
from cicscenario.printable import cell, foreign, json_text, one_line, printable, say
from cicscenario.report import all_forms
from cicscenario.report.console import PlainConsole
from cicscenario.report.jsonl import JsonLines
from cicscenario.report.live import LiveConsole
from cicscenario.report.recorded import Recorded
from cicscenario.report.runlog import RunLog
from cicscenario.services.accounts import AccountsDatabase
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.custodial.meaning import explain
from cicscenario.services.meta import MetaClient
from cicscenario.services.ussd import UssdClient
from tests.support.recordings import bad
from tests.support.saying_server import SayingServer, http_reply, postgres_error, redis_error, rpc_error

#: Clears the screen, sets the window's title, in C1 too; turns text around; hides; makes lines of its own.
NASTY = "a\x1b[2J\x1b]0;owned\x07\x9b2J\x90q\u202egnp\u2066\u200b\u2028b\rc\x08\x7f"
FAKED = "bad\nerror: all people are paid twice\n  next: rm -rf /"


#: Marks before numbers in Arabic, Syriac and Kaithi, which Unicode counts among the format characters; they are seen.
SEEN = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"


def unsafe(text: str) -> list[str]:
    """The characters of a text that are obeyed or not seen, by their categories in Unicode."""
    kept = f"\n\t\u200c\u200d{SEEN}"
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") and c not in kept]


def test_every_character_that_is_obeyed_or_not_seen_is_escaped() -> None:
    found = unsafe("".join(map(chr, range(0x110000))))
    assert len(found) > 2_000
    assert [c for c in found if printable(c) == c] == []


@given(st.text())
def test_whatever_the_text_is_nothing_unsafe_is_left(text: str) -> None:
    assert not unsafe(printable(text))
    assert "\n" not in one_line(text)
    assert printable(printable(text)) == printable(text)
    assert json.loads(json_text(text)) == text
    assert not unsafe(json_text(text))


@given(st.text(), st.integers(1, 50))
def test_what_others_say_is_one_bounded_line(text: str, longest: int) -> None:
    said = foreign(text, longest)
    assert len(said) <= longest + 1
    assert "\n" not in said


@pytest.mark.parametrize("text", ["Zoë", "Мария", "محمد\u200cعلی", "王小明", "👩\u200d👧", "a\tb\nc", "naïve…"])
def test_letters_of_all_scripts_stay(text: str) -> None:
    assert printable(text) == text


# --- clients: each, with each text in what its service says ------------------------------------------------------


@dataclass(frozen=True)
class Client:
    answer: Callable[[str], bytes]
    ask: Callable[[SayingServer], object]


def _database(server: SayingServer) -> object:
    return AccountsDatabase("127.0.0.1", server.port, "cic_ussd", "somebody", "word").check()


def _broker(server: SayingServer) -> object:
    return Broker(f"redis://127.0.0.1:{server.port}/0", "queue", patience=0).waiting()


def _rpc(server: SayingServer) -> object:
    return Rpc(server.url, patience=0).call("eth_chainId")


def _meta(server: SayingServer) -> object:
    return MetaClient(server.url, pauses=(0.0,)).get(bytes(32))


def _ussd(server: SayingServer) -> object:
    return UssdClient(server.url).choose_language("+254700000000", "en")


def header(text: str) -> str:
    """What a header or a reason can hold: no end of its line."""
    return text.replace("\r", "").replace("\n", " ")


CLIENTS = {
    "the node's reason": Client(lambda text: http_reply(header(text)), _rpc),
    "the node's error": Client(rpc_error, _rpc),
    "the node's page": Client(lambda text: http_reply("OK", text.encode(), 200), _rpc),
    "where the node redirects to": Client(lambda text: http_reply("Found", b"", 302, Location=header(text)), _rpc),
    "the phone interface's reason": Client(lambda text: http_reply(header(text)), _ussd),
    "the phone interface's screen": Client(lambda text: http_reply("OK", text.encode(), 200), _ussd),
    "the metadata server's reason": Client(lambda text: http_reply(header(text)), _meta),
    "the metadata server's page": Client(
        lambda text: http_reply("OK", text.encode(), 200, Content_Type=header(text)), _meta
    ),
    "where the metadata server redirects to": Client(
        lambda text: http_reply("Found", b"", 302, Location=header(text)), _meta
    ),
    "Redis's error": Client(lambda text: redis_error(header(text)), _broker),
    "PostgreSQL's error": Client(postgres_error, _database),
}


@pytest.mark.parametrize("text", [NASTY, FAKED, "x" * 100_000], ids=["nasty", "faked", "endless"])
@pytest.mark.parametrize("name", CLIENTS)
def test_what_a_service_says_is_a_part_of_one_line(name: str, text: str) -> None:
    client = CLIENTS[name]
    if "reason" in name or "redirects" in name or "page" in name:  # http.client takes lines of 64 kB
        text = text[:10_000]
    with SayingServer(client.answer(text)) as server, pytest.raises(CicScenarioError) as caught:
        client.ask(server)
    assert not unsafe(caught.value.message)
    assert len(caught.value.message.splitlines()) == 1
    assert len(caught.value.message) < 1_000
    assert caught.value.args[0] == caught.value.message


def test_what_the_engines_exceptions_say_is_a_part_of_one_line() -> None:
    said = str(explain("a.task", {"exc_type": NASTY, "exc_message": [FAKED, NASTY * 100]}))
    assert not unsafe(said)
    assert "\n" not in said
    assert len(said) < 1_000


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\uff1d1", "=cmd|' /C calc'!A0", "-2+3+cmd"]
)
def test_a_cell_of_a_csv_file_for_people_is_no_formula(text: str) -> None:
    assert cell(text).startswith("'")


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b2J", "a\nb", "\u202e"])
def test_a_cell_is_one_safe_line(text: str) -> None:
    assert not unsafe(cell(text))
    assert "\n" not in cell(text)


@pytest.mark.parametrize("text", ["", "Zoë", "O'Neil", "a=b", "a-b", "'x"])
def test_other_cells_stay(text: str) -> None:
    assert cell(text) == text


# --- errors and frames ----------------------------------------------------------------------------------------------


def test_an_error_of_ours_holds_nothing_unsafe_whoever_makes_it() -> None:
    error = InvalidError(NASTY, hint=NASTY)
    assert not unsafe(f"{error} {error.message} {error.hint}")


def test_a_frame_has_its_own_lines_only() -> None:
    plain = Diagnostic(Code.SYNTAX, "m", "f", 1, 1, 1, "text", "e", "s").render()
    nasty = Diagnostic(Code.SYNTAX, FAKED, f"{FAKED}.yaml", 1, 1, 1, NASTY, "e", FAKED).render()
    assert len(nasty.splitlines()) == len(plain.splitlines())
    assert not unsafe(printable(nasty))


# --- what is printed --------------------------------------------------------------------------------------------------

EVENTS: list[Event] = [
    RunStarted(NASTY, f"/run/{NASTY}\n", 5, {}),
    Noted(NASTY),
    CheckFinished("balance", 1, 5, NASTY, f"{NASTY}\n{FAKED}"),
    ReportWritten(f"/run/{NASTY}"),
    StageStarted(NASTY),
    ServiceStarting(NASTY, 1, 2, 3.0),
    StepProgressed(f"{NASTY}\n{FAKED}", 1, 0, 5, 1.0),
    Waiting(NASTY, NASTY, 1, 5.0, 9.0, f"{NASTY}\n{FAKED}"),
    CheckProgressed(NASTY, 1, 5, 0, 1.0),
    RequestRepeated("meta", f"{NASTY}\n{FAKED}"),
    CommandFailed(NASTY, f"{NASTY}\n{FAKED}", 3),
]


def live(stream: io.StringIO) -> LiveConsole:
    return LiveConsole(stream, colour=False, verbose=True, size=lambda: (80, 24))


def chatty(stream: io.StringIO) -> PlainConsole:
    return PlainConsole(stream, verbose=True)


@pytest.mark.parametrize("listener", [chatty, live, JsonLines])
def test_what_a_run_shows(listener: Any) -> None:
    stream = io.StringIO()
    show = listener(stream)
    for event in EVENTS:
        show(event)
    if isinstance(show, LiveConsole):
        for line in show.frame():
            assert not unsafe(line)
    told = stream.getvalue().replace("\r\x1b[1A\x1b[J", "").replace("\r\x1b[2A\x1b[J", "")  # how the view is drawn anew
    assert not unsafe(told)
    assert "\nerror: all people" not in told


def test_what_the_log_of_a_run_holds(tmp_path: Path) -> None:
    log = RunLog()
    for event in [DirectoryTaken(str(tmp_path)), *EVENTS]:
        log(event)
    log.close()
    text = (tmp_path / "run.log").read_text()
    assert len(text.splitlines()) >= len(EVENTS) - 2
    assert not unsafe(text)
    assert "\nerror: all people" not in text


def nasty_report() -> Recorded:
    """A report that has the text wherever a report has text that is not the program's own."""
    report = bad()
    report["error"] = NASTY
    report["steps"][2]["failing"] = [{"person": 1, "problem": NASTY}]
    report["checks"][1]["failing"] = [{"person": 1, "problem": f"{NASTY}\n{FAKED}"}]
    report["document"]["description"] = NASTY
    report["environment"]["name"] = NASTY
    report["rejected"] = {"people": 1, "records": 1, "first": [f"{NASTY}\n{FAKED}"], "file": "rejected.csv"}
    return Recorded(report, None)


@pytest.mark.parametrize("form", all_forms(), ids=lambda form: form.name)
def test_every_form_of_the_report(form: Any) -> None:
    text = form.render(nasty_report())
    assert not unsafe(text)
    assert "\nerror: all people" not in text or form.name in ("junit", "html")  # there a line has no meaning


def test_say_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    say(NASTY)
    assert not unsafe(capsys.readouterr().out)


PACKAGE = Path(module.__file__).parent
#: Servers write to their logs; the pages are files that git shows.
ELSEWHERE = ("sandbox", "printable.py", "review/pages.py")


def test_nothing_else_prints() -> None:
    """Text comes to a terminal by ``say`` or, on the live console, after ``printable``."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).as_posix().startswith(ELSEWHERE):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            bare = name in ("print", "typer.echo", "click.echo", "sys.stdout.write", "sys.stderr.write")
            bare |= name == "traceback.print_exception"
            wrapped = bool(node.args) and ast.unparse(node.args[0]).startswith("printable(")
            if bare or (name.endswith("console.print") and not wrapped):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {name}")
    assert found == []
