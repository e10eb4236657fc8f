"""The environment as reports show it: without anything that opens a door."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cicscenario.engine.environment import _text, shown_environment
from cicscenario.language import Secret, load_environment
from cicscenario.language.schema import properties, secret_paths
from cicscenario.resources import load_schema

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
    shown = shown_environment(load_environment(path))
    assert shown["chain.rpc"] == "https://node.example.org:8545"
    assert shown["chain.spec"] == "evm:byzantium:8996:bloxberg"
    assert not any("signer" in key for key in shown)
    assert not any(word in str(shown) for word in ("hunter2", "topsecret", "SIGNER", "key=k"))


def test_of_every_section_that_there_is_no_secret_is_shown(tmp_path: Path) -> None:
    """An environment with an example of everything, whose secrets are where no word of the report may lead."""
    schema = load_schema("environment-v1")
    document: dict[str, Any] = {"version": 1, "name": "whole"}
    whole: dict[str, Any] = {}
    for path, child in properties(schema):
        if path[0] in document or path[0] in ("extends", "vars") or "properties" in child:
            continue
        holder = whole
        for part in path[:-1]:
            holder = holder.setdefault(part, {})
        secret = path in secret_paths(schema)
        holder[path[-1]] = f"file:hidden-{'-'.join(path)}" if secret else child["examples"][0]
    document |= whole
    document["public_network"] = 8996
    document["chain"]["signer"] = {"private_key": "file:hidden-key"}
    del document["chain"]["gas_price"]  # instead of the fees of EIP-1559
    for key in ("service", "servicefile"):  # instead of a host
        del document["accounts"][key]
    path = tmp_path / "e.yaml"
    path.write_text(json.dumps(document))
    shown = shown_environment(load_environment(path))
    assert {key.partition(".")[0] for key in shown} >= set(schema["properties"]) - {"version", "extends", "vars"}
    assert "hidden" not in str(shown)


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

    shown = shown_environment(Whole("e", Section("http://a:b@c/d", Secret("file:/x"))))  # type: ignore[arg-type]
    assert shown == {"name": "e", "meta.url": "http://c"}
