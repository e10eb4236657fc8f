"""The disk: SQLite on files in memory, whose commits can fail, and which a killed process leaves as they were."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

from tests.soak.faults import Kind
from tests.soak.world import World


class Disk:
    """Stands for the module ``sqlite3``. Every commit is a boundary, before and after."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._full_for = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(sqlite3, name)

    def connect(self, path: Path, **options: Any) -> sqlite3.Connection:
        disk = self

        class Connection(sqlite3.Connection):
            """A connection that passes the disk's boundaries."""

            def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                if sql == "COMMIT":
                    disk._before_commit()
                    done = super().execute(sql)
                    disk._world.boundary("committed")
                    return done
                return super().execute(sql, *parameters)

        return sqlite3.connect(path, factory=Connection, **options)

    def _before_commit(self) -> None:
        self._world.boundary("commit")
        fault = self._world.write_fault()
        if fault and fault.kind is Kind.FULL:
            self._full_for = fault.amount
        if self._full_for:
            self._full_for -= 1
            raise sqlite3.OperationalError("database or disk is full")
        if fault:
            raise sqlite3.OperationalError("disk I/O error")


def as_left_by_kill(directory: Path, target: Path) -> None:
    """Copies a run directory as it is now; what the dead process still writes goes to the old one."""
    shutil.copytree(directory, target, ignore=shutil.ignore_patterns("*-shm", "tx"), copy_function=shutil.copyfile)
