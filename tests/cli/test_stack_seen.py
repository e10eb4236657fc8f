"""``stack env``, ``logs``, ``faults``, ``dial`` and ``people``: what others may see of a sandbox, and of one that runs."""

import json
import os
import pty
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from redis import Redis

from cicscenario.chain.rpc import Rpc
from cicscenario.chain.signer import address_of
from cicscenario.cli import dial as dial_command
from cicscenario.cli import people as people_command
from cicscenario.cli import stack as stack_command
from cicscenario.cli import stackenv, stackfaults, stacklogs
from cicscenario.errors import ExitCode, InvalidError, UnavailableError
from cicscenario.sandbox import seen, stack
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.record import RECORD, Record, write_record
from cicscenario.sandbox.services import SERVICES
from cicscenario.state.store import STATE
from tests.support.commands import cicscenario, command_environment, command_line
from tests.support.states import account_of_person, filled
from tests.support.waiting import eventually

ENVIRONMENT = dict(os.environ)
HOSTILE = "a'b\"c$HOME`id`\\d e\u202e"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A sandbox with all services, which the slow tests share."""
    place = tmp_path_factory.mktemp("seen") / "home"
    stack.up(place, services=SERVICES)
    yield place
    stack.down(place, purge=True)


# --- the forms of ``stack env``


def test_a_shell_reads_back_what_was_meant(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(stackenv, "variables", lambda home: {"CIC_A": "a'b\"c$HOME`id`\\d e", "CIC_B": ""})
    stackenv.env(Path(), "shell")
    script = f'{capsys.readouterr().out}printf "%s|%s" "$CIC_A" "$CIC_B"'
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "a'b\"c$HOME`id`\\d e|"


def test_the_other_forms_have_the_same(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(stackenv, "variables", lambda home: {"CIC_A": HOSTILE})
    stackenv.env(Path(), "json")
    written = capsys.readouterr().out
    assert "\u202e" not in written
    assert json.loads(written) == {"CIC_A": HOSTILE}
    stackenv.env(Path(), "dotenv")
    assert capsys.readouterr().out == "CIC_A='a\\'b\"c$HOME`id`\\\\d e\\u202e'\n"


# --- without a sandbox


@pytest.mark.parametrize(
    "command",
    [
        lambda home: stackenv.env(home, "shell"),
        lambda home: dial_command.dial(home, "+254711000001", "", None),
        lambda home: stackfaults.turned_on(home, ["meta.strict"]),
        lambda home: stackfaults.turned_off(home, []),
    ],
)
def test_what_needs_a_sandbox_says_that_there_is_none(tmp_path: Path, command: Callable[[Path], object]) -> None:
    with pytest.raises(UnavailableError, match="is not up") as absent:
        command(tmp_path)
    assert absent.value.hint == "start it: cicscenario stack up"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "said", "hint"),
    [
        (lambda home: stacklogs.logs(home, "reddis", follow=True), "no service 'reddis'", "did you mean redis?"),
        (lambda home: stacklogs.logs(home, "zzz", follow=False), "no service 'zzz'", "node, redis, postgres"),
        (lambda home: stacklogs.logs(home, "meta", follow=False), "meta was never started", "--service meta"),
        (lambda home: stackfaults.turned_on(home, ["meta.strikt"]), "'meta.strikt'", "did you mean meta.strict?"),
        (lambda home: stackfaults.turned_off(home, ["usd.error-every"]), "'usd.error", "mean ussd.error-every?"),
        (lambda home: stackfaults.turned_on(home, ["meta.delay=x"]), "meta.delay=x: expected", "SECONDS"),
        (lambda home: dial_command.dial(home, "12", None, None), "not a phone number", None),
        (lambda home: stack_command.chosen_ports(80, upstream=False), "below 1024", "0, or 1024"),
        (lambda home: stack_command.chosen_ports(2000, upstream=True), "two choices", "one of them"),
    ],
)
def test_a_wrong_word_is_told_with_the_right_one(
    tmp_path: Path, command: Callable[[Path], object], said: str, hint: str | None
) -> None:
    with pytest.raises(InvalidError, match=said) as refused:
        command(tmp_path)
    assert hint is None or hint in (refused.value.hint or "")


def test_faults_are_those_of_the_sandbox_whose_environment_file_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "sandbox" / "environment.yaml"
    options = {"meta": ["--fault", "strict"], "custodial": ["--fault", "delay=2"]}
    record = Record("embedded", "classic", "0xab", options=options)
    monkeypatch.setattr(seen, "pid_of", lambda folder, name: 1 if name == "custodial" else None)
    assert seen.faults_of(place) == ()
    place.parent.mkdir()
    write_record(place.parent / RECORD, record)
    assert seen.faults_of(place) == ("custodial.delay=2",), "and not those of a service that is down"
    assert seen.faults_of(place.with_name("staging.yaml")) == ()
    monkeypatch.setattr(seen, "pid_of", lambda folder, name: None)
    assert seen.faults_of(place) == ()


def test_the_switches_are_listed_without_a_sandbox(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stackfaults.listed(tmp_path, "text") is ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert "meta.strict                    off       an invalid signature is refused" in "\n".join(lines)
    assert lines[-1].endswith("is not up: all are off")


# --- logs


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Daemon]:
    """A process in the place of Redis, whose log the test writes."""
    (tmp_path / "sandbox").mkdir()
    daemon = Daemon("redis", tmp_path / "sandbox")
    daemon.start(["sleep", "600"], ENVIRONMENT, lambda: True)
    yield daemon
    daemon.stop()


def test_a_log_is_printed_as_text_that_a_terminal_does_not_obey(
    tmp_path: Path, service: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    service.log.write_bytes("\x1b]0;title\x07é\xa0\n".encode() + b"\xff\xfe last")
    assert stacklogs.logs(tmp_path, "redis", follow=False) is ExitCode.OK
    assert capsys.readouterr().out == "\\x1b]0;title\\x07é\xa0\n\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} last"


def test_it_is_followed_in_whole_lines_also_when_made_anew_until_the_service_has_ended(
    tmp_path: Path, service: Daemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stacklogs, "_INTERVAL", 0.01)
    monkeypatch.setattr(stacklogs, "_AWAY", 5.0)
    printed: list[str] = []
    following = threading.Thread(target=lambda: printed.extend(stacklogs._followed(service.log, "redis")))
    following.start()
    with service.log.open("ab", buffering=0) as log:
        log.write(b"one\ntw" + "ö".encode()[:1])
        eventually(lambda: "".join(printed) == "one\n")
        log.write("ö".encode()[1:] + b"\n")
        eventually(lambda: "".join(printed) == "one\ntwö\n")
    service.stop()
    service.start(["sh", "-c", "echo longer than before; printf 'and last'; exec sleep 600"], ENVIRONMENT, lambda: True)
    eventually(lambda: "".join(printed) == "one\ntwö\nlonger than before\n")
    service.stop()
    following.join(60)
    assert not following.is_alive()
    assert "".join(printed) == "one\ntwö\nlonger than before\nand last"


def test_interrupted_it_ends_without_an_error(
    tmp_path: Path, service: Daemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(seconds: float, stopping: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stacklogs, "pause", interrupted)
    service.log.write_bytes(b"line\n")
    assert stacklogs.logs(tmp_path, "redis", follow=True) is ExitCode.OK
    assert capsys.readouterr().out == "line\n\n"


# --- people


def test_the_people_of_all_runs_are_shown_without_their_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("first", "second", "second/size=3"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        filled(tmp_path / "runs" / name / STATE, people=3)
    (tmp_path / "runs" / "damaged").mkdir()
    (tmp_path / "runs" / "damaged" / STATE).write_bytes(b"not a state")
    assert people_command.people(tmp_path, as_json=True) is ExitCode.STATE_REFUSED
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert [(one["run"], one["phone"]) for one in found] == [
        (run, f"+25470000000{number}") for run in ("first", "second", "second/size=3") for number in range(3)
    ]
    assert found[0]["account"].lower() == f"0x{account_of_person(0).hex()}"
    assert found[2]["account"] is None
    assert found[0].keys() == {"name", "phone", "account", "run"}
    assert "not shown: the people of damaged" in captured.err

    (tmp_path / "runs" / "damaged" / STATE).unlink()
    assert people_command.people(tmp_path, as_json=False) is ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "phone", "account", "run"]
    assert len(lines) == 10
    assert lines[-1].split()[-1] == "second/size=3"


def test_without_people_both_forms_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people_command.people(tmp_path, as_json=True)
    assert json.loads(capsys.readouterr().out) == []
    people_command.people(tmp_path, as_json=False)
    assert "has people" in capsys.readouterr().out


# --- a sandbox that runs


@pytest.mark.slow
def test_what_env_tells_opens_every_service_and_is_no_secret(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stackenv.env(home, "json")
    text = capsys.readouterr().out
    told = json.loads(text)
    files = {name: Path(path).read_text().strip() for name, path in told.items() if name.endswith("_FILE")}
    assert len(files) == 5
    assert not [name for name, secret in files.items() if secret in text]
    rpc = Rpc(told["CIC_CHAIN_RPC"])
    assert int(rpc.call("eth_chainId"), 16) == int(told["CIC_CHAIN_ID"])
    assert len(rpc.call("eth_getCode", told["CIC_REGISTRY_ADDRESS"], "latest")) > 2000
    for who in ("SIGNER", "OWNER"):
        key = bytes.fromhex(files[f"CIC_{who}_KEY_FILE"])
        assert told[f"CIC_{who}_ADDRESS"] == f"0x{address_of(key).hex()}"
    with closing(Redis.from_url(told["CIC_REDIS_URL"])) as redis:
        assert redis.ping()
    for name in ("USSD", "ETH", "SIGNER"):
        psycopg2.connect(
            host=told["CIC_POSTGRES_HOST"],
            port=told["CIC_POSTGRES_PORT"],
            user=told["CIC_POSTGRES_USER"],
            password=files["CIC_POSTGRES_PASSWORD_FILE"],
            dbname=told[f"CIC_POSTGRES_DATABASE_{name}"],
        ).close()


def pids(home: Path) -> dict[str, int | None]:
    return {service.name: service.pid for service in stack.status(home)}


@pytest.mark.slow
def test_faults_are_turned_on_and_off_while_it_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = pids(home)
    with pytest.raises(InvalidError, match=r"meta\.delay=never"):
        stackfaults.turned_on(home, ["ussd.error-every=7", "meta.delay=never"])
    with pytest.raises(InvalidError, match=r"meta\.delay=never"):
        stack.up(home, services=["meta"], faults=["meta.delay=never"])
    assert pids(home) == before, "nothing was stopped"

    stackfaults.turned_on(home, ["meta.error-every=1000000"])
    stackfaults.turned_on(home, ["meta.strict"])
    now = pids(home)
    assert {name for name in now if now[name] != before[name]} == {"meta"}
    capsys.readouterr()
    stackfaults.listed(home, "json")
    on = {row["name"]: row["values"] for row in json.loads(capsys.readouterr().out) if row["on"]}
    assert on == {"meta.error-every": ["1000000"], "meta.strict": [""]}
    told = seen.faults_of(home / "sandbox" / "environment.yaml")
    assert sorted(told) == ["meta.error-every=1000000", "meta.strict"]

    stackfaults.turned_off(home, ["meta.strict"])
    stackfaults.turned_off(home, [])
    assert {service.name: service.detail for service in stack.status(home)}["meta"] == ""
    capsys.readouterr()
    last = pids(home)
    stackfaults.turned_off(home, [])
    assert "nothing was changed" in capsys.readouterr().out
    assert pids(home) == last


@pytest.mark.slow
def test_a_phone_on_the_terminal_joins_and_chooses_a_pin_that_is_not_shown(home: Path) -> None:
    phone = "+254711000077"
    joined = cicscenario(home, "stack", "dial", phone, "1")
    assert joined.returncode == 0, joined.stderr
    first, _, second = joined.stdout.partition("> 1\n")
    assert first.splitlines()[:2] == ["Karibu Sarafu Network!", "1. English"]
    assert second.splitlines()[-1] == "(the session is over)"
    assert "CON" not in joined.stdout
    assert "END" not in joined.stdout
    eventually(lambda: "PIN" in cicscenario(home, "stack", "dial", phone, "").stdout)

    once = cicscenario(home, "stack", "dial", phone, "4321")
    assert "4321" not in once.stdout
    session = once.stderr.rpartition(" ")[2].strip()
    again = cicscenario(home, "stack", "dial", phone, "4321", "--session", session)
    assert "1. Send" in again.stdout, again
    beyond = cicscenario(home, "stack", "dial", "+254711000078", "1*2")
    assert beyond.returncode == ExitCode.INVALID
    assert "the session was over before 1 of 2 inputs" in beyond.stderr

    piped = subprocess.run(
        command_line("stack", "dial", "+254711000079"), env=command_environment(home), input="2\n", capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    assert piped.returncode == ExitCode.OK
    assert piped.stdout.endswith("(the session is over)\n")


@pytest.mark.slow
def test_on_a_terminal_it_asks_for_each_input_and_shows_no_pin(home: Path) -> None:
    phone = "+254711000080"
    cicscenario(home, "stack", "dial", phone, "1")
    eventually(lambda: "PIN" in cicscenario(home, "stack", "dial", phone, "").stdout)
    ours, theirs = pty.openpty()
    call = subprocess.Popen(
        command_line("stack", "dial", phone), env=command_environment(home), stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen = _read_until(ours, rb"> ")
    os.write(ours, b"4321\n")
    seen += _read_until(ours, rb"(?s)again.*> ")
    os.write(ours, b"4321\n")
    seen += _read_until(ours, rb"(?s)4\. Help.*> ")
    assert b"4321" not in seen
    call.send_signal(signal.SIGINT)
    assert call.wait(60) == ExitCode.OK
    os.close(ours)


def _read_until(terminal: int, pattern: bytes) -> bytes:
    seen = b""
    while not re.search(pattern, seen):
        seen += os.read(terminal, 4096)
    return seen


@pytest.mark.slow
def test_a_log_is_followed_until_interrupted_and_until_the_sandbox_ends(home: Path) -> None:
    """The last of the tests: it stops the sandbox."""
    command = command_line("stack", "logs", "custodial", "-f")
    both = [
        subprocess.Popen(
            command, env=command_environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline()
    both[0].send_signal(signal.SIGINT)
    assert both[0].communicate(timeout=60)[1] == ""
    assert both[0].returncode == ExitCode.OK
    stack.down(home)
    assert both[1].communicate(timeout=120)[1] == ""
    assert both[1].returncode == ExitCode.OK
