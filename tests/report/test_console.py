"""What people see of a run: on a terminal of 80 and 140 columns, in a window that changes, and in a pipe."""

import io
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cicscenario.engine.events import (
    CheckFinished,
    CheckProgressed,
    CommandEnded,
    Noted,
    RepairPlanned,
    RequestRepeated,
    RunStarted,
    ServiceStarting,
    StageStarted,
    StepProgressed,
    Waiting,
)
from cicscenario.printable import Colour
from cicscenario.report.colour import coloured, is_terminal
from cicscenario.report.console import PlainConsole, console
from cicscenario.report.live import LiveConsole
from cicscenario.report.liveness import Liveness
from tests.support.handclock import HandClock
from tests.support.screens import Screen

STEPS = {"population": 0, "accounts": 400, "gift": 0, "metadata_phone": 0}
STARTED = RunStarted("thousand", "/run/thousand", 1000, STEPS)
FIRST = "thousand: 1,000 people in /run/thousand, 0 of 1000 already done in every step"
WAITING = Waiting("gift", "transactions to be mined", 37, 8.0, 120.0, "block 1,234; insufficient funds")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def live(screen: Screen, clock: HandClock, **options: bool) -> LiveConsole:
    return LiveConsole(screen, size=lambda: screen.size, clock=clock, **options)


def drawn(screen: Screen, show: LiveConsole) -> list[str]:
    show._painter.frame(show.frame())
    return screen.lines


@pytest.mark.parametrize("columns", [80, 140])
def test_each_step_has_a_bar_and_what_it_waits_for(columns: int, clock: HandClock) -> None:
    screen = Screen(columns)
    show = live(screen, clock)
    show(STARTED)
    show(StepProgressed("accounts", 700, 0, 1000, 10.0, people=300))
    show(WAITING)
    clock.now += 2
    lines = drawn(screen, show)
    assert "".join(lines).startswith(FIRST)
    accounts, gift, wait = (next(line for line in lines if start in line) for start in ("accounts", "gift", "waits"))
    assert accounts.split()[2:] == ["700", "of", "1,000", "30/s", "10", "s"]  # 300 people in 10 s; 300 are left
    assert "0 of 1,000" in gift
    assert wait.startswith("  ↳ waits 10 s of 2 min 0 s for transactions to be mined: block 1,234")
    assert all(len(line) < columns for line in lines)
    assert ("insufficient funds" in wait) == (columns == 140)
    assert lines.index(wait) == lines.index(gift) + 1


def test_the_rate_is_that_of_this_run_only(clock: HandClock) -> None:
    screen = Screen(80)
    show = live(screen, clock)
    show(STARTED)
    (before,) = (line for line in drawn(screen, show) if "accounts" in line)
    assert "/s" not in before
    show(StepProgressed("accounts", 410, 0, 1000, 10.0, people=10))
    (line,) = (line for line in drawn(screen, show) if "accounts" in line)
    assert line.split()[-5:] == ["1.0/s", "9", "min", "50", "s"]


def test_a_failure_is_no_full_green_bar(clock: HandClock) -> None:
    screen = Screen(80)
    show = live(screen, clock)
    show(STARTED)
    show(StepProgressed("gift", 999, 1, 1000, 10.0, people=1000))
    (line,) = (line for line in drawn(screen, show) if "gift" in line)
    bar = line.split()[1]
    assert bar == "━" * (len(bar) - 1) + "x"
    assert "1 failed" in line
    assert screen.colour("━x") == "green"
    assert screen.colour("x ") == "red"


def test_without_colours_nothing_but_the_cursor_is_controlled(clock: HandClock) -> None:
    screen = Screen(80)
    show = live(screen, clock, colour=False)
    show(STARTED)
    show(CheckFinished("balance", 3, 1000, None, "person 7: has 0"))
    drawn(screen, show)
    assert "\x1b[3" not in screen.getvalue()
    assert "balance: 3 errors of 1000; first: person 7: has 0" in screen.lines


def test_services_stages_and_checks_have_progress_of_their_own(clock: HandClock) -> None:
    screen = Screen(80)
    show = live(screen, clock)
    show(ServiceStarting("postgres", 3, 5))
    clock.now += 4
    assert drawn(screen, show) == ["sandbox, service 3 of 5: postgres starts 4.0 s"]
    show(StageStarted("asking the services"))
    assert drawn(screen, show) == ["asking the services 0.0 s"]
    show(CheckProgressed("balance", 500, 1000, 2, 3.0))
    assert drawn(screen, show) == ["check balance 500 of 1,000 people asked about 2 errors 3.0 s"]
    clock.now += 1
    show(CheckProgressed("gas", 500, 1000, 0, 4.0))  # it goes through the people with the other
    assert drawn(screen, show) == ["check gas 500 of 1,000 people asked about 4.0 s"]
    show(CheckFinished("balance", 2, 1000, None, None))
    assert drawn(screen, show) == ["balance: 2 errors of 1000"]


@pytest.mark.parametrize("to", [80, 40, 20, 200])
def test_another_width_leaves_no_torn_lines(to: int, clock: HandClock) -> None:
    screen = Screen(140)
    show = live(screen, clock)
    show(Noted("n" * 130))
    show(STARTED)
    show(WAITING)
    drawn(screen, show)
    screen.resize(to)
    lines = drawn(screen, show)
    frame = [line for line in lines if line.startswith((*STEPS, "  ↳"))]
    assert [line.split()[0][:10] for line in frame] == ["population", "accounts", "gift", "↳", "metadata_p"]
    assert lines[-5:] == frame
    assert "".join(lines[:-5]) == "n" * 130 + FIRST
    clock.now += 1
    assert drawn(screen, show)[:-3] == lines[:-3]  # and the next frame takes exactly the place of this one


def test_a_window_that_becomes_narrower_while_a_frame_is_made_has_no_torn_lines_after_the_next(
    clock: HandClock,
) -> None:
    """The frame is wider than the window when it is written; what it leaves in more rows than it has lines is erased."""
    screen = Screen(140)
    show = live(screen, clock)
    show(STARTED)
    drawn(screen, show)
    columns = iter([(140, 24), *[(80, 24)] * 99])
    show._painter._size_of = lambda: next(columns)
    screen.resize(80)
    show(WAITING)  # of a frame for 140 columns
    drawn(screen, show)
    again = drawn(screen, show)
    names = [line.split()[0] for line in again if line.startswith(tuple(STEPS))]
    assert len(names) == len(set(names)) == len(STEPS)


def test_a_window_with_few_rows_shows_what_is_not_done(clock: HandClock) -> None:
    screen = Screen(80, rows=5)
    show = live(screen, clock)
    show(replace(STARTED, steps={f"step{number}": 0 for number in range(9)}))
    for number in range(7):
        show(StepProgressed(f"step{number}", 1000, 0, 1000, 1.0, people=1000))
    assert [line.split()[0] for line in drawn(screen, show)][-2:] == ["step7", "step8"]


def test_a_terminal_without_unicode_gets_none(clock: HandClock) -> None:
    screen = Screen(80)
    screen.encoding = "ascii"
    show = live(screen, clock)
    show(STARTED)
    show(replace(WAITING, seen="s" * 100))
    assert all(line.isascii() for line in drawn(screen, show))


# --- in a pipe ------------------------------------------------------------------------------------------------------


def plain(clock: HandClock, **options: bool) -> tuple[io.StringIO, PlainConsole]:
    stream = io.StringIO()
    return stream, PlainConsole(stream, clock=clock, **options)


def gaps(stream: io.StringIO, clock: HandClock, ticks: Iterator[None]) -> list[float]:
    """Seconds between the lines that come while time passes."""
    found, last, length = [], clock.now, 0
    for _ in ticks:
        if len(stream.getvalue()) > length:
            found.append(clock.now - last)
            last, length = clock.now, len(stream.getvalue())
    return [*found, clock.now - last]


def test_a_wait_says_a_line_within_five_seconds(clock: HandClock) -> None:
    stream, show = plain(clock)

    def ticks() -> Iterator[None]:
        show(STARTED)
        for _ in range(40):
            clock.now += 1.5  # the engine tells of a wait so often
            show(replace(WAITING, seconds=clock.now - 100))
            yield

    assert max(gaps(stream, clock, ticks())) < 5
    assert stream.getvalue().splitlines()[1] == (
        "gift: waits for transactions to be mined for 37 people, no news for 3.0 s, gives up after 2 min 0 s; last seen:"
        " block 1,234; insufficient funds"
    )
    assert len(stream.getvalue().splitlines()) < 25


def test_a_wait_beside_steps_that_go_on_is_said_now_and_then(clock: HandClock) -> None:
    stream, show = plain(clock)
    for second in range(100):
        clock.now += 1
        show(StepProgressed("accounts", second, 0, 1000, 10.0, people=second))
        show(replace(WAITING, seconds=float(second)))
    waits = [line for line in stream.getvalue().splitlines() if line.startswith("gift: waits")]
    assert 2 <= len(waits) <= 6


def test_a_long_check_says_how_far_it_is(clock: HandClock) -> None:
    stream, show = plain(clock)

    def ticks() -> Iterator[None]:
        for done in range(0, 50_000, 500):
            clock.now += 0.7
            show(CheckProgressed("balance", done, 50_000, 1, 1.0))
            yield

    assert max(gaps(stream, clock, ticks())) < 5
    assert "check balance: 2,000 of 50,000 people asked about, 1 error" in stream.getvalue()


def test_what_is_repeated_is_shown_when_it_is_asked_for(clock: HandClock) -> None:
    repeat = RequestRepeated("meta", "it answered 503")
    for verbose, said in ((False, ""), (True, "meta: a request is sent again: it answered 503\n")):
        stream, show = plain(clock, verbose=verbose)
        show(repeat)
        assert stream.getvalue() == said


def test_the_verdict_is_green_or_red_where_colours_are_wanted(clock: HandClock) -> None:
    for good, code in ((True, "32"), (False, "31")):
        stream, show = plain(clock, colour=True)
        show(CommandEnded("the verdict", good, 0, 1, 0, 1, 1.0, None))
        assert stream.getvalue() == f"\x1b[{code}mthe verdict\x1b[0m\n"


def test_colours_are_for_terminals_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, pipe = Screen(80), io.StringIO()
    assert [coloured(stream, Colour.AUTO) for stream in (terminal, pipe)] == [True, False]
    assert coloured(pipe, Colour.ALWAYS)
    assert not coloured(terminal, Colour.NEVER)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured(terminal, Colour.AUTO)
    assert coloured(terminal, Colour.ALWAYS)
    assert is_terminal(terminal)
    assert isinstance(console(terminal), LiveConsole)
    monkeypatch.setenv("TERM", "dumb")
    assert not is_terminal(terminal)


# --- when there are no events -----------------------------------------------------------------------------------------


def test_what_takes_long_without_an_event_is_said_to_go_on(clock: HandClock) -> None:
    stream, show = plain(clock)
    alive = Liveness(show, clock)

    def ticks() -> Iterator[None]:
        alive(StageStarted("asking the services"))
        for second in range(80):
            clock.now += 0.25
            if second == 20:
                alive(RequestRepeated("chain", "it refuses connections"))
            alive.tell_if_silent()
            yield

    assert max(gaps(stream, clock, ticks())) < 5
    last = stream.getvalue().splitlines()[-1]
    assert last.startswith("asking the services: no news for 1")
    assert last.endswith("; last seen: it refuses connections")


def test_what_is_waited_for_is_the_service_that_was_told_last_and_then_the_stage(clock: HandClock) -> None:
    stream, show = plain(clock)
    alive = Liveness(show, clock)
    events = [StageStarted("starting the sandbox"), ServiceStarting("meta", 6, 6), ServiceStarting("node", 1, 6)]
    for event in (*events, ServiceStarting("node", 1, 6, 44.0)):
        alive(event)
        clock.now += 4
        alive.tell_if_silent()
    assert [line.partition(":")[0] for line in stream.getvalue().splitlines() if "no news" in line] == [
        "starting the sandbox",
        "starting meta",
        "starting node",
        "starting the sandbox",
    ]


def test_while_a_repair_asks_its_question_nothing_is_said(clock: HandClock) -> None:
    stream, show = plain(clock)
    alive = Liveness(show, clock)
    alive(StageStarted("asking check gas"))
    alive(RepairPlanned((), ()))
    before = stream.getvalue()
    clock.now += 60
    alive.tell_if_silent()
    assert stream.getvalue() == before


def test_after_the_verdict_there_is_nothing(clock: HandClock) -> None:
    stream, show = plain(clock)
    alive = Liveness(show, clock)
    alive(CommandEnded("the verdict", True, 0, 1, 0, 1, 1.0, None))
    clock.now += 60
    alive.tell_if_silent()
    assert stream.getvalue() == "the verdict\n"
