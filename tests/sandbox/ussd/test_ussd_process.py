"""The phone interface as the sandbox starts it, and as it is killed."""

import re
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from cicscenario.errors import ExitCode
from cicscenario.people import pointer
from cicscenario.sandbox.ussd.program import main
from tests.support.fake_chain import FakeChain
from tests.support.fake_engine import FakeEngine
from tests.support.fake_meta import FakeMeta
from tests.support.postgres import Postgres
from tests.support.ussd_process import UssdProcess
from tests.support.ussd_world import CODE, FORM, request
from tests.support.valkey import Valkey
from tests.support.waiting import eventually

PEOPLE = 60


@pytest.fixture
def chain() -> Iterator[FakeChain]:
    with FakeChain() as chain:
        yield chain


@pytest.fixture
def make(
    tmp_path: Path, worlds: object, valkey: Valkey, postgres: Postgres, meta: FakeMeta, chain: FakeChain
) -> Iterator[Callable[..., UssdProcess]]:
    """Makes phone interfaces with more flags; they are killed with the test."""
    worlds.close()  # type: ignore[attr-defined]  # no other may take its messages
    made: list[UssdProcess] = []

    def process(*flags: str) -> UssdProcess:
        made.append(UssdProcess(tmp_path, valkey, postgres, meta, chain, *flags))
        return made[-1]

    yield process
    for one in made:
        one.__exit__(None, None, None)


def dial(process: UssdProcess, phone: str, *texts: str) -> str | None:
    """The last screen of a new session."""
    session, screen = uuid.uuid4().hex, None
    for text in ("", *texts):
        fields = {"sessionId": session, "serviceCode": CODE, "phoneNumber": phone, "text": text}
        screen = request(process.port, "POST", "/", {"Content-Type": FORM}, urlencode(fields).encode()).body
    return screen


def test_somebody_joins_sets_a_pin_and_sees_the_balance(
    make: Callable[..., UssdProcess], meta: FakeMeta, running_engine: FakeEngine
) -> None:
    process = make().start()
    assert str(dial(process, "+254711000001", "2")).startswith("END Akaunti yako")
    place = pointer.phone("+254711000001").hex()
    eventually(lambda: place in meta.values, "waited for the phone pointer")
    assert dial(process, "+254711000001", "1234", "1234") == ""  # without tokens there is no start menu
    running_engine.gift(meta.values[place])
    eventually(lambda: dial(process, "+254711000001", "1234", "1234") != "", "waited for the tokens")
    assert (
        dial(process, "+254711000001")
        == "CON Salio 1234.56 GFT\n1. Tuma\n2. Sarafu yangu\n3. Akaunti yangu\n4. Usaidizi"
    )
    assert dial(process, "+254711000001", "3", "3", "1234") == "CON Salio zako ni zifuatazo:\n  1234.56 GFT\n0. Rudi"
    assert "1234" not in re.sub("[0-9a-f]{32}", "a session", process.log.read_text())


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_nobody_is_lost_or_doubled(
    make: Callable[..., UssdProcess], meta: FakeMeta, postgres: Postgres, running_engine: FakeEngine
) -> None:
    process = make().start()
    phones = [f"+2547{number:08d}" for number in range(PEOPLE)]
    for phone in phones:
        dial(process, phone, "1")
    places = [pointer.phone(phone).hex() for phone in phones]
    for share in (0.1, 0.4, 0.7):
        eventually(lambda share=share: len(meta.values) >= share * 3 * PEOPLE, "waited for some of the people")
        assert process.end(signal.SIGKILL) == -signal.SIGKILL
        process.start()
    eventually(lambda: len(meta.values) == 3 * PEOPLE, "waited for all of the people")
    with postgres.connect(process.database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT phone_number, blockchain_address FROM account")
        assert {pointer.phone(phone).hex(): address for phone, address in cursor.fetchall()} == {
            place: meta.values[place] for place in places
        }
    connection.close()
    assert len(running_engine.asked) == PEOPLE


def test_asked_to_end_it_ends_with_0_and_at_once(make: Callable[..., UssdProcess]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        process = make().start()
        assert process.end(number) == ExitCode.OK
        assert "Traceback" not in process.log.read_text()


def test_in_the_dialect_of_2021_the_first_dial_makes_the_account(
    make: Callable[..., UssdProcess], meta: FakeMeta
) -> None:
    process = make("--dialect", "2021", "--fallback-language", "en").start()
    assert str(dial(process, "+254711000001")).startswith("END Your account is being created.")
    place = pointer.phone("+254711000001").hex()
    eventually(lambda: place in meta.values, "waited for the phone pointer")
    assert dial(process, "+254711000001") == "CON Welcome to Sarafu Network\n1. English\n2. Kiswahili\n3. Help"


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--host", "0.0.0.0"], ExitCode.INVALID, "listens on loopback only"),
        (["--registry", "0xab"], ExitCode.INVALID, "expected 0x and 40 hex digits"),
        (["--chain-spec", "evm"], ExitCode.INVALID, "not a chain spec"),
        (["--database", "mysql://x"], ExitCode.INVALID, "expected postgresql://user@host:port/name"),
        (["--key", "/nowhere"], ExitCode.INVALID, "no private key that can sign"),
        (["--passphrase-file", "/nowhere"], ExitCode.INVALID, "cannot be read"),
        (["--fault", "no-callback=9"], ExitCode.INVALID, "expected a share from 0 to 1"),
        (
            ["--broker", "redis://:secret-of-redis@127.0.0.1:1/0"],
            ExitCode.UNAVAILABLE,
            "Redis at 127.0.0.1:1/0 does not",
        ),
        (["--database", "postgresql://u@127.0.0.1:1/x"], ExitCode.UNAVAILABLE, "account database x at 127.0.0.1:1"),
        (["--rpc", "http://127.0.0.1:1"], ExitCode.UNAVAILABLE, "chain node http://127.0.0.1:1 does not answer"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    make: Callable[..., UssdProcess], flags: list[str], code: ExitCode, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(make(*flags).flags) == code
    told = capsys.readouterr().err
    assert message in told
    assert "secret-of" not in told


def test_a_taken_port_is_told_too(make: Callable[..., UssdProcess]) -> None:
    process = make().start()
    other = make("--port", str(process.port)).run()
    assert other.returncode == ExitCode.UNAVAILABLE
    assert "Address already in use" in other.stderr
