"""The sandbox is a list of services: who needs whom, who is added to whom, and who is ended by whom."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from cicscenario.errors import InvalidError, UnavailableError
from cicscenario.language import load_environment
from cicscenario.sandbox import stack
from cicscenario.sandbox.custodial.vault import read_secret
from cicscenario.sandbox.daemon import Command, Daemon
from cicscenario.sandbox.record import Record
from cicscenario.sandbox.services import SERVICES, available, options_of, waves, with_needs
from cicscenario.sandbox.services.base import ServiceDaemon, Site
from cicscenario.sandbox.stack import sandbox


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    stack.down(tmp_path / "home", purge=True)


def up(home: Path) -> list[str]:
    return [service.name for service in stack.status(home) if service.state == "up"]


def site(tmp_path: Path) -> Site:
    ports = {name: 10_000 + number for number, name in enumerate(SERVICES)}
    return Site(tmp_path, Record("embedded", "classic", registry=f"0x{'ab' * 20}", ports=ports))


NEEDED = {"PATH", "HOME", "USER", "LOGNAME", "TZ", "TMPDIR", "LANG", "LD_LIBRARY_PATH"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_daemon_is_given_the_variables_of_who_starts_it(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for secret in ("CICSCENARIO_SIGNER_KEY", "GIT_TOKEN", "SIGNER_KEY", "PGPASSWORD"):
        monkeypatch.setenv(secret, "open-sesame")
    command = SERVICES[name].command(site(tmp_path))
    assert "open-sesame" not in str(command)
    assert {key for key in command.environment if not key.startswith(("LC_", "PYTHON"))} <= NEEDED


def test_what_needs_nothing_of_each_other_starts_at_the_same_time() -> None:
    assert waves(SERVICES) == [["node", "redis", "postgres", "meta"], ["custodial", "ussd"]]
    assert waves(["redis", "node", "postgres", "custodial"]) == [["node", "redis", "postgres"], ["custodial"]]
    assert waves(["node"]) == [["node"]]
    assert waves([]) == []


def test_everything_that_is_needed_comes_first() -> None:
    for name, service in SERVICES.items():
        assert all(list(SERVICES).index(need) < list(SERVICES).index(name) for need in service.needs)
        for need in service.needs:
            assert set(SERVICES[need].needs) <= set(service.needs), "needs are told in full"
    assert all(set(service.after) <= set(service.needs) for service in SERVICES.values())
    assert with_needs(["node"]) == ("node",)
    assert with_needs(["custodial"]) == ("node", "redis", "postgres", "custodial")


def test_what_is_not_installed_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"node", "redis", "postgres", "custodial"} <= set(available())
    monkeypatch.setattr(type(SERVICES["redis"]), "modules", ("no_such_module",))
    assert not {"redis", "custodial", "ussd"} & set(available())
    with pytest.raises(UnavailableError, match="redis needs packages that are not installed: no_such_module"):
        with_needs(["custodial"])
    monkeypatch.setattr(type(SERVICES["meta"]), "modules", ("no_such_package.meta",))
    assert not SERVICES["meta"].is_available()


def test_an_unknown_service_is_refused_with_those_there_are(home: Path) -> None:
    with pytest.raises(InvalidError, match="no service 'printer'") as refused:
        stack.up(home, services=["printer"])
    assert "node, redis, postgres" in (refused.value.hint or "")
    assert not home.exists()


def test_faults_and_dialect_become_options_of_their_services() -> None:
    assert options_of(["custodial.drop-callback=0.1", "meta.parallel-put-hang", "custodial.signer-down"], "2021") == {
        "custodial": ["--fault", "drop-callback=0.1", "--fault", "signer-down"],
        "meta": ["--fault", "parallel-put-hang"],
        "ussd": ["--dialect", "2021"],
    }


def test_a_chain_alone_is_described_as_ever(home: Path) -> None:
    info = stack.up(home)
    assert set(yaml.safe_load(info.environment.read_text())) == {"version", "name", "chain"}
    assert str(load_environment(info.environment).chain.spec) == "evm:byzantium:8996:bloxberg"


def test_every_service_has_its_section(tmp_path: Path) -> None:
    here = site(tmp_path)
    sections = yaml.safe_load("".join(service.section(here) for service in SERVICES.values()))
    ports = here.record.ports
    assert sections["custodial"] == {"broker": f"redis://127.0.0.1:{ports['redis']}/0", "queue": "cic-eth"}
    assert sections["accounts"] == {
        "host": "127.0.0.1", "port": ports["postgres"], "database": "cic_ussd", "user": "cicscenario",
        "password": "file:postgres.password",
    }  # fmt: skip
    assert sections["meta"] == {
        "url": f"http://127.0.0.1:{ports['meta']}", "key": "file:meta/writer.asc",
        "passphrase": "file:meta/writer.passphrase",
    }  # fmt: skip
    assert sections["ussd"] == {"url": f"http://127.0.0.1:{ports['ussd']}"}


def test_the_phone_interface_is_told_where_everything_is(tmp_path: Path) -> None:
    words = SERVICES["ussd"].command(site(tmp_path)).command
    told = dict(zip(words[3::2], words[4::2], strict=True))
    assert words[1:3] == ["-m", "cicscenario.sandbox.ussd"]
    assert told["--database"].startswith("postgresql://cicscenario@127.0.0.1:")
    assert told["--database"].endswith("/cic_ussd")
    assert told["--meta"] == SERVICES["meta"].address(site(tmp_path))
    assert set(told) == {
        "--host", "--port", "--broker", "--database", "--password-file", "--chain-spec", "--rpc",
        "--registry", "--meta", "--key", "--passphrase-file",
    }  # fmt: skip
    listening = Site(tmp_path, site(tmp_path).record, frozenset({"ussd"}))
    (tmp_path / "postgres.password").write_text("x")
    callback = "cic-ussd:cic_ussd.tasks.callback_handler.transaction_callback"
    assert callback in SERVICES["custodial"].command(listening).command
    assert callback not in SERVICES["custodial"].command(site(tmp_path)).command


def test_a_run_adds_what_it_needs_to_a_sandbox_that_is_up_and_ends_only_that(home: Path) -> None:
    stack.up(home)
    node = Daemon("node", home / "sandbox").pid()
    with sandbox(home, services=["node", "redis"]) as info:
        assert info.started
        assert up(home) == ["node", "redis"]
        assert Daemon("node", home / "sandbox").pid() == node
    assert up(home) == ["node"]
    assert {service.state for service in stack.status(home)} == {"up", "down"}


def test_the_last_of_two_runs_ends_what_either_added(home: Path) -> None:
    second = sandbox(home, services=["redis"])
    with sandbox(home):
        second.__enter__()
        assert up(home) == ["node", "redis"]
    assert up(home) == ["node", "redis"]
    second.__exit__(None, None, None)
    assert up(home) == []


def test_stack_up_keeps_those_that_it_names(home: Path) -> None:
    with sandbox(home, services=["node", "redis"]):
        stack.up(home, services=["redis"])
    assert up(home) == ["redis"]


def test_running_environment_asks_for_each_service(home: Path) -> None:
    stack.up(home)
    assert stack.running_environment(home) is not None
    assert stack.running_environment(home, ["node", "redis"]) is None


class _Broken(ServiceDaemon):
    name = "custodial"
    needs = ("redis",)

    def command(self, site: Site) -> Command:
        return Command(["sh", "-c", "echo I cannot; exit 3"], {})

    def answers(self, site: Site) -> bool:
        return False


def test_what_a_failed_start_has_started_it_ends(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.up(home)
    monkeypatch.setattr("cicscenario.sandbox.stack.SERVICES", dict(SERVICES) | {"custodial": _Broken()})
    with pytest.raises(UnavailableError, match=r"custodial ended with 3 .*\n  I cannot"):
        stack.up(home, services=["redis", "custodial"])
    assert up(home) == ["node"], "what was up before stays up"


def test_a_silent_service_is_told_from_one_that_is_down(home: Path) -> None:
    stack.up(home, services=["redis"])
    pid = Daemon("redis", home / "sandbox").pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        assert [service.state for service in stack.status(home)] == ["silent"]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert [service.state for service in stack.status(home)] == ["up"]


def _secrets_of(folder: Path) -> tuple[str, bytes]:
    return Site(folder, Record("", "")).secret("signer.key"), read_secret(folder)


def test_starters_at_the_same_time_get_the_same_secret(tmp_path: Path) -> None:
    """The sandbox's signer and the engine's vault make their secrets at first use, which two processes may do at once."""
    for number in range(10):
        folder = tmp_path / str(number)
        folder.mkdir()
        with ThreadPoolExecutor(8) as pool:
            secrets = list(pool.map(_secrets_of, [folder] * 8))
        assert len(set(secrets)) == 1
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        assert len(list(folder.iterdir())) == 2, "no unfinished file is left"
