"""``cicscenario verify --include ussd``: its result depends on people's accounts, and not on who dialled before."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.sandbox.ussd.menus import CURRENT, Menus
from tests.support.hostile_wire import Hold, HostileWire, asks_twice, replies_twice
from tests.support.phone_world import PhoneWorld
from tests.support.zygote import Command, End, Zygote

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]
_SIZE = 24


class Dialled:
    """People who have joined by phone, and verifications whose dials go through a proxy."""

    def __init__(self, home: Path) -> None:
        self._world = PhoneWorld(home)
        self._zygote = Zygote()
        self.scenario = self._world.scenario(size=_SIZE)
        done = self._command("run", str(self.scenario))
        assert done.code == 0, done.said
        url = re.search(r"ussd:\n  url: http://127.0.0.1:(\d+)", self._world.environment.read_text())
        assert url
        self.wire = HostileWire(int(url[1])).__enter__()
        self.environment = self._world.environment.with_name("behind.yaml")
        text = self._world.environment.read_text()
        self.environment.write_text(text.replace(url[0], f"ussd:\n  url: http://127.0.0.1:{self.wire.port}"))
        self.phones = [person.phone for person in self._world.people()]

    def close(self) -> None:
        self.wire.__exit__()
        self._zygote.__exit__()
        self._world.close()

    def leave_in(self, states: list[str]) -> None:
        """The last session of each of the first people stopped in one of these states."""
        for phone, state in zip(self.phones, states, strict=False):
            sql = "UPDATE ussd_session SET state = %s, data = '{}' WHERE msisdn = %s"
            self._world.sql(sql, state, phone)

    def verify(self) -> str:
        """What is wrong; empty when nothing is."""
        where = ("--env", str(self.environment), "--include", "ussd")
        done = self._command("verify", str(self.scenario), *where)
        return "" if done.code == 0 else f"exit {done.code}: {done.said}"

    def _command(self, *arguments: str) -> End:
        home = self._world.home
        return self._zygote.run(Command(arguments, str(home), str(home / "said")))

    def table(self) -> list[tuple[object, ...]]:
        return self._world.sql(
            "SELECT phone_number, status, password_hash, failed_pin_attempts FROM account ORDER BY id"
        )


@pytest.fixture(scope="module")
def dialled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dialled]:
    made = Dialled(tmp_path_factory.mktemp("home"))
    yield made
    made.close()


def test_a_session_left_open_in_any_menu_changes_nothing(dialled: Dialled) -> None:
    """Each state of the menus, also those in which a dial is answered 500: a verification is right, and the next one, too."""
    before, states = dialled.table(), sorted(Menus(CURRENT, "sw").states)
    assert len(states) > 60
    for start in range(0, len(states), _SIZE):
        dialled.leave_in(states[start : start + _SIZE])
        assert [dialled.verify(), dialled.verify()] == ["", ""]
    assert dialled.table() == before, "what is entered makes no account, and is never taken for a PIN"


@pytest.mark.parametrize("twice", [asks_twice, replies_twice])
@pytest.mark.parametrize("state", ["start", "initial_pin_entry", "enter_transaction_recipient"])
def test_what_is_delivered_twice_changes_nothing(dialled: Dialled, twice: object, state: str) -> None:
    """Each dial, or each answer, comes two times; after that nothing does."""
    before = dialled.table()
    dialled.leave_in([state] * _SIZE)
    dialled.wire.arm(asks_twice if twice is asks_twice else replies_twice, Hold(0))
    found = [dialled.verify()]
    assert dialled.wire.struck >= _SIZE
    dialled.wire.mend()
    assert [*found, dialled.verify()] == ["", ""]
    assert dialled.table() == before
