"""Passwords that others on the way could read are told before a run."""

from pathlib import Path

import pytest

from cicscenario.connections import Service
from cicscenario.language import load_environment
from cicscenario.plan.cleartext import in_clear_text

ACCOUNTS = "accounts: {{host: {}, password: 'file:key', require_auth: {}, sslmode: {}}}"


def told(folder: Path, section: str, *needed: Service) -> list[str]:
    path = folder / "place.yaml"
    path.write_text(f"version: 1\nname: place\nspec: evm:byzantium:8996:bloxberg\n{section}\n")
    return in_clear_text(load_environment(path), needed or tuple(Service))


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            "custodial: {broker: 'redis://redis.example:6379/0', password: 'file:key'}",
            "custodial goes to redis.example",
        ),
        ("ussd: {url: 'http://ussd.example', user: a, password: 'file:key'}", "ussd goes to ussd.example"),
        (ACCOUNTS.format("db.example", "password", "prefer"), "accounts goes to db.example"),
    ],
)
def test_a_password_in_clear_text_is_told(tmp_path: Path, section: str, said: str) -> None:
    (line,) = told(tmp_path, section)
    assert said in line
    assert "in clear text" in line
    assert told(tmp_path, section, Service.META) == []  # it is not asked


@pytest.mark.parametrize(
    "section",
    [
        "custodial: {broker: 'redis://redis.example:6379/0'}",
        "custodial: {broker: 'rediss://redis.example:6379/0', password: 'file:key'}",
        "custodial: {broker: 'redis://127.0.0.1:6379/0', password: 'file:key'}",
        "custodial: {broker: 'redis://[::1]:6379/0', password: 'file:key'}",
        "custodial: {broker: 'redis+socket:///run/redis.sock', password: 'file:key'}",
        "ussd: {url: 'https://ussd.example', user: a, password: 'file:key'}",
        "ussd: {url: 'http://localhost:63315', user: a, password: 'file:key'}",
        "ussd: {url: 'http://ussd.example'}",
        ACCOUNTS.format("db.example", "scram-sha-256", "prefer"),
        ACCOUNTS.format("db.example", "password", "verify-full"),
        ACCOUNTS.format("/run/postgresql", "password", "prefer"),
    ],
)
def test_what_nobody_on_the_way_can_read_is_not_told(tmp_path: Path, section: str) -> None:
    assert told(tmp_path, section) == []
