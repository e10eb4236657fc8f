"""What a run says of itself: its scenario, its people, and the files that it left."""

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Member:
    """A person of a run. ``account`` is empty while there is none; ``gift`` is in whole tokens."""

    number: int
    phone: str
    language: str
    tags: list[str]
    gift: int
    account: str
    document: dict[str, Any]

    def __str__(self) -> str:
        return f"person {self.number}"


@dataclass(frozen=True)
class Wanted:
    """What a scenario asks for."""

    size: int
    seed: int
    backend: str
    gifts: bool
    gas: bool
    faucet: bool
    metadata: tuple[str, ...]
    pins: bool
    ussd_data: bool
    keyfiles: bool
    payments: int = 0
    overdrafts: float = 0.0  #: share of the payments

    def pin(self, number: int) -> str:
        """The four digits of a person, as the documentation of scenarios says that they are drawn."""
        digest = hashlib.sha256(f"{self.seed}|{number}|pin".encode()).digest()
        return f"{int.from_bytes(digest[:8], 'big') % 10_000:04}"


def wanted(scenario: Path) -> Wanted:
    """Reads a scenario that stands by itself."""
    document = yaml.safe_load(scenario.read_text())
    assert "extends" not in document
    backend = document.get("backend", "eth")
    kind = backend if isinstance(backend, str) else backend["kind"]
    kdf = backend.get("keystore", {}).get("kdf", "light") if isinstance(backend, dict) else "light"
    gift = document.get("gift", {})
    return Wanted(
        document["population"]["size"],
        document["population"]["seed"],
        kind,
        gift.get("method", "transfer") == "transfer" and gift.get("threshold", 200) > 0,
        document.get("gas", 1) != 0,
        document.get("faucet", True),
        tuple(document.get("metadata", ())),
        document.get("pins") is not None,
        document.get("ussd_data", False),
        kind == "eth" and kdf != "none",
        (document.get("traffic") or {}).get("payments", 0),
        float((document.get("traffic") or {}).get("overdrafts", "0%").removesuffix("%")) / 100,
    )


@dataclass(frozen=True)
class Paid:
    """A line of ``payments.csv``: people by number, base units, and the hash without 0x."""

    number: int
    payer: int
    payee: int
    amount: int
    refused: bool
    hash: str


def paid(directory: Path) -> list[Paid]:
    """What a run says of its payments."""
    path = directory / "payments.csv"
    lines = path.read_text().splitlines()[1:] if path.exists() else []
    rows = [line.split(",") for line in lines]
    return [
        Paid(int(number), int(payer), int(payee), int(amount), outcome == "refused", digest.removeprefix("0x"))
        for number, _, payer, payee, amount, outcome, digest in rows
    ]


def members(directory: Path) -> list[Member]:
    """The people in the state of a run."""
    sql = "SELECT id, phone, language, tags, gift, address, document FROM people ORDER BY id"
    with closing(sqlite3.connect(directory / "state.sqlite", timeout=10)) as db:
        return [
            Member(number, phone, language, json.loads(tags), gift, (address or b"").hex(), json.loads(document))
            for number, phone, language, tags, gift, address, document in db.execute(sql)
        ]
