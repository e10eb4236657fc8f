"""The independent checker shares no code with the product, and for each of its findings there is a world that has it."""

import ast
import hashlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt
import psycopg2
import pytest

from tests.oracle import Baseline, Verdict, judge
from tests.support.killed_runs import KilledRun, KillWorld, kill_world
from tests.support.sandboxes import Sandbox, send_from

ORACLE = Path(__file__).parent / "oracle"
KINDS = ("lost", "doubled", "wrong", "left")


def test_it_imports_nothing_of_the_product() -> None:
    for module in ORACLE.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.startswith(("cicscenario", "tests.support"))], module


def test_not_even_by_what_it_imports() -> None:
    body = "import sys, tests.oracle; print([name for name in sys.modules if name.startswith('cicscenario')])"
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "[]\n"


@dataclass
class Judged:
    """A run that is done, in a world that tests break. ``changes`` mends what they changed in databases."""

    world: KillWorld
    run: KilledRun
    directory: Path
    changes: list[Callable[[], None]] = field(default_factory=list)
    since: Baseline | None = None

    @property
    def box(self) -> Sandbox:
        return Sandbox(self.world.home, self.world.environment)

    @property
    def people(self) -> list[tuple[str, str, int]]:
        """(account, phone, gift) of each person."""
        with closing(sqlite3.connect(self.run.directory / "state.sqlite")) as db:
            return [(a.hex(), p, g) for a, p, g in db.execute("SELECT address, phone, gift FROM people ORDER BY id")]

    @property
    def paid(self) -> str:
        """The account of somebody who was given tokens."""
        return next(account for account, _, gift in self.people if gift)

    def verdict(self) -> Verdict:
        return judge(self.run.scenario, self.world.place, self.directory, self.since or self.run.since)

    def found(self) -> set[str]:
        """The findings, each a line."""
        return set(self.verdict().lines())

    def state(self, *statements: str) -> None:
        """Changes the people of the state, as its own constraints and digests would not let anybody do."""
        loose = (
            "CREATE TABLE loose AS SELECT * FROM people",
            "DROP TABLE people",
            "ALTER TABLE loose RENAME TO people",
        )
        with closing(sqlite3.connect(self.directory / "state.sqlite", isolation_level=None)) as db:
            for statement in (*loose, *statements):
                db.execute(statement)

    def sql(self, statement: str, database: str | None = None) -> None:
        """Changes a database of the sandbox."""
        where = self.world.place.environment["accounts"]
        password = (self.world.home / "sandbox" / "postgres.password").read_text().strip()
        database = database or where["database"]
        login = {"host": where["host"], "port": where["port"], "user": where["user"], "password": password}
        with (
            closing(psycopg2.connect(dbname=database, **login)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)

    def row(self, change: str) -> None:
        """Changes the first person's row in the account table, for as long as the test lasts."""
        phone = self.people[0][1]
        self.sql("CREATE TABLE IF NOT EXISTS kept AS SELECT * FROM account")
        self.changes.append(
            lambda: self.sql(f"DELETE FROM account WHERE phone_number = '{phone}';"
                             f" INSERT INTO account SELECT * FROM kept WHERE phone_number = '{phone}'")
        )  # fmt: skip
        self.sql(change.format(f"phone_number = '{phone}'"))

    def entry(self, kind: str, change: str) -> None:
        """Changes an entry of the first person's in the metadata store, for as long as the test lasts."""
        account, phone, _ = self.people[0]
        identifier = phone.encode() if kind == "phone" else bytes.fromhex(account)
        pointer = hashlib.sha256(identifier + f":cic.{kind}".encode()).hexdigest()
        path = self.world.home / "sandbox" / "meta" / "meta.sqlite"

        def carry_out(statement: str, *values: Any) -> list[Any]:
            with closing(sqlite3.connect(path, timeout=30)) as db, db:
                return db.execute(statement, values).fetchall()

        (before,) = carry_out("SELECT * FROM entries WHERE pointer = ?", pointer)
        self.changes.append(
            lambda: carry_out("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)", *before) and None
        )
        carry_out(change.format(f"pointer = '{pointer}'"))

    def send(self, owner: bool, to: str, data: str = "", value: int = 0) -> None:
        key = (self.world.home / "sandbox" / ("owner.key" if owner else "signer.key")).read_text().strip()
        send_from(self.box.session(), bytes.fromhex(key), bytes.fromhex(to), bytes.fromhex(data), value)

    def pay(self, account: str, amount: int) -> None:
        """The signer sends tokens, and no ledger knows of it."""
        token = self.world.place.chain.contract(self.world.place.registry, "DefaultToken")
        self.send(False, token, "a9059cbb" + account.rjust(64, "0") + f"{amount:064x}")

    def alter(self, name: str, change: Callable[[str], str]) -> None:
        path = self.directory / name
        path.write_text(change(path.read_text()))

    def first(self, folder: str) -> Path:
        return min(path for path in (self.directory / folder).rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def by_phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KilledRun]:
    """A run in which people joined by phone, in a sandbox with every service."""
    with kill_world("cic_ussd", tmp_path_factory.mktemp("oracle"), size=3) as world:
        run = world.run(seed=1)
        yield _done(run)


@pytest.fixture(scope="module")
def sovereign(by_phone: KilledRun) -> KilledRun:
    """A run in the same sandbox whose people have keys of their own."""
    run = by_phone.world.run(seed=2, backend="eth")
    return _done(run)


def _done(run: KilledRun) -> KilledRun:
    """Carries out a run that nobody disturbs, of which the checker finds nothing."""
    assert run.finish().code == 0, run.ends[-1].said
    assert run.verdict().lines() == []
    return run


@pytest.fixture
def judged(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Judged]:
    """What the test's parameter names: with a copy of the run directory, and with databases that are mended afterwards."""
    run: KilledRun = request.getfixturevalue(request.param)
    directory = tmp_path / "run"
    shutil.copytree(run.directory, directory)
    made = Judged(run.world, run, directory)
    yield made
    for change in made.changes:
        change()


_OTHER_HASH = bcrypt.hashpw(b"none", bcrypt.gensalt(4)).decode()
_TWICE = (
    "DROP INDEX ix_account_phone_number; DROP INDEX ix_account_blockchain_address;"
    " ALTER TABLE account DROP CONSTRAINT account_pkey"
)
#: What is broken, in which run, what the checker must find, and how it is done.
BREAKS: list[tuple[str, str, str, Callable[[Judged], Any]]] = [
    ("somebody is not in the state", "by_phone", "lost: person 0: no person in the state",
     lambda j: j.state("DELETE FROM people WHERE id = 0")),
    ("somebody has no account", "by_phone", "lost: person 0: no account",
     lambda j: j.state("UPDATE people SET address = NULL WHERE id = 0")),
    ("the account table lacks somebody", "by_phone", "lost: person 0: no row of the account table",
     lambda j: j.row("DELETE FROM account WHERE {}")),
    ("somebody has no PIN", "by_phone", "lost: person 0: no PIN",
     lambda j: j.row("UPDATE account SET password_hash = NULL WHERE {}")),
    *((f"{kind} metadata is gone", "by_phone", f"lost: person 0: no {kind} metadata",
       lambda j, kind=kind: j.entry(kind, "DELETE FROM entries WHERE {}"))
      for kind in ("person", "phone", "preferences", "custom")),
    ("a line of pins.csv is gone", "by_phone", "lost: person 0: no line in pins.csv",
     lambda j: j.alter("pins.csv", lambda text: text.replace(j.people[0][1], "+1"))),
    ("ussd_data.csv is gone", "by_phone", "lost: person 0: no line in ussd_data.csv",
     lambda j: (j.directory / "ussd_data.csv").unlink()),
    ("a keystore file is gone", "sovereign", "no keystore file", lambda j: j.first("keystore").unlink()),
    ("the file of a transaction is gone", "sovereign", "has no file", lambda j: j.first("tx").unlink()),
    *((f"{what} did not happen in this run", "sovereign", f"no {what}",
       lambda j: setattr(j, "since", Baseline(j.world.place.chain.newest())))
      for what in ("registration", "gift", "gas gift", "use of the faucet")),
    ("somebody is twice in the state", "by_phone", "doubled: person 0: person in the state 2 times",
     lambda j: j.state("INSERT INTO people SELECT * FROM people WHERE id = 0")),
    ("two people have one phone", "by_phone", "is that of 2 people",
     lambda j: j.state("UPDATE people SET phone = (SELECT phone FROM people WHERE id = 1) WHERE id < 2")),
    ("two people have one account", "by_phone", "doubled: account ",
     lambda j: j.state("UPDATE people SET address = (SELECT address FROM people WHERE id = 1) WHERE id < 2")),
    ("the account table has somebody twice", "by_phone", "doubled: person 0: row of the account table 2 times",
     lambda j: (j.sql(_TWICE),
                j.row("INSERT INTO account SELECT * FROM account WHERE {}"))),
    ("the engine has a key of nobody", "by_phone", f"doubled: the engine made {'ab' * 20}",
     lambda j: j.sql(f"INSERT INTO ethereum (key_ciphertext, wallet_address_hex) VALUES ('', '{'ab' * 20}')", "cic_signer")),
    ("a stranger joined by phone", "by_phone", "doubled: +254700000000 joined by phone",
     lambda j: j.sql("INSERT INTO account (blockchain_address, phone_number, failed_pin_attempts, status, created, updated,"
                     f" guardian_quora) VALUES ('{'cd' * 20}', '+254700000000', 0, 1, now(), now(), 1)")),
    ("somebody is not of this scenario", "by_phone", "wrong: person 99 is not of this scenario",
     lambda j: j.state("UPDATE people SET id = 99 WHERE id = 0")),
    ("the gift was another", "by_phone", "sum of the gifts",
     lambda j: j.state("UPDATE people SET gift = gift + 1 WHERE gift > 0")),
    ("the table has another account", "by_phone", "wrong: person 0: account in the table",
     lambda j: j.row(f"UPDATE account SET blockchain_address = '{'ef' * 20}' WHERE {{}}")),
    ("the language is another", "by_phone", "wrong: person 0: status and language",
     lambda j: j.row("UPDATE account SET preferred_language = 'xx' WHERE {}")),
    ("the status is another", "by_phone", "wrong: person 0: status and language",
     lambda j: j.row("UPDATE account SET status = 3 WHERE {}")),
    ("the hash is of another PIN", "by_phone", "wrong: person 0: the hash is not of the PIN",
     lambda j: j.row(f"UPDATE account SET password_hash = '{_OTHER_HASH}' WHERE {{}}")),
    ("the hash is none", "by_phone", "wrong: person 0: the hash is not of the PIN",
     lambda j: j.row("UPDATE account SET password_hash = 'x' WHERE {}")),
    *((f"{kind} metadata is another", "by_phone", f"wrong: person 0: {finding}",
       lambda j, kind=kind: j.entry(kind, """UPDATE entries SET value = '{{"tags": ["x"]}}' WHERE {}"""))
      for kind, finding in (("person", "document is"), ("phone", "phone metadata is"), ("custom", "custom metadata is"),
                            ("preferences", "preferences metadata is"))),
    ("the document names no account", "by_phone", "wrong: person 0: the document does not name the account",
     lambda j: j.entry("person", "UPDATE entries SET value = json_remove(value, '$.identities') WHERE {}")),
    ("a keystore file cannot be opened", "sovereign", "the keystore file cannot be opened",
     lambda j: j.alter("keystore.password", lambda _: "0" * 64)),
    ("a keystore file is of another", "sovereign", "account of the key",
     lambda j: shutil.copy(max((j.directory / "keystore").iterdir()), j.first("keystore"))),
    ("the file of a transaction has another one", "sovereign", "has another one",
     lambda j: shutil.copy(max((j.directory / "tx").glob("*/*")), j.first("tx"))),
    ("a file too many", "sovereign", "wrong: tx/more should not be there", lambda j: (j.directory / "tx" / "more").touch()),
    ("a file of a killed process", "sovereign", "left: tx/.more should not be there",
     lambda j: (j.directory / "tx" / ".more").touch()),
    # The chain cannot be mended: what follows is in the order in which it is carried out.
    ("gas twice", "by_phone", "gas gift 2 times", lambda j: j.send(True, j.people[0][0], value=1)),
    ("a gift twice", "sovereign", "gift 2 times", lambda j: j.pay(j.paid, 1)),
    ("a stranger paid", "sovereign", f"went to {'12' * 20}", lambda j: j.pay("12" * 20, 1)),
    ("a transaction too many", "sovereign", "doubled: the signer made", lambda j: j.pay(j.paid, 1)),
    ("a balance that came from elsewhere", "sovereign", "token balance", lambda j: j.pay(j.paid, 2)),
    ("a nonce that is not of this run", "sovereign", "wrong: the signer: nonce is", lambda j: j.pay(j.paid, 3)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("judged", "finding", "break_it"), [pytest.param(*rest, id=name) for name, *rest in BREAKS], indirect=["judged"]
)
def test_what_is_broken_is_found(judged: Judged, finding: str, break_it: Callable[[Judged], Any]) -> None:
    before = judged.found()
    break_it(judged)
    new = judged.found() - before
    assert [line for line in new if finding in line], new
    assert {line.partition(":")[0] for line in new} <= set(KINDS)
