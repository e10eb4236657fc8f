"""The environment as reports show it: without anything that opens a door."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cicscenario.language import Secret, load_environment
from cicscenario.report.surroundings import _text, surroundings

FILE = """\
version: 1
name: staging
chain:
  rpc: https://user:hunter2@node.example.org:8545/v3/{{ env.API_KEY }}?key=k
  spec: evm:byzantium:8996:bloxberg
  registry: '0xea6225212005e86a4490018ded4bf37f3e772161'
  signer: {private_key: "{{ env.SIGNER }}"}
"""


def test_addresses_are_cut_down_and_secrets_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "topsecret")
    path = tmp_path / "e.yaml"
    path.write_text(FILE)
    shown = surroundings(load_environment(path))
    assert shown["chain.rpc"] == "https://node.example.org:8545"
    assert shown["chain.spec"] == "evm:byzantium:8996:bloxberg"
    assert not any("signer" in key for key in shown)
    assert not any(word in str(shown) for word in ("hunter2", "topsecret", "SIGNER", "key=k"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("redis://:hunter2@127.0.0.1:6379/0", "redis://127.0.0.1:6379"),
        ("postgresql://u:hunter2@/db?host=/run", "postgresql://"),
        ("http://[::1", "(not shown)"),
        ("host=a password=hunter2", "(not shown)"),
        (("a", "b"), "a, b"),
        (7, "7"),
    ],
)
def test_every_form_of_address_is_made_harmless(value: object, text: str) -> None:
    assert _text(value) == text


def test_sections_that_are_not_known_yet_are_shown_in_the_same_way() -> None:
    @dataclass(frozen=True)
    class Section:
        url: str
        password: Secret
        nothing: None = None

    @dataclass(frozen=True)
    class Whole:
        name: str
        meta: Any

    shown = surroundings(Whole("e", Section("http://a:b@c/d", Secret("file:/x"))))  # type: ignore[arg-type]
    assert shown == {"name": "e", "meta.url": "http://c"}
