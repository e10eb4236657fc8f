"""A sandbox with all of its services, and ways to look into it and to break it from outside."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg2

from cicscenario.connections import Connections
from cicscenario.language import load_environment
from cicscenario.people.person import Person
from cicscenario.sandbox import stack
from cicscenario.state.store import STATE, Store
from tests.support.commands import cicscenario, command_environment, command_line

EVERYTHING = ("node", "custodial", "meta", "ussd")

SCENARIO = """
version: 1
name: {name}
population: {{size: {size}, seed: 5, languages: {{en: 2, sw: 2, kam: 1, kik: 1, miji: 1, luo: 1, bor: 1}}}}
gift: {{threshold: 200}}
backend: {{kind: cic_ussd, patience: 40}}
metadata: [person, phone, preferences, custom]
pins: {{scheme: bcrypt, cost: 4}}
ussd_data: true
environment: sandbox
"""
ALL_CHECKS = [
    "accounts_index", "gas", "faucet", "balance", "custodial_key", "metadata", "metadata_phone", "metadata_preferences",
    "metadata_custom", "ussd", "pins", "ussd_data",
]  # fmt: skip


class PhoneWorld:
    """A whole sandbox in ``home``, up with these faults, and at this pace."""

    def __init__(
        self, home: Path, *, faults: Sequence[str] = (), dialect: str | None = None, pace: str | None = None
    ) -> None:
        self.home = home
        self.environment = stack.up(
            home, services=EVERYTHING, faults=list(faults), dialect=dialect, pace=pace
        ).environment

    def close(self) -> None:
        if "services" in self.__dict__:
            self.services.close()
        stack.down(self.home, purge=True)

    def scenario(self, text: str = SCENARIO, *, name: str = "phones", size: int = 14) -> Path:
        path = self.home / f"{name}.yaml"
        path.write_text(text.format(name=name, size=size))
        return path

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return cicscenario(self.home, *arguments)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """A command that goes on while the test does something else."""
        return subprocess.Popen(
            command_line(*arguments),
            env=command_environment(self.home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def report(self, name: str = "phones") -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.home / "runs" / name / "report.json").read_text())
        return document

    def errors(self, scenario: Path, *more: str) -> dict[str, int]:
        """Asks again; the number of errors of each check that has any."""
        done = self.command("verify", str(scenario), "--json", *more)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        checks = [event for event in events if event["event"] == "CheckFinished"]
        return {check["name"]: check["errors"] for check in checks if check["errors"]}

    def people(self, name: str = "phones") -> list[Person]:
        store = Store(self.home / "runs" / name / STATE)
        try:
            return list(store.all_people())
        finally:
            store.close()

    @cached_property
    def services(self) -> Connections:
        return Connections(load_environment(self.environment), token=None, dialect="current")

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Looks into, or changes, the phone interface's database."""
        where = load_environment(self.environment).accounts
        assert where
        assert where.password
        connection = psycopg2.connect(
            host=where.host, port=where.port, dbname=where.database, user=where.user, password=where.password.reveal()
        )
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    @contextmanager
    def changed(self, phone: str, column: str, value: object) -> Iterator[None]:
        """The account table with another value for somebody, for a while."""
        ((before,),) = self.sql(f"SELECT {column} FROM account WHERE phone_number = %s", phone)
        self.sql(f"UPDATE account SET {column} = %s WHERE phone_number = %s", value, phone)
        try:
            yield
        finally:
            self.sql(f"UPDATE account SET {column} = %s WHERE phone_number = %s", before, phone)


def killed_again_and_again(world: PhoneWorld, scenario: Path, times: int, draw: Callable[[], float]) -> list[float]:
    """Kills ``run`` at random moments, in seconds from its start; gives the moments."""
    moments = [draw() for _ in range(times)]
    for moment in moments:
        process = world.start("run", str(scenario))
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
    return moments
